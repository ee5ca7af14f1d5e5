"""What reaching memory costs by the number of pages: nanoseconds of the host beside counts of the played TLB."""

import pandas as pd
from matplotlib.ticker import FixedLocator, NullLocator

from plots import style, units
from plots.figures.benchmarks import time_axis

CAPTION = ("A chase through one pointer a page, in random order. Above: nanoseconds of one step on this machine; lines is a chase through as many cache "
           "lines that lie side by side, so that the distance to it is what translating costs. Below: what the played TLB counts for the same "
           "order of pages: lookups behind its first level and references to page tables in one step, the same in every run. Dotted uprights are the knees "
           "that were found: the last number of pages before a plateau is left; of the host's curves they are looked for after lines was "
           "subtracted. A first-level TLB of 64 entries has its knee at 64 pages of 4 KiB. If the curve of 2 MiB pages stays level to the "
           "right of the knee of the 4 KiB pages, huge pages widen the reach; if it has the same knees and lies lower, they only "
           "shorten the walk. The axes of pages and of time are logarithmic.")
HOST, SOFT = "this machine", "the played TLB"
LABEL_INCHES = 0.17  # height of the name of a knee


def frame(results):
    """Columns panel, size (pages or lines), label, value (ns, or lookups and references), knee (name, or empty)."""
    data = results.mapping
    if data.empty or not (data.work == "access").any():
        return data.iloc[:0]
    data = data[data.work == "access"]
    soft = data.allocator.str.startswith("soft-")
    host = data[~soft].groupby(["label", "allocator", "size"], sort=False).ns.median().rename("value").reset_index().assign(panel=HOST)
    played = counted(data[soft], results.mapping_counts).assign(panel=SOFT)
    both = pd.concat([part for part in (host, played) if len(part)], ignore_index=True)
    return with_knees(both, results.mapping_knees)[["panel", "size", "label", "value", "knee"]]


def counted(rows, counts):
    """The cost that the model counts, per step."""
    rows = rows.drop_duplicates(["label", "allocator", "size"])[["label", "allocator", "size"]]
    table = counts[counts.work == "access"].pivot_table(index=["label", "size"], columns="name", values="count") if len(counts) else counts
    if rows.empty or len(table) == 0:
        return rows.assign(value=[])
    value = (table.l2_hits + table.walks + table.walk_steps) / table.units
    return rows.join(value.rename("value"), on=["label", "size"])


def with_knees(data, knees):
    """The name of the knee that a row is, or an empty text."""
    names = dict(zip(zip(knees.label, knees["size"]), knees["name"])) if len(knees) else {}
    return data.assign(knee=[names.get(place, "") for place in zip(data.label, data["size"])])


@style.styled
def draw(data):
    """One panel for the host, one for the played TLB; `data` as `frame` gives it."""
    panels = [name for name in (HOST, SOFT) if name in set(data.panel)]
    labels = list(dict.fromkeys(data.label))
    height = 3 + LABEL_INCHES * len(knees_of(data[data.panel == panels[0]]))
    figure, axes = style.panels(len(panels), 1, height)
    for name, axis in zip(panels, axes[:, 0]):
        rows = data[data.panel == name]
        looks = style.looks(list(dict.fromkeys(rows.label)))
        for label, line in rows.groupby("label", sort=False):
            line = line.sort_values("size")
            axis.plot(line["size"], line.value, **{**looks[label], "marker": ""}, label=label)
        pages_axis(axis, rows["size"])
        axis.set_title(name)
        knees = knees_of(rows)
        free = 1 - LABEL_INCHES * (len(knees) + 1) / (height - 1)  # the share of the panel below the names of the knees
        if name == HOST:
            low, high = rows.value.min() / 1.3, rows.value.max() * 1.3
            time_axis(axis, low, low * (high / low) ** (1 / free))
            axis.set_ylabel("time of a step (log)")
        else:
            axis.set_ylim(0, max(rows.value.max(), 1) / free)
            axis.set_ylabel("lookups and references a step")
        mark_knees(axis, rows[rows.knee != ""], looks)
        name_knees(axis, knees, LABEL_INCHES / (height - 1))
    style.legend_above(figure, style.handles_of(labels))
    return figure


def knees_of(rows):
    """{(size, name of the knee): who has it there}, in ascending order."""
    knees = rows[rows.knee != ""].sort_values("size", kind="stable")
    return {place: list(who) for place, who in knees.groupby(["size", "knee"], sort=True).label}


def mark_knees(axis, knees, looks):
    for at, label in zip(knees["size"], knees.label):
        axis.axvline(at, color=looks[label]["color"], linestyle=style.DOTTED, linewidth=1, gid=looks[label]["gid"])


def name_knees(axis, knees, step):
    """The names of the knees above the lines, each a `step` below the one before, on that side of its upright that has more room."""
    smallest, largest = axis.get_xlim()
    for number, ((at, knee), who) in enumerate(knees.items()):
        left = at * at > smallest * largest
        axis.annotate(f"{knee}: {units.count_text(at)} ({', '.join(who)})", (at, 1 - step * (number + 0.5)), xycoords=("data", "axes fraction"),
                      xytext=(-4 if left else 4, 0), textcoords="offset points", fontsize=8.5, ha="right" if left else "left", va="center",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})


def pages_axis(axis, sizes):
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_locator(FixedLocator([2.0**power for power in range(4, 24, 2) if sizes.min() <= 2**power <= sizes.max()]))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: units.count_text(value))
    axis.set_xlabel("pages, or lines (log)")
