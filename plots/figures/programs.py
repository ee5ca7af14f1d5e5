"""Real programs on several mallocs (ci/programs), against the C library's malloc."""

import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator

from plots import intervals, style, units
from plots.load import InputError

CAPTION = ("What each program took, as a multiple of what it took on the C library's malloc (glibc): elapsed time (left) and the peak of its "
           "resident memory, of its largest process (right). A point is the median of the repetitions, the bar its 95 % interval, "
           "round by round against glibc; a bar that crosses 1 shows no difference. Further left is better. The axes are logarithmic.")
REFERENCE = "glibc"
MEASURES = {"ns": "Elapsed time", "peak_bytes": "Peak memory"}


def frame(results):
    """Columns program, label, and for each of MEASURES its median, and the ratio to glibc of the same file with its interval:
    NAME, NAME_ratio, NAME_low, NAME_high; cpu_ns and faults (medians)."""
    data = results.programs
    rows = []
    for (program, label), mine in data.groupby(["program", "label"], sort=False) if len(data) else ():
        base = data[(data.program == program) & (data.label == label.replace(style.base_name(label), REFERENCE, 1))]
        if base.empty:
            raise InputError(f"{program}/{label}: expected rows of {REFERENCE} beside it")
        row = {"program": program, "label": label, "cpu_ns": mine.cpu_ns.median(), "faults": mine.faults.median()}
        for name in MEASURES:
            ratio = intervals.comparison(mine[name].to_numpy(), base[name].to_numpy(), True)
            row |= {name: mine[name].median(), f"{name}_ratio": ratio.estimate, f"{name}_low": ratio.low, f"{name}_high": ratio.high}
        rows.append(row)
    return data.iloc[:0] if not rows else type(data)(rows)


@style.styled
def draw(data):
    """One line per program, one point per malloc; `data` as `frame` gives it."""
    programs, labels = list(dict.fromkeys(data.program)), list(dict.fromkeys(data.label))
    others = [label for label in labels if style.base_name(label) != REFERENCE]
    looks = style.looks(labels)
    figure, axes = style.panels(1, 2, 0.7 + len(programs) * (0.2 + 0.13 * len(others)), style.legend_rows(others), sharey=True)
    for (name, title), axis in zip(MEASURES.items(), axes[0]):
        axis.axvline(1, color="#000000", linewidth=1)
        for place, label in enumerate(others):
            rows = data[data.label == label]
            heights = [programs.index(program) + (place + 0.5) / len(others) * 0.8 - 0.4 for program in rows.program]
            ratio, low, high = (rows[f"{name}_{part}"].to_numpy() for part in ("ratio", "low", "high"))
            known = np.isfinite(high)
            axis.plot(ratio, heights, label=label, **{**looks[label], "linestyle": "none"})
            axis.hlines(np.array(heights)[known], low[known], high[known], color=looks[label]["color"], linewidth=1.4,
                        gid=looks[label]["gid"])
        ratio_axis(axis, data, name)
        axis.set_title(title)
        axis.set_xlabel("times glibc (log)")
        axis.grid(axis="y", visible=False)
    axes[0][0].set_yticks(range(len(programs)), programs)
    axes[0][0].set_ylim(len(programs) - 0.5, -0.5)
    style.legend_above(figure, style.handles_of(others))
    return figure


def ratio_axis(axis, data, name):
    """As far as the medians go, and a little beyond: a wide interval is cut."""
    low = min(0.8, data[f"{name}_ratio"].min() / 1.15)
    high = max(1.25, data[f"{name}_ratio"].max() * 1.15)
    axis.set_xscale("log")
    axis.set_xlim(low, high)
    ticks = [tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100) if low <= tick <= high]
    if high / low > 4:
        ticks = [tick for tick in ticks if tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    style.unit_axis(axis.xaxis, lambda value: f"{units.significant(value)}×")
