"""Two runs of the same benchmarks, A and B: which rows of B are slower or faster, as far as their repetitions tell.

Of each row: the medians, their ratio B / A with its 95 % interval (intervals.py), the p value of Mann and Whitney's
test, and the effect: in which share of all pairs of repetitions, one of each run, B is the slower one (Vargha and
Delaney's A; 0.5: neither). A verdict needs both, an interval that leaves out 1 and a p value below 5 %; the p values
are raised for the number of rows (Holm), so that of two runs of the same thing no row at all should get one, in 95 %
of cases. With few repetitions of many rows no p value can be that small: then it is said how many it takes.
"""

import math
import statistics

import pandas as pd
from scipy import stats

from plots import intervals, style, tables, units
from plots.load import InputError, iterations, kind_of, read_json, short_labels

ALPHA = 1 - intervals.LEVEL
COMPARED = ("kmemlab_version", "mhz_per_cpu", "tunable ")  # what members begin with that two runs are compared for, or that a clock tells
PLANTED = 1.05  # what a self-check must find
VERDICTS = ("slower", "faster", "no difference", "too few repetitions")


class Run:
    """One result file: `rows` is {name: [ns of each repetition]}, `context` what it says of where it was measured."""

    def __init__(self, path, label):
        node = read_json(path)
        self.path, self.label = str(path), label
        self.context = node.at("context").object()
        self.rows = {}
        if node.at("benchmarks").value is None:
            node.at("benchmarks").fail("rows of a benchmark")
        for name, _, ns in iterations(node.at("benchmarks"), kind_of(node)):
            self.rows.setdefault(name, []).append(ns)


def load_pair(first, second):
    return tuple(Run(path, label) for path, label in zip((first, second), short_labels((first, second))))


def differences(a, b):
    """What of the environments is not the same, in words."""
    return [f"{key} {' and '.join(values)}" for key, values, differs in tables.members((a.context, b.context))
            if differs and not key.startswith(COMPARED)]


def least_p(first, second):
    """The smallest p value that so many repetitions can give."""
    return 2 / math.comb(first + second, first)


def repetitions_for(rows):
    """How many repetitions of each run can tell a difference in one of so many rows."""
    count = 2
    while least_p(count, count) * rows > ALPHA:
        count += 1
    return count


def holm(values):
    """p values, raised so that with all of them the chance of one wrong claim is that of one."""
    order = sorted(range(len(values)), key=values.__getitem__)
    raised, so_far = [1.0] * len(values), 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, min(1.0, values[i] * (len(values) - rank)))
        raised[i] = so_far
    return raised


def verdict(ratio, p, possible):
    if not possible:
        return "too few repetitions"
    if p < ALPHA and ratio.above(1):
        return "slower"
    return "faster" if p < ALPHA and ratio.below(1) else "no difference"


def frame(a, b):
    """A row for each name that is in both ({name: [ns]}): a, b (medians), ratio, low, high, p (raised), effect, verdict."""
    names = [name for name in a if name in b]
    tests = [stats.mannwhitneyu(b[name], a[name], alternative="two-sided") for name in names]
    rows = []
    for name, test, p in zip(names, tests, holm([float(test.pvalue) for test in tests])):
        first, second = a[name], b[name]
        ratio = intervals.ratio_interval(second, first)
        possible = least_p(len(first), len(second)) * len(names) <= ALPHA
        rows.append({"name": name, "a": statistics.median(first), "b": statistics.median(second),
                     "ratio": ratio.estimate, "low": ratio.low, "high": ratio.high, "p": p,
                     "effect": float(test.statistic) / (len(first) * len(second)), "verdict": verdict(ratio, p, possible)})
    return pd.DataFrame(rows)


def halves(run):
    """Every second repetition of each row: two runs of the same, side by side in time."""
    return ({name: values[0::2] for name, values in run.rows.items() if len(values) > 1},
            {name: values[1::2] for name, values in run.rows.items() if len(values) > 1})


def delayed(rows):
    return {name: [value * PLANTED for value in values] for name, values in rows.items()}


# --- Text ---

def cells(row):
    return [row.name, units.nanoseconds_text(row.a), units.nanoseconds_text(row.b), f"{row.ratio:.3f}",
            f"{row.low:.3f}..{row.high:.3f}", f"{row.p:.2g}", f"{row.effect:.2f}", row.verdict]


