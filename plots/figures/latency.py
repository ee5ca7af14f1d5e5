"""Latency: the share of operations that took longer than a time, so that the slow ones can be seen."""

import numpy as np

from plots import style, units

CAPTION = ("Read a line at a height to see how long the slowest operations took: at 0.1 % stands the time that one "
           "operation in a thousand exceeded. Further left is faster; a long run to the right is a slow tail. The "
           "marker is the median, the line ends at the slowest operation. Both axes are logarithmic; the cost of the "
           "timer is subtracted, and what is then below 1 ns is drawn at 1 ns.")
SHORTEST_NS = 1.0
LEAST_STEP = 1 / 250  # of a panel: a third of the width of a line


def frame(results):
    """Columns label, layer, operation, upper_ns, count, share_slower (share of operations above upper_ns)."""
    data = results.histogram
    if data.empty:
        return data
    groups = data.groupby(["label", "operation"], sort=False)["count"]
    total = groups.transform("sum")
    return data.assign(share_slower=(total - groups.cumsum()) / total)[
        ["label", "layer", "operation", "upper_ns", "count", "share_slower"]]


def steps(upper_ns, share_slower):
    """Points of the falling line; the last one repeats the smallest share, since a log axis has no 0."""
    times = np.maximum(upper_ns, SHORTEST_NS)
    shares = np.concatenate([[1.0], share_slower[:-1]])
    return times, np.where(share_slower > 0, share_slower, shares[-1])


def thinned(x, y, spans):
    """The points without those that move the line by less than its width; `spans` are the decades of both axes."""
    places = np.column_stack([np.log10(x) / spans[0], np.log10(y) / spans[1]])
    kept = [0]
    for i, place in enumerate(places):
        if np.abs(place - places[kept[-1]]).max() >= LEAST_STEP or i == len(places) - 1:
            kept.append(i)
    return x[kept], y[kept]


def decades(data):
    """How many the axes of times and of shares span."""
    least = data.share_slower[data.share_slower > 0].min()
    return np.log10(max(data.upper_ns.max(), 10.0) / SHORTEST_NS), max(1.0, -np.log10(least)) if least > 0 else 1.0


def panels(data):
    """(title, rows) of each: a kind of operation, of more allocators than one panel may have lines in parts."""
    for (_, operation), kind in data.groupby(["layer", "operation"], sort=False):
        parts = style.parts(dict.fromkeys(kind.label))
        for i, labels in enumerate(parts):
            yield operation if len(parts) == 1 else f"{operation} ({i + 1} of {len(parts)})", kind[kind.label.isin(labels)]


@style.styled
def draw(data):
    """One panel per operation kind, one line per allocator; `data` as `frame` gives it."""
    labels = list(dict.fromkeys(data.label))
    looks = style.looks(labels)
    spans = decades(data)
    parts = list(panels(data))
    # The parts of one kind stand beside each other.
    widest = len(style.parts(labels))
    rows, columns = style.grid_of(len(parts), widest if widest > 1 else 3)
    figure, axes = style.panels(rows, columns, 2.9, style.legend_rows(labels), sharex=True, sharey=True)
    for (title, panel), axis in zip(parts, axes.flat):
        for label, line in panel.groupby("label", sort=False):
            x, y = steps(line.upper_ns.to_numpy(), line.share_slower.to_numpy())
            options = looks[label]
            axis.plot(*thinned(np.concatenate([x[:1], x]), np.concatenate([[1.0], y]), spans), drawstyle="steps-post",
                      color=options["color"], linestyle=options["linestyle"], gid=options["gid"], label=label)
            middle = int(np.argmax(line.share_slower.to_numpy() <= 0.5))
            axis.plot(x[middle], 0.5, marker=options["marker"], color=options["color"], markersize=8,
                      linestyle="none", markeredgecolor="white", markeredgewidth=0.7, zorder=4, gid=options["gid"])
            axis.plot(x[-1], y[-1], marker="|", color=options["color"], markersize=9, linestyle="none",
                      clip_on=False, gid=options["gid"])
        axis.set_title(title)
        axis.set(xscale="log", yscale="log")
        axis.tick_params(labelbottom=True)
    finish(axes, data, len(parts))
    style.legend_above(figure, style.handles_of(labels))
    return figure


def finish(axes, data, used):
    style.log_axis(axes[0][0].xaxis, lambda ns: units.nanoseconds_text(ns).replace(".0", ""), 9 if decades(data)[0] < 4 else 5)
    style.log_axis(axes[0][0].yaxis, share_text, 12)
    axes[0][0].set_ylim(top=1.3)
    for axis in axes.flat[used:]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel("operations that took longer")
    for axis in axes.flat[max(0, used - axes.shape[1]):used]:
        axis.set_xlabel("time of one operation (log)")


def share_text(share):
    """100 %, 0.1 %, and from one in 100,000 on `1 in 10⁵`"""
    if share > 1.01:
        return ""
    if share >= 0.9e-4:
        return f"{100 * share:g} %"
    return f"1 in $10^{{{round(-np.log10(share))}}}$"
