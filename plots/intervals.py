"""What a few repetitions support.

A percentile bootstrap of three to ten repetitions is too narrow (its bounds cannot leave the range of what was
seen), and Student's interval leans on the normal distribution. So both are computed and the one that reaches
further counts, on each side. A claim made from it holds by either reasoning. The resampling has a fixed seed:
the same files give the same report.

Repetitions of one run are interleaved: the i-th of each allocator lie side by side in time. What disturbs the
machine then disturbs both, so two allocators of one run are compared round by round (`paired_interval`); two runs
have no common rounds (`ratio_interval`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 9999
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and its bounds; with one repetition, or figures of 0, they are 0 and infinity."""
    estimate: float
    low: float
    high: float

    def above(self, value):
        return self.low > value

    def below(self, value):
        return self.high < value


def resampled_medians(values, seed):
    generator = np.random.default_rng(seed)
    return np.median(generator.choice(values, size=(RESAMPLES, len(values))), axis=1)


def bounds(samples, level):
    return np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])


def widest(estimate, first, second):
    return Interval(float(estimate), float(min(first[0], second[0], estimate)),
                    float(max(first[1], second[1], estimate)))


def median_interval(values, level=LEVEL):
    """Interval of the median of positive figures (Student's on their logarithms, and the bootstrap's)."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2 or values.min() <= 0:
        return Interval(float(np.median(values)), 0.0, float("inf"))
    logs = np.log(values)
    reach = stats.t.ppf((1 + level) / 2, len(values) - 1) * logs.std(ddof=1) / np.sqrt(len(values))
    student = np.exp([logs.mean() - reach, logs.mean() + reach])
    return widest(np.median(values), student, bounds(resampled_medians(values, 1), level))


def ratio_interval(first, second, level=LEVEL):
    """Interval of median(first) / median(second): Welch's on the logarithms, and the bootstrap's."""
    first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if min(first.min(), second.min()) <= 0:
        return Interval(float("nan"), 0.0, float("inf"))
    estimate = np.median(first) / np.median(second)
    if len(first) < 2 or len(second) < 2:
        return Interval(float(estimate), 0.0, float("inf"))
    logs = np.log(first), np.log(second)
    parts = [log.var(ddof=1) / len(log) for log in logs]
    total = sum(parts)
    freedom = total**2 / sum(p**2 / (len(log) - 1) for p, log in zip(parts, logs)) if total > 0 else 1
    reach = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(total)
    middle = logs[0].mean() - logs[1].mean()
    resampled = resampled_medians(first, 1) / resampled_medians(second, 2)
    return widest(estimate, np.exp([middle - reach, middle + reach]), bounds(resampled, level))


def paired_interval(first, second, level=LEVEL):
    """Interval of the median of first[i] / second[i]: Student's on the logarithms, and the bootstrap's."""
    return median_interval(np.asarray(first, dtype=float) / np.asarray(second, dtype=float), level)


def comparison(first, second, same_run, level=LEVEL):
    """Paired where both come from one run with as many repetitions of positive figures, else of two groups."""
    positive = min(*first, *second) > 0
    paired = same_run and len(first) == len(second) and positive
    return (paired_interval if paired else ratio_interval)(first, second, level)
