"""Planted bugs that the fuzzers have not found yet, over time (ci/scoreboard)."""

import numpy as np
from matplotlib.lines import Line2D

from plots import style, units

CAPTION = ("The share of planted bugs not found yet, over the processor time (left) and the number of inputs (right) that a fuzzer "
           "spent on each; of several runs with a bug the median counts. Lower and further left is better; where a line ends, the "
           "budget did. A line that stops above nothing leaves bugs unfound, and the table names them. Solid: from nothing; "
           "dashed: from the corpus that is kept in the repository. The time axes are logarithmic.")
LEAST = {"seconds": 0.01, "executions": 1}
DASHES = {"nothing": style.SOLID, "corpus": style.DASHED}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # one more night, one more colour


def frame(results):
    """One row per bug and start: columns mutant, what, target, label (file), start, seconds, executions (both empty
    where it was missed), missed (how far it came then), law, expected, budget (seconds)."""
    return results.mutants


@style.styled
def draw(data):
    """`data` as `frame` gives it."""
    figure, axes = style.panels(1, 2, 3.6, 1, sharey=True)
    labels = list(dict.fromkeys(data.label))
    looks = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    handles = []
    for (label, start), rows in data.groupby(["label", "start"], sort=False):
        name = f"from {'nothing' if start == 'nothing' else 'the corpus'}" + (f" ({label})" if len(labels) > 1 else "")
        look = {"color": looks[label], "linestyle": DASHES[start], "label": name}
        for axis, measure in zip(axes[0], LEAST):
            axis.plot(*survival(rows, measure), drawstyle="steps-post", **look)
        handles.append(Line2D([], [], **look))
    for axis, text in zip(axes[0], ("processor time (log)", "inputs run (log)")):
        axis.set_xscale("log")
        axis.set_xlabel(text)
    style.log_axis(axes[0][0].xaxis, lambda value: units.nanoseconds_text(value * 1e9), 6)
    style.log_axis(axes[0][1].xaxis, units.count_text, 6)
    axes[0][0].set_ylim(-0.02, 1.02)
    axes[0][0].set_ylabel("bugs not found yet")
    style.unit_axis(axes[0][0].yaxis, lambda value: f"{value:.0%}".replace("%", f"{units.SPACE}%"))
    style.legend_above(figure, handles)
    return figure


def survival(rows, measure):
    """(x, y): from all bugs at the axis' begin down to the share that is left at the end of the budget."""
    found = np.sort(rows[measure].dropna().to_numpy())
    end = rows.budget.max() if measure == "seconds" else max(found, default=LEAST[measure])
    x = np.concatenate([[LEAST[measure]], np.maximum(found, LEAST[measure]), [max(end, LEAST[measure])]])
    left = 1 - np.arange(len(found) + 1) / len(rows)
    return x, np.append(left, left[-1])
