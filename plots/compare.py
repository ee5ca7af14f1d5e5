"""Two runs of the same benchmarks, A and B, in files or as commands that are run in turns: which rows of B are slower or faster, as far as their repetitions tell.

Of each row: the medians, their ratio B / A with its 95 % interval (intervals.py), the p value of Mann and Whitney's
test, and the effect: in which share of all pairs of repetitions, one of each run, B is the slower one (Vargha and
Delaney's A; 0.5: neither). A verdict needs both, an interval that leaves out 1 and a p value below 5 %; the p values
are raised for the number of rows (Holm), so that of two runs of the same thing no row at all should get one, in 95 %
of cases. With few repetitions of many rows no p value can be that small: then it is said how many it takes.
"""

import math
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from scipy import stats

from plots import intervals, style, tables, units
from plots.load import InputError, iterations, kind_of, read_json, short_labels

ALPHA = 1 - intervals.LEVEL
COMPARED = ("kmemlab_version", "mhz_per_cpu", "tunable ")  # what members begin with that two runs are compared for, or that a clock tells
PLANTED = 1.05  # what a self-check must find
VERDICTS = ("slower", "faster", "no difference", "too few repetitions")


class Run:
    """One result file: `rows` is {name: [ns of each repetition]}, `context` what it says of where it was measured.

    `parties` of one that `kmemlab compare --self-check` measured: (row, the same again, delayed), names of rows each."""

    def __init__(self, path, label):
        node = read_json(path)
        self.path, self.label = str(path), label
        self.context = node.at("context").object()
        self.rows = {}
        if node.at("benchmarks").value is None:
            node.at("benchmarks").fail("rows of a benchmark")
        for name, _, ns in iterations(node.at("benchmarks"), kind_of(node)):
            self.rows.setdefault(name, []).append(ns)
        measured = node.at("self_check")
        self.parties = [] if measured.value is None else [
            tuple(self.row_of(row.at(key)) for key in ("name", "again", "delayed")) for row in measured.at("rows").items()]

    def row_of(self, node):
        """The name of a row that is there."""
        return node.text() if node.text() in self.rows else node.fail("the name of a row")


class Runs:
    """A command that writes result files, run again and again: a run counts once for each row, by its median, for
    whatever a process meets at its start (where its memory lies) is the same for all its repetitions."""

    def __init__(self, command):
        self.path, self.rows, self.context = command, {}, None
        self.words = shlex.split(command)
        if not self.words:
            raise InputError("--run: expected two commands")

    def run_once(self, file):
        words = [word.replace("{}", str(file)) for word in self.words]
        if words == self.words:
            words += ["--json", str(file)]
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True, errors="replace", check=False)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            raise InputError(f"{self.path}: expected status 0, found {done.returncode}: {done.stderr.strip()[-200:]}")
        if not file.exists():
            raise InputError(f"{self.path}: expected a result file where --json or a {{}} tells, found none")
        run = Run(file, self.path)
        file.unlink()
        self.context = self.context or run.context
        for name, values in run.rows.items():
            self.rows.setdefault(name, []).append(statistics.median(values))


def run_in_turns(commands, turns, check):
    """Both commands `turns` times: A B B A A B ...; `check` is called once both have run."""
    pair = tuple(Runs(command) for command in commands)
    with tempfile.TemporaryDirectory(prefix="kmemlab-compare-") as folder:
        for turn in range(turns):
            for runs in pair if turn % 2 == 0 else pair[::-1]:
                runs.run_once(Path(folder) / "result.json")
            if turn == 0:
                check(*pair)
            show_progress(turn + 1, turns)
    return pair


