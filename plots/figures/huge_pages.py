"""Fragmentation by huge page: how much of each is free, as the authors of LLFree draw it."""

import numpy as np
from matplotlib.colors import Normalize

from plots import style
from plots.figures.free_memory import edges
from plots.figures.memory import clock

PAGES = 512  # of a huge page of 2 MiB
MOST_ROWS = 512
CAPTION = ("Each row is a huge page of 2 MiB, lowest address below, each column a moment; the colour says how many of its 512 "
           "pages are free. Only one that is free as a whole, of the darkest colour, can be given as a huge page: each title tells "
           "how many these are, of as many as the free memory would make, at the moment when that differs most. Memory that is "
           "one half dark and one half white is used and not fragmented; the same amount of middling colours everywhere is "
           "fragmented. Pages that wait in the lists of CPUs count as free. "
           "Of large memories neighbouring huge pages share a row, which has their mean.")


def frame(results):
    """Columns label, layer, operation, time_s, huge_page (by address) and free_pages."""
    data = results.huge_pages
    return data if data.empty else data.drop(columns=["trace", "allocator"])


def matrix(panel, now):
    """(times, first huge page of each row, mean free pages[row][time]) of one allocator."""
    table = panel.pivot_table(index="huge_page", columns="operation", values="free_pages", aggfunc="last")
    times = panel.drop_duplicates("operation").sort_values("operation")[now].to_numpy(dtype=float)
    values = table.to_numpy(dtype=float)
    each = -(-len(values) // MOST_ROWS)
    starts = np.arange(0, len(values), each)
    counts = np.diff(np.append(starts, len(values)))
    return times, starts, np.add.reduceat(values, starts, axis=0) / counts[:, None]


def at_worst(panel):
    """(huge pages free as a whole, as many as free memory would make) at the moment when these differ most."""
    moments = panel.groupby("operation").free_pages
    whole, possible = moments.apply(lambda pages: (pages == PAGES).sum()), moments.sum() // PAGES
    worst = (possible - whole).idxmax()
    return int(whole[worst]), int(possible[worst])


@style.styled
def draw(data):
    """One panel per allocator; `data` as `frame` gives it."""
    labels = list(dict.fromkeys(data.label))
    rows, columns = style.grid_of(len(labels), 2)
    figure, axes = style.panels(rows, columns, 2.8, 0)
    now, now_text = clock(data)
    for label, axis in zip(labels, axes.flat):
        panel = data[data.label == label]
        axis.set_gid(style.gid(label))
        times, starts, values = matrix(panel, now)
        mesh = axis.pcolormesh(edges(times), np.append(starts, panel.huge_page.max() + 1), values,
                               cmap=style.ramp("YlGnBu"), norm=Normalize(1, PAGES), rasterized=True)
        below = "" if panel.layer.iloc[0] == "pages" else "below "
        whole, possible = at_worst(panel)
        style.title(axis, f"{below}{label}: at worst {whole} of {possible}", max(columns, 2))
        axis.grid(visible=False)
        axis.tick_params(labelbottom=True)
    for row in axes:
        row[0].set_ylabel("huge page")
    for axis in axes.flat[len(labels):]:
        axis.set_visible(False)
    for axis in axes.flat[max(0, len(labels) - columns):len(labels)]:
        axis.set_xlabel(now_text)
    used = [axis for axis in axes.flat if axis.get_visible()]
    figure.colorbar(mesh, ax=used, label="free pages; white: none", extend="min", pad=0.02, aspect=18 * rows, fraction=0.03,
                    ticks=[1, 128, 256, 384, PAGES])
    return figure
