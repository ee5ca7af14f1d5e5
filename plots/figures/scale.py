"""Counts of `kmemlab scale` over the number of CPUs."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from plots import style, units
from plots.load import SCALE_COUNTS

CAPTION = ("How often, per 1000 operations, each allocator leaves what a CPU has to itself, by pattern of sharing (columns) "
           "and kind of count (rows). A line that stays level costs as much on many CPUs as on two; one that rises does "
           "not scale. Higher is better in the first row, lower in all others. prodcons: CPU 2k allocates, 2k+1 frees; pingpong: "
           "they change roles every 256 operations; on one CPU all patterns are local. The grey line is the pattern's own: frees "
           "on another CPU than the allocation's. Axes are logarithmic, but for the first row's; the upright ones linear below 0.1, "
           "so that they have a 0. Counts are exact and the same in every run; a lock taken seldom may still be waited for, which one "
           "thread that plays all CPUs does not see.")
KINDS = {
    "fast path": lambda data: data.fast_allocations + data.fast_frees,
    "refills": lambda data: data.refills,
    "flushes": lambda data: data.flushes,
    "locks of the node,\nby allocations": lambda data: data.allocation_node_locks,
    "locks of the node,\nby frees": lambda data: data.free_node_locks,
}
FAST, REMOTE = "fast path", "locks of the node,\nby frees"  # the linear row, and that which remote frees explain
LINEAR_BELOW = 0.1


def frame(results):
    """Columns pattern, label, cpus, size, violation and the counts of load.SCALE_COUNTS."""
    data = results.scale
    return data if data.empty else data[["pattern", "label", "cpus", "size", "violation", *SCALE_COUNTS]]


@style.styled
def draw(data):
    """One row per kind of count, one column per pattern, one line per allocator; `data` as `frame` gives it."""
    patterns, labels = (list(dict.fromkeys(data[name])) for name in ("pattern", "label"))
    figure, axes = style.panels(len(KINDS), len(patterns), 1.55, style.legend_rows([*labels, "remote frees"]), sharex=True, sharey="row")
    for row, (kind, count) in zip(axes, KINDS.items()):
        for pattern, axis in zip(patterns, row):
            panel(axis, data[data.pattern == pattern], count, kind == REMOTE)
        row[0].set_ylabel(kind)
        count_axis(row[0], linear=kind == FAST)
    for pattern, axis in zip(patterns, axes[0]):
        axis.set_title(pattern)
    for axis in axes[-1]:
        axis.set_xlabel("CPUs (log)")
    cpus_axis(axes[0][0], data.cpus.unique())
    figure.supylabel("times in 1000 operations", fontsize=10)
    remote = Line2D([], [], color="#767676", linestyle=style.DOTTED, label="remote frees")
    style.legend_above(figure, [*style.handles_of(labels), remote])
    return figure


def panel(axis, rows, count, with_remote):
    looks = style.looks(list(dict.fromkeys(rows.label)))
    for label, line in rows.groupby("label", sort=False):
        line = line.sort_values("cpus")
        axis.plot(line.cpus, 1000 * count(line) / line.operations, markersize=4.5, markeredgecolor="white",
                  markeredgewidth=0.5, label=label, zorder=2 if looks[label]["linestyle"] == style.SOLID else 3, **looks[label])
    if with_remote:
        line = rows[rows.label == rows.label.iloc[0]].sort_values("cpus")
        axis.plot(line.cpus, 1000 * line.remote_frees / line.operations, color="#767676", linestyle=style.DOTTED,
                  label="remote frees", zorder=1)


def count_axis(axis, linear):
    if linear:
        axis.set_ylim(-40, 1060)
        return
    axis.set_yscale("symlog", linthresh=LINEAR_BELOW)
    axis.set_ylim(-0.02, 1500)
    axis.yaxis.set_major_locator(FixedLocator([0, 0.1, 1, 10, 100, 1000]))
    axis.yaxis.set_minor_locator(NullLocator())
    style.unit_axis(axis.yaxis, lambda value: f"{value:g}")


def cpus_axis(axis, cpus):
    cpus = np.sort(cpus)
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator(cpus[:: -(-len(cpus) // 5)]))
    axis.xaxis.set_minor_locator(NullLocator())
    style.unit_axis(axis.xaxis, units.count_text)
