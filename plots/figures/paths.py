"""Which way through the allocator served the operations, and what each way costs."""

import numpy as np
from matplotlib.patches import Patch

from plots import style, units

CAPTION = ("Each bar is all operations of one direction, split by the way that served them, cheapest kind at the left: "
           "light is close at hand (per-CPU lists), dark is work (new slabs, other lists, failure). Counts are the same "
           "in every run; those too small to be seen are in the table below the figure. `opaque`: the allocator "
           "does not tell.")
COST_CAPTION = ("Each row is one kind of operation by one path: the marker is the median, the line reaches to the 99th "
                "percentile, the hollow dot is the slowest one. Further left is faster; the scale is logarithmic. The "
                "number at the right says how many operations went that way.")
ORDER = ("fast", "refill", "cpu_partial", "slab", "node_partial", "zone", "large", "flush", "discard", "new_slab",
         "steal", "other_zone", "failed", "opaque")
HATCHES = ("", "", "//", "", "\\\\", "", "..", "//", "", "xx", "", "..", "", "")


def place(path):
    return ORDER.index(path) if path in ORDER else len(ORDER)


def path_look(path):
    """Fill of a path's part of a bar: from light (cheap) to dark (dear); what is not told is grey."""
    if path not in ORDER[:-1]:
        return {"facecolor": "#bdbdbd", "hatch": "", "edgecolor": "white"}
    colour = style.ramp("YlGnBu")(place(path) / (len(ORDER) - 2))
    return {"facecolor": colour, "hatch": HATCHES[place(path)], "edgecolor": "white"}


def frame(results):
    """Columns label, layer, direction, path, count, share (of the direction)."""
    data = results.paths
    if data.empty:
        return data
    data = data[data["count"] > 0]
    total = data.groupby(["label", "direction"])["count"].transform("sum")
    data = data.assign(share=data["count"] / total)
    return in_order(data, ["label"])[["label", "layer", "direction", "path", "count", "share"]]


def in_order(data, columns):
    """Rows by `columns` in their order of appearance, then by path from cheap to dear."""
    keys = {column: data[column].map({value: i for i, value in enumerate(data[column].unique())})
            for column in columns}
    ranks = data.assign(**{f"rank_{column}": key for column, key in keys.items()}, rank_path=data.path.map(place))
    order = ranks.sort_values([f"rank_{column}" for column in columns] + ["rank_path"], kind="stable").index
    return data.loc[order]


@style.styled
def draw(data):
    """A panel per direction, a bar per allocator; `data` as `frame` gives it."""
    labels = list(dict.fromkeys(data.label))
    used = sorted(set(data.path), key=place)
    figure, axes = style.panels(1, 2, 0.9 + 0.42 * len(labels), -(-len(used) // 6), sharey=True)
    for direction, axis in zip(("allocations", "frees"), axes.flat):
        for row, label in enumerate(labels):
            bar(axis, row, data[(data.label == label) & (data.direction == direction)])
        axis.set_title(direction)
        axis.set_xlim(0, 1)
        axis.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}".replace("%", " %"))
        axis.set_xlabel("share of the operations (count at the right)")
        axis.grid(axis="y", visible=False)
    axes[0][0].set_yticks(range(len(labels)), labels)
    axes[0][0].set_ylim(len(labels) - 0.5, -0.5)
    style.legend_above(figure, [Patch(label=path.replace("_", " "), **path_look(path)) for path in used], 6)
    return figure


def bar(axis, row, parts):
    left = 0.0
    for part in parts.itertuples():
        look = path_look(part.path)
        axis.barh(row, part.share, left=left, height=0.66, linewidth=0.4, label=part.path, **look)
        if part.share > 0.14:
            brightness = np.dot(np.array(look["facecolor"][:3]), (0.3, 0.6, 0.1)) if part.path in ORDER[:-1] else 1
            axis.text(left + part.share / 2, row, units.percent_text(part.share), ha="center", va="center",
                      fontsize=8.5, color="black" if brightness > 0.45 else "white")
        left += part.share
    axis.annotate(units.count_text(parts["count"].sum()), (1.01, row), xycoords=("axes fraction", "data"),
                  va="center", fontsize=8.5, annotation_clip=False)


def cost_frame(results):
    """Columns label, layer, operation, path, count and the percentiles of load.PERCENTILES, in ns."""
    data = results.path_cost
    if data.empty:
        return data
    return in_order(data[data["count"] > 0], ["label", "operation"]).drop(columns=["trace", "allocator"])


@style.styled
def draw_cost(data):
    """One panel per allocator, a row per operation and path; `data` as `cost_frame` gives it."""
    labels = list(dict.fromkeys(data.label))
    sizes = [int((data.label == label).sum()) for label in labels]
    total = sum(size + 1.4 for size in sizes)
    figure, axes = style.panels(len(labels), 1, (0.7 + 0.26 * total) / len(labels), 0, sharex=True,
                                gridspec_kw={"height_ratios": [size + 1.4 for size in sizes]})
    looks = style.looks(labels)
    for label, axis in zip(labels, axes.flat):
        rows = data[data.label == label]
        colour, marker = looks[label]["color"], looks[label]["marker"]
        places = np.arange(len(rows))
        p50, p99, slowest = (np.maximum(rows[name].to_numpy(dtype=float), 1) for name in ("p50", "p99", "max"))
        axis.hlines(places, p50, p99, color=colour, linewidth=2.2)
        axis.plot(p50, places, linestyle="none", marker=marker, color=colour, markersize=7, label=label)
        axis.plot(slowest, places, linestyle="none", marker="o", markerfacecolor="none", color=colour,
                  markersize=5)
        for row, count in enumerate(rows["count"]):
            axis.annotate(units.count_text(count), (1.01, row), xycoords=("axes fraction", "data"), va="center",
                          fontsize=8.5, annotation_clip=False)
        axis.set_yticks(places, [f"{r.operation}, {r.path.replace('_', ' ')}" for r in rows.itertuples()])
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.set_title(label)
        axis.set_xscale("log")
    style.log_axis(axes[0][0].xaxis, units.nanoseconds_text, 9)
    axes[-1][0].set_xlabel("time of one operation (log); number of operations at the right")
    return figure
