"""Rows of `kmemlab peers` and of the micro benchmarks: nanoseconds per operation."""

import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from plots import intervals, style, units
from plots.figures.throughput import spread

PEERS_CAPTION = ("Each point is one repetition: the cost of a pair (allocate and free) divided by the median cost of the "
                 "floor, a pop and push on a bare thread-local list of the same run. The tick is the median, the bar its "
                 "95 % interval; the median in nanoseconds stands at the right. Further left is faster, all sizes of one work have the "
                 "same scale, which is logarithmic. Without a floor the scale is in nanoseconds. Of many works and sizes one "
                 "size of each is drawn, and of orders of freeing the random one; the table has all.")
PANELS = 8  # of the peers, beyond which some are left out
MICRO_CAPTION = ("Nanoseconds per operation against the argument of the benchmark (size, order or batch). The line "
                 "joins the medians, the shaded band spans the slowest and the fastest repetition. Lower is faster; "
                 "both axes are logarithmic.")


def peers_frame(results):
    """Columns work, size, label, repetition, ns, ratio (to the floor's median; NaN without one)."""
    return with_ratio(results.peers)


def micro_frame(results):
    """Columns work, size, label, repetition, ns."""
    data = results.micro
    return data if data.empty else data[["work", "size", "label", "repetition", "ns"]]


def with_ratio(data):
    if data.empty:
        return data
    floors = data[data.allocator == "floor"]
    floor = data.join(floors.groupby(["work", "size"]).ns.median().rename("floor_ns"), on=["work", "size"]).floor_ns
    # The floor does the same whatever the size, and works that have none are measured by that of the others.
    floor = floor.fillna(data.work.map(floors.groupby("work").ns.median())).fillna(floors.ns.median())
    return data.assign(ratio=data.ns / floor)[["work", "size", "label", "repetition", "ns", "ratio"]]


@style.styled
def draw_peers(data):
    """One panel per work and size, one row per allocator, cheapest first; `data` as `peers_frame` gives it."""
    works = shown(data)
    column = "ratio" if data.ratio.notna().any() else "ns"
    rows = {(work, size): data[(data.work == work) & (data["size"] == size)] for work, size in works}
    figure, axes = columns_of({key: 0.95 + 0.27 * mine.label.nunique() for key, mine in rows.items()})
    for (work, size), axis in axes.items():
        peers_panel(axis, rows[work, size], column)
        axis.set_title(f"{work}/{size}" if size else work)
        ratio_axis(axis, data[data.work == work][column], column)
        axis.set_xlabel("times the floor (log)" if column == "ratio" else "time of a pair (log)")
    return figure


def columns_of(heights):
    """(figure, {key: axis}) of panels of so many inches, each in that of two columns which is shorter so far."""
    columns = [[], []] if len(heights) > 1 else [[]]
    height_of = lambda column: sum(heights[key] for key in column)
    for key in heights:
        min(columns, key=height_of).append(key)
    height = max(map(height_of, columns))
    figure = Figure(figsize=(style.WIDTH, height + 0.12), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    axes = {}
    for grid, column in zip(figure.add_gridspec(1, len(columns)), columns):
        rest = height - height_of(column)
        ratios = [*(heights[key] for key in column), *([rest] if rest > 0 else [])]
        axes |= {key: figure.add_subplot(place) for key, place in zip(column, grid.subgridspec(len(ratios), 1, height_ratios=ratios))}
    return figure, axes


def shown(data):
    """[(work, size)] of the panels: all, or of too many one size of each work, the next to 64, and of its orders the random one."""
    places = {work: place for place, work in enumerate(data.work.unique())}
    works = sorted(set(zip(data.work, data["size"])), key=lambda key: (places[key[0]], key[1]))
    if len(works) <= PANELS:
        return works
    chosen = {}
    for work, size in sorted(works, key=lambda key: (not key[0].endswith("-random"), abs(key[1] - 64))):
        chosen.setdefault(re.sub("-(lifo|fifo|random)$", "", work), (work, size))
    return [key for key in works if key in chosen.values()]


def ratio_axis(axis, values, column):
    """The log axis of one panel; all sizes of one work have the same."""
    low, high = values.min() / 1.3, values.max() * 1.3
    axis.set_xlim(low, high)
    axis.xaxis.set_major_locator(FixedLocator(round_ticks(low, high, 4)))
    axis.xaxis.set_minor_locator(NullLocator())
    style.unit_axis(axis.xaxis, (lambda value: f"{value:g}×") if column == "ratio" else units.nanoseconds_text)


def peers_panel(axis, panel, column):
    order = panel.groupby("label").ns.median().sort_values(kind="stable").index
    looks = style.looks(order)
    for place, label in enumerate(order):
        mine = panel[panel.label == label]
        interval = intervals.median_interval(mine[column])
        spread(axis, place, mine[column].to_numpy(), looks[label], interval).set_label(label)
        axis.annotate(units.nanoseconds_text(mine.ns.median()), (1.01, place), xycoords=("axes fraction", "data"),
                      va="center", fontsize=8.5, annotation_clip=False, gid=style.gid(label))
    style.row_labels(axis, order)
    axis.set_xscale("log")
    axis.grid(axis="y", visible=False)
    axis.tick_params(labelbottom=True)


@style.styled
def draw_micro(data):
    """One panel per work, one line per allocator; `data` as `micro_frame` gives it."""
    works = list(dict.fromkeys(data.work))
    labels = list(dict.fromkeys(data.label))
    looks = style.looks(labels)
    rows, columns = style.grid_of(len(works), 2 if len(works) < 7 else 3)
    figure, axes = style.panels(rows, columns, 2.6, style.legend_rows(labels), sharey=True)
    for work, axis in zip(works, axes.flat):
        panel = data[data.work == work]
        for label, line in panel.groupby("label", sort=False):
            table = line.groupby("size").ns.agg(["median", "min", "max"])
            options = looks[label]
            axis.plot(table.index, table["median"], markersize=5, markeredgecolor="white", label=label, **options)
            axis.fill_between(table.index, table["min"], table["max"], color=options["color"], alpha=0.15, linewidth=0, gid=options["gid"])
        argument_axis(axis, panel)
        axis.set_title(work)
        axis.tick_params(labelleft=True)
    time_axis(axes[0][0], data.ns.min() / 1.25, data.ns.max() * 1.25)
    for axis in axes.flat[len(works):]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel("time per operation")
    style.legend_above(figure, style.handles_of(labels))
    return figure


def argument_axis(axis, panel):
    sizes = np.unique(panel["size"])
    if sizes.min() > 0 and sizes.max() > 16:
        axis.set_xscale("log", base=2)
    shown = sizes if len(sizes) <= 6 else sizes[::-(-len(sizes) // 6)]
    axis.xaxis.set_major_locator(FixedLocator(shown))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: units.count_text(value))
    axis.set_xlabel("size, order or batch")


def round_ticks(low, high, most):
    """1, 2, 5, 10 ... between two bounds; only powers of ten if those are too many, and more between them if one would stand alone."""
    fine, usual, tens = ([base * 10.0**power for power in range(-3, 10) for base in bases if low < base * 10.0**power < high]
                         for bases in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1,)))
    if len(usual) < 2:
        return fine
    return usual if len(usual) <= most or len(tens) < 2 else tens


def time_axis(axis, low, high):
    axis.set_yscale("log")
    axis.set_ylim(low, high)
    axis.yaxis.set_major_locator(FixedLocator(round_ticks(low, high, 7)))
    axis.yaxis.set_minor_locator(NullLocator())
    style.unit_axis(axis.yaxis, units.nanoseconds_text)
