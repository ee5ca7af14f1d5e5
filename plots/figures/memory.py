"""Memory over time: what was asked for, what was handed out, what is held, what the allocator itself needs."""

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from plots import style, units
from plots.load import MEMORY

CAPTION = ("Requested: bytes the program asked for and has not given back. Handed out: the same after rounding up to what "
           "the allocator gives. Held: memory that the allocator has taken from the layer below, in use or kept for "
           "reuse. Metadata: descriptors and tables of its own. The coloured area between requested and held is the "
           "price: the thinner the better. All panels of a layer have the same scale; metadata beyond it is "
           "told as a number (descriptors are laid out for all of the memory, however little is used).")
MOST_POINTS = 600
LINES = {  # column: (what the legend says, dash, width, colour or None for the allocator's)
    "requested_bytes": ("requested", style.SOLID, 1.2, "#333333"),
    "handed_out_bytes": ("handed out", style.DASHED, 1.4, None),
    "held_bytes": ("held", style.SOLID, 2.0, None),
    "metadata_bytes": ("metadata", style.DOTTED, 1.6, "#666666"),
}


def frame(results):
    """Columns label, layer, operation (index), time_s and the four of load.MEMORY, in bytes."""
    data = results.timeline
    return data if data.empty else data[["label", "layer", "operation", "time_s", *MEMORY]]


def thinned(line, column):
    """At most so many points of one line: evenly chosen ones and the peak."""
    if len(line) <= MOST_POINTS:
        return line
    chosen = set(np.linspace(0, len(line) - 1, MOST_POINTS).astype(int))
    if line[column].notna().any():
        chosen.add(int(np.nanargmax(line[column].to_numpy(dtype=float))))
    return line.iloc[sorted(chosen)]


def clock(data):
    """(column, name) of the x axis: time in the trace, or the operations where a trace has no times."""
    if data.time_s.nunique() > 1:
        return "time_s", "time in the trace (s)"
    return "operation", "operations replayed"


def clock_axis(axis, now):
    """Few and short labels: panels are narrow, and operations may be millions."""
    axis.set_major_locator(MaxNLocator(4))
    if now == "operation":
        style.unit_axis(axis, units.short_count_text)


def legend(figure):
    handles = [Line2D([], [], color=colour or "#0072B2", linestyle=dash, linewidth=width, label=text)
               for text, dash, width, colour in LINES.values()]
    style.legend_above(figure, handles + [Patch(color="#0072B2", alpha=0.18, linewidth=0,
                                                label="held, not requested")])


@style.styled
def draw(data):
    """One panel per allocator; `data` as `frame` gives it."""
    panels = list(dict.fromkeys(zip(data.layer, data.label)))
    rows, columns = style.grid_of(len(panels))
    figure, axes = style.panels(rows, columns, 2.7, 1, sharex=True)
    now, now_text = clock(data)
    tops = data.groupby("layer")[list(MEMORY[:3])].max().max(axis=1)
    for (layer, label), axis in zip(panels, axes.flat):
        axis.set_gid(style.gid(label))
        line = thinned(data[(data.layer == layer) & (data.label == label)], "held_bytes")
        own = style.look(label)[0]
        for column, (text, dash, width, colour) in LINES.items():
            if column == "metadata_bytes" and line[column].max() > 1.05 * tops[layer]:
                axis.text(0.02, 0.97, f"metadata {units.bytes_text(line[column].max())} (off the scale)",
                          transform=axis.transAxes, va="top", fontsize=8.5, color=colour)
            elif line[column].notna().any():
                axis.plot(line[now], line[column], linestyle=dash, linewidth=width, color=colour or own, label=text)
        axis.fill_between(line[now], line.requested_bytes, line.held_bytes, color=own, alpha=0.18, linewidth=0)
        style.title(axis, f"{label}  ({layer})", columns)
        axis.set_ylim(0, 1.15 * (tops[layer] or 1))
        axis.margins(x=0)
        clock_axis(axis.xaxis, now)
        axis.tick_params(labelbottom=True)
        byte_ticks(axis.yaxis, tops[layer])
    for axis in axes.flat[len(panels):]:
        axis.set_visible(False)
    for row in axes:
        row[0].set_ylabel("memory")
    for axis in axes.flat[max(0, len(panels) - columns):len(panels)]:
        axis.set_xlabel(now_text)
    legend(figure)
    return figure


def byte_ticks(axis, top):
    """Ticks at 0, 1, 2, 5 ... times a power of two, so that the labels are round in KiB or MiB."""
    unit = 1024.0 ** int(np.log(max(top, 1)) / np.log(1024))
    step = max(top, 1) / unit / 5
    round_step = next((s for s in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 250) if s >= step), 500)
    axis.set_ticks(np.arange(0, top * 1.05 + 1, round_step * unit))
    style.unit_axis(axis, units.bytes_text)
