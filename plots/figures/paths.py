"""Which way through the allocator served the operations, and what each way costs."""

import numpy as np
from matplotlib.patches import Patch

from plots import style, units

CAPTION = ("Each bar is all operations of one direction, split by the way that served them, cheapest kind at the left: "
           "light is close at hand (per-CPU lists), dark is work (new slabs, other lists, failure). Counts are the same "
           "in every run; those too small to be seen are in the table below the figure. “opaque”: the allocator "
           "does not tell.")
COST_CAPTION = ("Each row is one kind of operation by one path: the marker is the median, the line reaches to the 99th "
                "percentile, the small upright tick is the slowest one. A hollow marker rests on fewer than 100 operations. "
                "Further left is faster; the scale is logarithmic. The counts are in the data.")
FEW = 100
ORDER = ("fast", "refill", "cpu_partial", "slab", "shared", "node_partial", "zone", "tree", "large", "flush", "discard",
         "new_slab", "steal", "other_zone", "failed", "opaque")
HATCHES = ("", "", "//", "", "--", "\\\\", "", "xx", "||", "//", "", "xx", "", "||", "", "")  # no dots: each is a circle in the file


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
    data = data[(data["count"] > 0) & (data.direction != "frees_on_other_cpu")]
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
    figure, axes = style.panels(1, 2, 0.9 + 0.42 * len(labels), style.legend_rows(used), sharey=True)
    for direction, axis in zip(("allocations", "frees"), axes.flat):
        for row, label in enumerate(labels):
            bar(axis, row, data[(data.label == label) & (data.direction == direction)], style.gid(label))
        axis.set_title(direction)
        axis.set_xlim(0, 1)
        axis.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}".replace("%", " %"))
        axis.set_xlabel("share of the operations (count at the right)")
        axis.grid(axis="y", visible=False)
    style.row_labels(axes[0][0], labels)
    style.legend_above(figure, [Patch(label=path.replace("_", " "), **path_look(path)) for path in used])
    return figure


def bar(axis, row, parts, gid):
    left = 0.0
    for part in parts.itertuples():
        look = path_look(part.path)
        axis.barh(row, part.share, left=left, height=0.66, linewidth=0.4, label=part.path, gid=gid, **look)
        if part.share > 0.14:
            brightness = np.dot(np.array(look["facecolor"][:3]), (0.3, 0.6, 0.1)) if part.path in ORDER[:-1] else 1
            axis.text(left + part.share / 2, row, units.percent_text(part.share), ha="center", va="center",
                      fontsize=8.5, color="black" if brightness > 0.45 else "white", gid=gid,
                      bbox={"facecolor": look["facecolor"], "edgecolor": "none", "pad": 0.8} if look["hatch"] else None)
        left += part.share
    axis.annotate(units.count_text(parts["count"].sum()), (1.01, row), xycoords=("axes fraction", "data"),
                  va="center", fontsize=8.5, annotation_clip=False, gid=gid)


def cost_frame(results):
    """Columns label, layer, operation, path, count and the percentiles of load.PERCENTILES, in ns."""
    data = results.path_cost
    if data.empty:
        return data
    return in_order(data[data["count"] > 0], ["label", "operation"]).drop(columns=["trace", "allocator"])


@style.styled
def draw_cost(data):
    """One panel per layer, a row per operation and path, the allocators beside each other; `data` as `cost_frame`."""
    layers = list(dict.fromkeys(data.layer))
    labels = list(dict.fromkeys(data.label))
    rows = {layer: cost_rows(data[data.layer == layer]) for layer in layers}
    heights = [0.5 + sum(row_height(part) for part in rows[layer].values()) for layer in layers]
    figure, axes = style.panels(len(layers), 1, (0.5 + 0.17 * sum(heights)) / len(layers), style.legend_rows(labels),
                                sharex=True, gridspec_kw={"height_ratios": heights})
    looks = style.looks(labels)
    for layer, axis in zip(layers, axes.flat):
        cost_panel(axis, rows[layer], looks)
        axis.set_title(f"{layer} layer")
    axes[0][0].set_xscale("log")
    style.log_axis(axes[0][0].xaxis, units.nanoseconds_text, 9)
    axes[-1][0].set_xlabel("time of one operation (log)")
    style.legend_above(figure, style.handles_of(labels))
    return figure


def cost_rows(data):
    """{name of the row: its allocators}, operations in their order of appearance, paths from cheap to dear."""
    ordered = in_order(data, ["operation"])
    return {f"{operation}, {path.replace('_', ' ')}": part
            for (operation, path), part in ordered.rename(columns={"count": "count_"}).groupby(["operation", "path"], sort=False)}


def row_height(part):
    return max(1.5, len(part) * 0.75 + 0.5)


def cost_panel(axis, rows, looks):
    top, places = 0.0, []
    for index, part in enumerate(rows.values()):
        height = row_height(part)
        if index % 2:
            axis.axhspan(top, top + height, color="#f4f4f4", linewidth=0, zorder=0)
        for number, entry in enumerate(part.itertuples()):
            cost_mark(axis, top + (number + 0.5) / len(part) * (height - 0.4) + 0.2, entry, looks[entry.label])
        places.append(top + height / 2)
        top += height
    axis.set_yticks(places, list(rows))
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.set_ylim(top, 0)


def cost_mark(axis, place, entry, options):
    """Median, reach to the 99th percentile, slowest; hollow if the percentiles rest on few operations."""
    p50, p99, slowest = (max(value, 1.0) for value in (entry.p50, entry.p99, entry.max))
    axis.plot([p50, p99], [place] * 2, color=options["color"], linewidth=1.8, zorder=2, gid=options["gid"])
    axis.plot(p50, place, linestyle="none", marker=options["marker"], color=options["color"], markersize=6,
              markerfacecolor=options["color"] if entry.count_ >= FEW else "white", label=entry.label, zorder=3,
              gid=options["gid"])
    axis.plot(slowest, place, linestyle="none", marker="|", color=options["color"], markersize=6, zorder=3, gid=options["gid"])
