"""Kernel stacks: what making and reusing one costs, who gets one when memory is in pieces, what they hold."""

import numpy as np

from plots import style, units
from plots.figures.memory import byte_ticks

CAPTION = ("Left: time of each step in the life of a stack, by kind; the point is the median, the axis is logarithmic. Of reuse, clear is what clearing that "
           "stack alone costs: a cached stack should lie just behind it. Middle: which share of the stacks that were asked for came, when so much of the "
           "free memory was still in blocks of order 2 or larger; direct stacks need such blocks, the others take single pages. Right: memory "
           "that the tasks' stacks held for each task, with depths of use as the distribution has them. The last two are counts, the same in every run.")
PREFIX = "stack-"


def frame(results):
    """Columns work, size, label, ns, share (of stacks that came), bytes (a task); NaN where a work has none."""
    data = results.mapping
    data = data[data.work.str.startswith(PREFIX)] if len(data) else data
    if data.empty:
        return data
    values = data.groupby(["work", "size", "label"], sort=False).ns.median().reset_index()
    counts = results.mapping_counts
    table = counts[counts.work.str.startswith(PREFIX)].pivot_table(index=["work", "size", "label"], columns="name", values="count") \
        if len(counts) else counts
    for name, part, whole in (("share", "succeeded", "attempts"), ("bytes", "bytes", "tasks")):
        known = part in table and whole in table
        values = values.join((table[part] / table[whole]).rename(name), on=["work", "size", "label"]) if known \
            else values.assign(**{name: np.nan})
    return values


@style.styled
def draw(data):
    """`data` as `frame` gives it."""
    figure, axes = style.panels(1, 3, 3.6, style.legend_rows(data.label.unique()))
    times, success, memory = axes[0]
    looks = style.looks(list(dict.fromkeys(data.label)))
    timed = data[data.share.isna() & data.bytes.isna()]
    works = list(dict.fromkeys(timed.work))
    for label, rows in timed.groupby("label", sort=False):
        times.plot(rows.ns, [works.index(work) for work in rows.work], color=looks[label]["color"], marker=looks[label]["marker"],
                   linestyle="none", gid=looks[label]["gid"])
    times.set_yticks(range(len(works)), [work.removeprefix(PREFIX) for work in works])
    times.set_ylim(len(works) - 0.5, -0.5)
    times.set_xscale("log")
    style.log_axis(times.xaxis, units.nanoseconds_text, 4)
    times.set_xlabel("time (log)")
    times.set_title("Time")
    for label, rows in data[data.share.notna()].groupby("label", sort=False):
        rows = rows.sort_values("size")
        success.plot(rows["size"] / 100, rows.share, label=label, **looks[label])
    success.set_ylim(-0.03, 1.03)
    for axis in (success.xaxis, success.yaxis):
        style.unit_axis(axis, lambda share: f"{100 * share:.0f}{units.SPACE}%")
    success.set_xlabel("memory in blocks of order 2 or more")
    success.set_title("Stacks that came")
    held = data[data.bytes.notna()]
    memory.bar(range(len(held)), held.bytes, color=[looks[label]["color"] for label in held.label])
    memory.set_xticks(range(len(held)), held.label, rotation=25, ha="right")
    byte_ticks(memory.yaxis, held.bytes.max() if len(held) else 1)
    memory.set_title("Memory for each task")
    style.legend_above(figure, style.handles_of(list(looks)))
    return figure
