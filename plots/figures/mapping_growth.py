"""What grows with pages, CPUs and areas: shootdowns, and many areas at once."""

from itertools import cycle

import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator

from plots import style, units
from plots.figures.benchmarks import time_axis

SHOOTDOWN_CAPTION = ("Left: time of one munmap of so many pages while 0 to n other threads run in the address space; what a line lies above that of "
                     "no thread is the interrupts of other CPUs. Both axes are logarithmic. Right: what the played MMU counts for one unmap and flush on CPU 0: "
                     "translations that were dropped one by one, summed over all CPUs. Up to 33 pages they are; above, each CPU's whole TLB goes "
                     "at once, and the count falls to none while the whole working set of each CPU has to be walked for anew. Other CPUs are interrupted once a flush either way.")
AREAS_CAPTION = ("Left: time of freeing one area and making one of 1 to 4 pages while so many live, on the played MMU, purges included; the number axis "
                 "is logarithmic, so a line that is straight grows with the logarithm. Caches of the machine add to it: more areas are more memory. "
                 "Right: steps from the root of the trees to an area, on average (line) and at most (dashed), counted, the same in every run; dotted is the base-2 "
                 "logarithm of the number of areas.")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # one more CPU, one more colour


def shootdown_frame(results):
    """Columns panel, size (pages), label, value (ns, or dropped translations)."""
    data = results.mapping
    if data.empty or not (data.work == "shootdown").any():
        return data.iloc[:0]
    data = data[data.work == "shootdown"]
    values = data.groupby(["label", "allocator", "size"], sort=False).ns.median().rename("value").reset_index()
    values = values.assign(panel=np.where(values.allocator.str.startswith("host"), "time", "dropped"))
    counts = results.mapping_counts
    table = counts[counts.work == "shootdown"].pivot_table(index=["label", "size"], columns="name", values="count") if len(counts) else counts
    if len(table):
        dropped = (table.flushed_pages / table.units).to_dict()
        values["value"] = [dropped.get((label, size), value) if panel == "dropped" else value
                           for label, size, panel, value in zip(values.label, values["size"], values.panel, values.value)]
    return values[["panel", "size", "label", "value"]]


def areas_frame(results):
    """Columns size (areas), label, ns, and the steps of busy and free areas: mean and most."""
    data = results.mapping
    if data.empty or not (data.work == "areas").any():
        return data.iloc[:0]
    values = data[data.work == "areas"].groupby(["label", "size"], sort=False).ns.median().reset_index()
    counts = results.mapping_counts
    table = counts[counts.work == "areas"].pivot_table(index=["label", "size"], columns="name", values="count")
    steps = {f"{kind}_mean": table[f"{kind}_steps"] / table[f"{kind}_areas"] for kind in ("busy", "free")}
    steps.update({f"{kind}_most": table[f"{kind}_deepest"] for kind in ("busy", "free")})
    for name, column in steps.items():
        values = values.join(column.rename(name), on=["label", "size"])
    return values


@style.styled
def draw_shootdown(data):
    """`data` as `shootdown_frame` gives it."""
    panels = [name for name in ("time", "dropped") if name in set(data.panel)]
    figure, axes = style.panels(1, len(panels), 3.6, 0)
    for name, axis in zip(panels, axes[0]):
        rows = data[data.panel == name]
        for (label, line), colour, marker in zip(rows.groupby("label", sort=False), cycle(COLOURS), cycle("os^vDX")):
            line = line.sort_values("size")
            axis.plot(line["size"], line.value, color=colour, marker=marker, markersize=6, markeredgecolor="white", label=label)
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_locator(FixedLocator([1, 2, 8, 33, 128, 512]))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(lambda value, _: units.count_text(value))
        axis.set_xlabel("pages unmapped (log)")
        handles, names = axis.get_legend_handles_labels()
        axis.legend(handles[::-1], names[::-1], loc="upper left", fontsize=8.5)  # as the lines lie
        if name == "time":
            time_axis(axis, rows.value.min() / 1.5, rows.value.max() * 3)
            axis.set_ylabel("time of an unmap (log)")
        else:
            axis.set_yscale("symlog", linthresh=1)
            axis.set_ylim(-0.1, 300 * max(rows.value.max(), 1))
            style.unit_axis(axis.yaxis, units.count_text)
            axis.yaxis.set_minor_locator(NullLocator())
            axis.set_ylabel("translations dropped one by one (log)")
        axis.set_title("this machine" if name == "time" else "the played MMU")
    return figure


@style.styled
def draw_areas(data):
    """`data` as `areas_frame` gives it."""
    figure, axes = style.panels(1, 2, 3.4, 0)
    time, steps = axes[0]
    looks = style.looks(list(dict.fromkeys(data.label)))
    for label, line in data.groupby("label", sort=False):
        line = line.sort_values("size")
        time.plot(line["size"], line.ns, markersize=5, label=label, **looks[label])
        for kind, colour in (("busy", "#0072B2"), ("free", "#D55E00")):
            steps.plot(line["size"], line[f"{kind}_mean"], color=colour, marker="o", markersize=4, label=f"{kind} areas")
            steps.plot(line["size"], line[f"{kind}_most"], color=colour, linestyle=style.DASHED)
    sizes = np.sort(data["size"].unique())
    steps.plot(sizes, np.log2(sizes), color="#767676", linestyle=style.DOTTED, label="log2 of the areas")
    for axis in (time, steps):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(sizes))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(lambda value, _: units.count_text(value))
        axis.set_xlabel("areas that live (log)")
        axis.set_ylim(bottom=0)
        axis.legend(loc="lower right")
    style.unit_axis(time.yaxis, units.nanoseconds_text)
    time.set_ylabel("time of a free and an allocation")
    steps.set_ylabel("steps to an area")
    return figure
