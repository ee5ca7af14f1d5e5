"""Fragmentation by huge page: how much of each is free, as the authors of LLFree draw it."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from plots import style
from plots.figures.free_memory import edges
from plots.figures.memory import clock, clock_axis

PAGES = 512  # of a huge page of 2 MiB
MOST_ROWS = 512
CAPTION = ("Each row is a huge page of 2 MiB, lowest address below, each column a moment; the colour says how many of its 512 "
           "pages are free. Only one that is free as a whole, of the darkest colour, can be given as a huge page: each title tells "
           "how many these are, of as many as the free memory would make, at the moment when that differs most. Memory that is "
           "one half dark and one half white is used and not fragmented; the same amount of middling colours everywhere is "
           "fragmented. Pages that wait in the lists of CPUs count as free. "
           "Where most of memory stays free as a whole, what lies beyond the rest is left out. "
           "Of large memories neighbouring huge pages share a row, which has their mean.")


def frame(results):
    """Columns label, layer, operation, time_s, huge_page (by address) and free_pages."""
    data = results.huge_pages
    return data if data.empty else data.drop(columns=["trace", "allocator"])


def matrix(panel, now):
    """(times, borders of the rows, mean free pages[row][time]) of one allocator, without the ends of memory that it leaves alone."""
    table = panel.pivot_table(index="huge_page", columns="operation", values="free_pages", aggfunc="last")
    times = panel.drop_duplicates("operation").sort_values("operation")[now].to_numpy(dtype=float)
    values = table.to_numpy(dtype=float)
    first, last = used(values)
    each = -(-(last - first) // MOST_ROWS)
    borders = np.append(np.arange(first, last, each), last)
    return times, borders, np.add.reduceat(values[:last], borders[:-1], axis=0) / np.diff(borders)[:, None]


def used(values):
    """(first, behind the last) of the huge pages to be drawn: those that are not free all the time and a margin, or all if these are most."""
    busy = np.flatnonzero((values < PAGES).any(axis=1))
    if len(busy) == 0:
        return 0, len(values)
    margin = max(4, np.ptp(busy) // 8)
    first, last = max(0, int(busy[0]) - margin), min(len(values), int(busy[-1]) + 1 + margin)
    return (first, last) if last - first <= len(values) / 2 else (0, len(values))


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
        times, borders, values = matrix(panel, now)
        mesh = axis.pcolormesh(edges(times), borders, values,
                               cmap=style.ramp("YlGnBu"), norm=Normalize(1, PAGES), rasterized=True)
        below = "" if panel.layer.iloc[0] == "pages" else "below "
        whole, possible = at_worst(panel)
        style.title(axis, f"{below}{label}: at worst {whole} of {possible}", max(columns, 2))
        axis.grid(visible=False)
        clock_axis(axis.xaxis, now)
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.tick_params(labelbottom=True)
    for row in axes:
        row[0].set_ylabel("huge page")
    for axis in axes.flat[len(labels):]:
        axis.set_visible(False)
    for axis in axes.flat[max(0, len(labels) - columns):len(labels)]:
        axis.set_xlabel(now_text)
    used = [axis for axis in axes.flat if axis.get_visible()]
    figure.colorbar(mesh, ax=used, label=style.bar_label("free pages", "none", rows), extend="min", pad=0.02, aspect=18 * rows, fraction=0.03,
                    ticks=[1, 128, 256, 384, PAGES])
    return figure