HEADINGS = ["row", "A", "B", "B / A", "95 %", "p", "effect", "verdict"]


def table(data, markdown=False):
    lines = [HEADINGS, *(cells(row) for row in data.itertuples(index=False))]
    if markdown:
        rule = ["---", *["---:"] * (len(HEADINGS) - 2), "---"]
        return "".join(f"| {' | '.join(line)} |\n" for line in (lines[0], rule, *lines[1:]))
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    return "".join("  ".join(text.ljust(width) if i in (0, len(HEADINGS) - 1) else text.rjust(width)
                             for i, (text, width) in enumerate(zip(line, widths))).rstrip() + "\n" for line in lines)


def summary(data, a, b):
    """Lines: how many rows got which verdict, what one of the runs lacks, what it would take to tell more."""
    counts = data.verdict.value_counts()
    yield f"A is {a.path}, B is {b.path}: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS if v in counts) + f" of {len(data)} rows"
    for run, other, name in ((a, b, "A"), (b, a, "B")):
        alone = [row for row in run.rows if row not in other.rows]
        if alone:
            yield f"only in {name}: {', '.join(alone[:5])}{f' and {len(alone) - 5} more' if len(alone) > 5 else ''}"
    if "too few repetitions" in counts:
        yield f"to tell a difference in one of {len(data)} rows it takes {repetitions_for(len(data))} repetitions in each run"


# --- Figure ---

@style.styled
def draw(data):
    """One line per row: the ratio with its interval."""
    figure, axes = style.panels(1, 1, 0.8 + 0.24 * len(data), 0)
    axis = axes.flat[0]
    colours = {"slower": "#D55E00", "faster": "#009E73"}
    for place, row in enumerate(data.itertuples(index=False)):
        colour = colours.get(row.verdict, "#767676")
        axis.plot([row.low, row.high], [place, place], color=colour, linewidth=2)
        axis.plot([row.ratio], [place], marker="o", color=colour, markersize=4, linestyle="")
    axis.axvline(1, color="#000000", linewidth=0.8)
    axis.set_yticks(range(len(data)), data.name)
    axis.invert_yaxis()
    axis.set_xlabel("time of B / time of A: to the right B is slower")
    return figure


# --- Command ---

def run(arguments):
    """Prints; returns the exit status."""
    if arguments.self_check:
        return self_check(arguments)
    if len(arguments.files) != 2:
        raise InputError(f"expected two result files, found {len(arguments.files)}")
    a, b = load_pair(*arguments.files)
    different = differences(a, b)
    if different and not arguments.force:
        raise InputError(f"{a.path}, {b.path}: expected runs in one environment, or --force; not the same are: {'; '.join(different)}")
    data = frame(a.rows, b.rows)
    if data.empty:
        raise InputError(f"{a.path}, {b.path}: expected rows of the same name in both")
    if arguments.output:
        style.write(arguments.output, style.picture(draw(data), arguments.output.rpartition(".")[2].lower()))
    print(table(data, arguments.markdown), end="")
    for line in [*summary(data, a, b), *(f"not the same: {text}" for text in different)]:
        print(f"\n{line}" if arguments.markdown else line)
    return 1 if arguments.fail_if_slower and (data.verdict == "slower").any() else 0


def self_check(arguments):
    """Of each file: its even repetitions against its odd ones must not differ, and must if they take 5 % longer."""
    good = True
    for path in arguments.files:
        odd, even = halves(Run(path, path))
        if not odd:
            raise InputError(f"{path}: expected rows with more than one repetition")
        same, planted = frame(odd, even), frame(odd, delayed(even))
        wrong, missed = same[same.verdict.isin(("slower", "faster"))], planted[planted.verdict != "slower"]
        print(f"{path}: against itself {len(wrong)} of {len(same)} rows differ{names(wrong)}; "
              f"delayed by 5 % {len(planted) - len(missed)} are found slower, {len(missed)} are not{names(missed)}")
        good = good and wrong.empty and missed.empty
    return 0 if good else 1


def names(data):
    return f" ({', '.join(data.name[:5])}{', ...' if len(data) > 5 else ''})" if len(data) else ""
