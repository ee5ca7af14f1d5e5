"""What is free below the allocators: blocks of each order, and how far fragmentation makes them useless."""

import numpy as np
from matplotlib.colors import LogNorm, Normalize

from plots import style, units
from plots.figures.memory import clock, clock_axis

BLOCKS_CAPTION = ("Each row is an order (a block of order k is 2^k pages), each column a moment; the colour says how many free "
                  "blocks of that order there are, white means none. The number at the right is the count at the end. Much "
                  "colour in the low rows and white above is fragmented memory.")
INDEX_CAPTION = ("Left, the unusable index: the share of free memory that lies in blocks too small for a request of "
                 "that order (0: all of it is usable, 1: none). Right, the fragmentation index: why a request of that "
                 "order would fail; towards 1 because memory is fragmented, towards 0 because there is too little of it, "
                 "white if it would be served. Numbers at the right of the panels: at the end. Allocators below which there is next to no "
                 "fragmentation are named, not drawn.")
ORDERS = range(11)
LEAST_UNUSABLE = 100  # thousandths: less is a pale panel that says nothing
MOST_COLUMNS = 240


def frame(results):
    """Columns label, layer, operation, time_s, order, free_blocks, extfrag_index, unusable_index (thousandths)."""
    data = results.orders
    return data if data.empty else data.drop(columns=["trace", "allocator"])


def matrix(panel, column, now):
    """(times, values[order][time]) of one allocator, thinned to what can be seen; the last moment is kept."""
    table = panel.pivot_table(index="order", columns="operation", values=column, dropna=False, aggfunc="last")
    times = panel.drop_duplicates("operation").sort_values("operation")[now].to_numpy(dtype=float)
    chosen = np.unique(np.linspace(0, len(times) - 1, min(len(times), MOST_COLUMNS)).astype(int))
    return times[chosen], table.reindex(ORDERS).to_numpy(dtype=float)[:, chosen]


def edges(times):
    """Borders of the columns; equal times get a sliver each, since a mesh needs ascending borders."""
    step = (times[-1] - times[0]) / max(len(times) - 1, 1) or 1.0
    return np.maximum.accumulate(np.append(times, times[-1] + step)) + 1e-9 * step * np.arange(len(times) + 1)


def heat(axis, panel, column, cmap, norm, scale, text):
    """One panel: orders upwards, time to the right; the values at the end stand at its right."""
    times, values = matrix(panel, column, clock(panel)[0])
    mesh = axis.pcolormesh(edges(times), np.arange(12) - 0.5, values * scale, cmap=cmap, norm=norm, rasterized=True)
    clock_axis(axis.xaxis, clock(panel)[0])
    axis.set_yticks(ORDERS)
    axis.grid(visible=False)
    axis.tick_params(axis="y", length=0)
    for order in ORDERS:
        if np.isfinite(values[order, -1]):
            axis.annotate(text(values[order, -1] * scale), (1.012, order), xycoords=("axes fraction", "data"),
                          fontsize=8, va="center", annotation_clip=False)
    return mesh


@style.styled
def draw_blocks(data):
    """One panel per allocator, free blocks as colour over time and order; `data` as `frame` gives it."""
    data = data[data.free_blocks.notna()]
    labels = list(dict.fromkeys(data.label))
    rows, columns = style.grid_of(len(labels), 2)
    figure, axes = style.panels(rows, columns, 2.8, 0, sharex=True)
    cmap = style.ramp("YlGnBu")
    norm = LogNorm(1, max(10, data.free_blocks.max()))
    for label, axis in zip(labels, axes.flat):
        axis.set_gid(style.gid(label))
        mesh = heat(axis, data[data.label == label], "free_blocks", cmap, norm, 1, units.count_text)
        style.title(axis, f"below {label}" if data[data.label == label].layer.iloc[0] != "pages" else label, columns)
        axis.tick_params(labelbottom=True)
    name_axes(axes, len(labels), clock(data)[1])
    used = [axis for axis in axes.flat if axis.get_visible()]
    figure.colorbar(mesh, ax=used, label=style.bar_label("free blocks (log)", "none", rows), extend="min", pad=0.02, aspect=18 * rows, fraction=0.03,
                    format=lambda value, _: units.count_text(value))
    return figure


@style.styled
def draw_indices(data):
    """A row for each allocator of which there is something to see: unusable index and fragmentation index; `data` as `frame` gives it."""
    data = data[data.unusable_index.notna() | data.extfrag_index.notna()]
    labels = telling(data)
    figure, axes = style.panels(len(labels), 2, 2.8, 0, sharex=True)
    cmap = style.ramp("YlOrRd")
    for label, row in zip(labels, axes):
        panel = data[data.label == label]
        below = "" if panel.layer.iloc[0] == "pages" else "below "
        for axis, column, title in zip(row, ("unusable_index", "extfrag_index"),
                                       ("share unusable", "fragmentation index")):
            axis.set_gid(style.gid(label))
            mesh = heat(axis, panel, column, cmap, Normalize(0, 1), 0.001, index_text)
            style.title(axis, f"{below}{label}: {title}", 2)
            axis.tick_params(labelbottom=True)
    name_axes(axes, 2 * len(labels), clock(data)[1])
    figure.colorbar(mesh, ax=list(axes.flat), label=style.bar_label("index", "would be served", len(labels)), pad=0.02, extend="min",
                    aspect=18 * len(labels), fraction=0.03)
    left_out = [label for label in dict.fromkeys(data.label) if label not in labels]
    if left_out:
        figure.supxlabel(style.wrapped(f"Not drawn, since no more than {LEAST_UNUSABLE / 10:g} % was ever unusable and every order would be served: "
                                       f"{', '.join(left_out)}.", 110), fontsize=9)
    return figure


def telling(data):
    """The allocators below which memory was ever fragmented, or would not serve an order; if there is none, the one that came nearest."""
    worst = data.groupby("label", sort=False)[["unusable_index", "extfrag_index"]].max()
    chosen = worst[(worst.unusable_index > LEAST_UNUSABLE) | (worst.extfrag_index >= 0)]
    return list(chosen.index) if len(chosen) else [worst.unusable_index.idxmax()]


def index_text(value):
    return "ok" if value < 0 else f"{value:.2f}"


def name_axes(axes, used, now_text):
    for row in axes:
        row[0].set_ylabel("order")
    for axis in axes.flat[used:]:
        axis.set_visible(False)
    for axis in axes.flat[max(0, used - axes.shape[1]):used]:
        axis.set_xlabel(now_text)