def show_progress(done, total):
    """As the program's own: one line that overwrites itself, on a terminal only."""
    if sys.stderr.isatty():
        text = f"compare {100 * done / total:3.0f} %"
        print("\r" + (text if done < total else " " * len(text) + "\r"), end="", file=sys.stderr, flush=True)


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
    a, b = pair_of(arguments)
    data = frame(a.rows, b.rows)
    if data.empty:
        raise InputError(f"{a.path}, {b.path}: expected rows of the same name in both")
    if arguments.output:
        style.write(arguments.output, style.picture(draw(data), arguments.output.rpartition(".")[2].lower()))
    print(table(data, arguments.markdown), end="")
    for line in [*summary(data, a, b), *(f"not the same: {text}" for text in differences(a, b))]:
        print(f"\n{line}" if arguments.markdown else line)
    return 1 if arguments.fail_if_slower and (data.verdict == "slower").any() else 0


def pair_of(arguments):
    """A and B, of one environment unless that is not asked for."""
    def check(a, b):
        different = differences(a, b)
        if different and not arguments.force:
            raise InputError(f"{a.path}, {b.path}: expected runs in one environment, or --force; not the same are: {'; '.join(different)}")
    if arguments.run:
        if arguments.files:
            raise InputError("expected either files or --run with two commands")
        return run_in_turns(arguments.run, arguments.repetitions, check)
    if len(arguments.files) != 2:
        raise InputError(f"expected two result files, found {len(arguments.files)}")
    pair = load_pair(*arguments.files)
    check(*pair)
    for run, name in zip(pair, arguments.names or ()):
        run.path = run.label = name
    return pair


def self_check(arguments):
    """Of each file: nothing may differ from itself, and a delay of 5 % must be found in every row."""
    if not arguments.files:
        raise InputError("expected a result file; `kmemlab compare --self-check` measures one itself")
    good = True
    for path in arguments.files:
        run = Run(path, path)
        good = (judge_measured(run, arguments.markdown) if run.parties else judge_halves(run)) and good
    return 0 if good else 1


def judge_halves(run):
    """Of a run of anything: its even repetitions against its odd ones, and against them as if they took 5 % longer."""
    odd, even = halves(run)
    if not odd:
        raise InputError(f"{run.path}: expected rows with more than one repetition")
    same, planted = frame(odd, even), frame(odd, delayed(even))
    wrong, missed = same[differs(same)], planted[planted.verdict != "slower"]
    print(f"{run.path}: against itself {len(wrong)} of {len(same)} rows differ{names(wrong)}; "
          f"delayed by 5 % {len(planted) - len(missed)} are found slower, {len(missed)} are not{names(missed)}")
    return wrong.empty and missed.empty


def judge_measured(run, markdown):
    """Of a run that was made for it: each row against the same again, and against the same with 5 % of work put in."""
    first, again, late = ({row[0]: run.rows[row[i]] for row in run.parties} for i in range(3))
    same, planted = frame(first, again), frame(first, late)
    wrong, missed = same[differs(same)], planted[planted.verdict != "slower"]
    rule = "\n" if markdown else ""
    print(f"A is each row, B the same again:\n{rule}{table(same, markdown)}\nB has 5 % of work put in:\n{rule}{table(planted, markdown)}")
    print(f"of the same, {len(wrong)} of {len(same)} rows differ{names(wrong)}; the delay is found in "
          f"{len(planted) - len(missed)} of {len(planted)}{' but not in ' + names(missed)[2:-1] if len(missed) else ''}")
    if (planted.verdict == "too few repetitions").any():
        print(f"to tell a difference in one of {len(planted)} rows it takes {repetitions_for(len(planted))} repetitions")
    print("here and now compare " + (
        "sees differences where there are none: do not trust it" if len(wrong) else
        "sees none where there are none, but misses some of 5 %: a quieter machine or more repetitions help" if len(missed) else
        "sees differences of 5 %, and none where there are none"))
    return wrong.empty and missed.empty


def differs(data):
    return data.verdict.isin(("slower", "faster"))


def names(data):
    return f" ({', '.join(data.name[:5])}{', ...' if len(data) > 5 else ''})" if len(data) else ""
