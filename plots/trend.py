"""Many runs of the same benchmarks, night after night: how each row went, and when it changed for good.

Of each row and night the median counts. Whether a row changed is judged by the ranks of its nights (Pettitt's test, with
each place weighted as a test of Mann and Whitney there): one night on a busy machine is one rank, however slow it was.
p values come from permutations, and are raised for the number of rows, so that of rows that never change none should
be marked, in 95 % of cases. A row that changed is looked at again on both sides. A change lasts: at least three
nights lie before and behind it.
"""

import datetime
import functools
import math
import statistics
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from plots import intervals, style, units
from plots.compare import ALPHA, COMPARED, Run, differences
from plots.load import InputError, short_labels

LEAST = 3              # nights on each side of a change
PERMUTATIONS = 19_999
PANELS = 12            # of one figure


@dataclass(frozen=True)
class Change:
    """Of one row: the first night of the new level, and the ratio of the medians behind it and before it."""
    row: str
    night: int
    ratio: intervals.Interval
    p: float

    def slower(self):
        return self.ratio.above(1)


def nights_of(paths):
    """The runs by their dates, as [(date, Run)]."""
    runs = [Run(path, label) for path, label in zip(paths, short_labels(paths))]
    return sorted(((date_of(run), run) for run in runs), key=lambda night: night[0])


def date_of(run):
    try:
        return datetime.datetime.fromisoformat(run.context["date"]).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{run.path}: expected the date of the run at context.date, found {run.context.get('date')}") from None


def frame(nights):
    """A line for each row and night: name, night (its number), date, ns, low, high (95 % interval of the median)."""
    lines = []
    for number, (date, run) in enumerate(nights):
        for name, values in run.rows.items():
            reach = intervals.median_interval(values) if len(values) > 1 else intervals.Interval(values[0], values[0], values[0])
            lines.append({"name": name, "night": number, "date": date, "ns": statistics.median(values),
                          "low": reach.low, "high": reach.high})
    return pd.DataFrame(lines)


def strongest(ranks):
    """(how strongly the ranks differ before and behind the place where they do most, that place)."""
    count = ranks.shape[-1]
    places = np.arange(1, count)
    sums = np.abs(np.cumsum(ranks - (count + 1) / 2, axis=-1)[..., :-1])
    scores = sums / np.sqrt(places * (count - places) * (count + 1) / 12)
    scores[..., (places < LEAST) | (places > count - LEAST)] = 0
    return scores.max(axis=-1), scores.argmax(axis=-1) + 1


@functools.cache
def by_chance(count):
    """How strongly so many nights differ that have no order, sorted."""
    dice = np.random.default_rng(1)
    ranks = dice.permuted(np.tile(np.arange(1.0, count + 1), (PERMUTATIONS, 1)), axis=1)
    return np.sort(strongest(ranks)[0])


def change_places(values, tests):
    """[(place, p)] of one series, p raised for so many tests. Places are of what follows a change."""
    if len(values) < 2 * LEAST:
        return []
    score, place = strongest(pd.Series(values).rank().to_numpy())
    more = PERMUTATIONS - np.searchsorted(by_chance(len(values)), score - 1e-9)
    p = min(1.0, tests * (1 + more) / (1 + PERMUTATIONS))
    if p >= ALPHA:
        return []
    return [*change_places(values[:place], 2 * tests), (int(place), p),
            *((int(place) + further, p_) for further, p_ in change_places(values[place:], 2 * tests))]


def changes(data):
    """Every Change of every row, the latest first."""
    found = []
    rows = data.name.nunique()
    for name, series in data.groupby("name", sort=False):
        values = series.ns.to_numpy()
        places = change_places(values, rows)
        edges = [0, *(place for place, _ in places), len(values)]
        for i, (place, p) in enumerate(places):
            ratio = intervals.ratio_interval(values[place:edges[i + 2]], values[edges[i]:place])
            if ratio.above(1) or ratio.below(1):
                found.append(Change(name, int(series.night.iloc[place]), ratio, p))
    return sorted(found, key=lambda change: (-change.night, change.row))


def nights_needed(rows):
    """So many nights can tell that one of so many rows changed in their middle."""
    count = 2 * LEAST
    while rows * 2 / math.comb(count, count // 2) >= ALPHA:
        count += 1
    return count


# --- Text ---

def percent(change):
    return f"{100 * (change.ratio.estimate - 1):+.1f} % ({100 * (change.ratio.low - 1):+.1f} to {100 * (change.ratio.high - 1):+.1f})"


def report(nights, data, found):
    """Lines: what changed, when, by how much; what cannot be told; where nights are not of one machine."""
    rows = data.name.nunique()
    for change in found:
        date, run = nights[change.night]
        yield f"{change.row}: {percent(change)} from {date:%Y-%m-%d} on ({run.label}), p {change.p:.2g}"
    yield f"{len(found)} changes in {rows} rows of {len(nights)} runs"
    if len(nights) < nights_needed(rows):
        yield f"to tell a change in one of {rows} rows it takes {nights_needed(rows)} runs"
    first = nights[0][1]
    for _, run in nights[1:]:
        other = [text for text in differences(first, run) if not text.startswith(COMPARED)]
        if other:
            yield f"not the same in {first.label} and {run.label}: {'; '.join(other)}"


# --- Figure ---

@style.styled
def draw(data, found=()):
    """A panel for each row: medians by date with their intervals, and a line where the row changed."""
    marked = list(dict.fromkeys(change.row for change in found))
    names = [*marked, *(name for name in data.name.unique() if name not in marked)][:PANELS]
    rows, columns = style.grid_of(len(names), 2)
    figure, axes = style.panels(rows, columns, 1.7, 0)
    for axis, name in zip(axes.flat, names):
        series = data[data.name == name]
        axis.plot(series.date, series.ns, color="#0072B2", marker="o", markersize=3.5, linewidth=1)
        axis.vlines(series.date, series.low, series.high, color="#0072B2", linewidth=2, alpha=0.45)
        for change in (each for each in found if each.row == name):
            date = data[data.night == change.night].date.iloc[0]
            axis.axvline(date, color="#D55E00" if change.slower() else "#009E73", linestyle=style.DASHED)
            axis.annotate(f" {100 * (change.ratio.estimate - 1):+.0f} %", (date, 1), xycoords=("data", "axes fraction"),
                          va="top", fontsize=9)
        axis.set_title(name)
        axis.set_ylim(bottom=0, top=1.25 * series.ns.max())
        style.unit_axis(axis.yaxis, units.nanoseconds_text)
        locator = AutoDateLocator(maxticks=6)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    for axis in axes.flat[len(names):]:
        axis.set_visible(False)
    for line in axes:
        line[0].set_ylabel("time of a unit")
    return figure


# --- Command ---

def run(arguments):
    """Prints what changed; returns the exit status."""
    nights = nights_of(arguments.files)
    data = frame(nights)
    data = data[data.name.str.contains(arguments.filter, regex=True)]
    if data.empty:
        raise InputError(f"--filter {arguments.filter}: expected to find a row of {', '.join(arguments.files)}")
    found = changes(data)
    if arguments.output:
        style.write(arguments.output, style.picture(draw(data, found), arguments.output.rpartition(".")[2].lower()))
    for line in report(nights, data, found):
        print(line)
    return 1 if arguments.fail_if_slower and any(change.slower() for change in found) else 0
