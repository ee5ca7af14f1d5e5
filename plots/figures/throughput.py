"""Throughput: every repetition is a point, so that the spread can be seen."""

from plots import intervals, style, units

CAPTION = ("Each point is one repetition of the whole replay without timers around single operations; further right is "
           "faster. The long tick is the median, the bar its 95 % interval (the wider of Student's and the bootstrap's). "
           "Where bars overlap widely the repetitions do not tell who is ahead. The scale starts at 0.")


def frame(results):
    """Columns label, layer, repetition, ops_per_second."""
    data = results.throughput
    return data if data.empty else data[["label", "layer", "repetition", "ops_per_second"]]


def spread(axis, place, values, options, interval):
    """Points of one row, its median and its interval, at height `place`."""
    count = len(values)
    offsets = [place + 0.22 * ((i % 5) - 2) / 2 * (count > 1) for i in range(count)]
    if interval.low > 0:
        axis.barh(place, interval.high - interval.low, left=interval.low, height=0.62, color=options["color"],
                  alpha=0.2, linewidth=0, zorder=2, gid=options["gid"])
    points, = axis.plot(values, offsets, linestyle="none", marker="o", color=options["color"], markersize=5,
                        markeredgecolor="white", markeredgewidth=0.6, zorder=4, gid=options["gid"])
    axis.plot([interval.estimate] * 2, [place - 0.36, place + 0.36], color=options["color"], linewidth=2.2,
              zorder=3, gid=options["gid"])
    return points


@style.styled
def draw(data):
    """One panel per layer, one row per allocator; `data` as `frame` gives it."""
    layers = list(dict.fromkeys(data.layer))
    sizes = [data[data.layer == layer].label.nunique() for layer in layers]
    looks = style.looks(list(dict.fromkeys(data.label)))
    figure, axes = style.panels(len(layers), 1, 0.7 + 0.42 * max(sizes), 0, gridspec_kw={"height_ratios": [
        size + 1.2 for size in sizes]})
    for layer, axis in zip(layers, axes.flat):
        panel = data[data.layer == layer]
        rows = list(dict.fromkeys(panel.label))
        for place, label in enumerate(rows):
            values = panel[panel.label == label].ops_per_second.to_numpy()
            interval = intervals.median_interval(values)
            spread(axis, place, values, looks[label], interval).set_label(label)
            axis.annotate(units.rate_text(interval.estimate), (1.01, place), xycoords=("axes fraction", "data"),
                          va="center", annotation_clip=False, gid=style.gid(label))
        style.row_labels(axis, rows)
        axis.set_xlim(left=0)
        axis.grid(axis="y", visible=False)
        style.unit_axis(axis.xaxis, units.rate_text)
        axis.set_title(f"{layer} layer")
    axes[-1][0].set_xlabel("operations per second (median at the right)")
    return figure
