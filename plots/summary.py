"""The comparison in words. Nothing is said that the numbers do not support.

Who is ahead is claimed from repetitions alone, and only if the confidence interval of the ratio leaves out 1
(plots/intervals.py). The leader is compared with every other one, so the level of the single intervals is raised:
all claims of one comparison hold together with 95 %. Memory, counts and fragmentation are the same in every run and
need no interval. Latencies are told as they were seen, without a claim.
"""

import re
from dataclasses import dataclass

import numpy as np

from plots import intervals, style, tables, units

HUGE_ORDER = 9    # a huge page of 2 MiB
COSTLY_ORDER = 3  # from this order on Linux calls a request costly and may refuse it (PAGE_ALLOC_COSTLY_ORDER is 3)


@dataclass(frozen=True)
class Statement:
    """One sentence or two; `kind` is claim (supported), open (not decided), fact, or warning."""
    kind: str
    text: str


def compare(groups, faster_is, what):
    """Statements about the leader against each other one; `groups`: label to figures of the repetitions.

    `faster_is` is "more" (throughput) or "less" (time).
    """
    if len(groups) < 2:
        return []
    leader, found = ranked(groups, faster_is)
    return [*verdict(what, leader, {other: each for other, each in found.items() if each.above(1)}, True),
            *verdict(what, leader, {other: each for other, each in found.items() if not each.above(1)}, False)]


def ranked(groups, faster_is):
    """(leader, {each other one, from the next to the last: how many times as fast the leader is}) of two or more groups."""
    sign = 1 if faster_is == "more" else -1
    leader, *others = sorted(groups, key=lambda label: -sign * np.median(groups[label]))
    level = 1 - (1 - intervals.LEVEL) / len(others)
    return leader, {other: intervals.comparison(*(groups[leader], groups[other])[::sign], same_run(leader, other), level)
                    for other in others}


def same_run(first, second):
    """Whether two labels come from one file, as `slub (before)` and `malloc (before)`."""
    return first.partition(" ")[2] == second.partition(" ")[2]


def verdict(what, leader, found, supported):
    """One statement about those that the leader is surely ahead of, or about those that it is not."""
    if not found:
        return []
    listing = listed(versus(other, interval, first=index == 0) for index, (other, interval) in enumerate(found.items()))
    if supported:
        return [Statement("claim", f"{what}: {leader} is ahead of {listing}.")]
    return [Statement("open", f"{what}: no difference that these repetitions support between {leader} and {listing}.")]


def versus(other, interval, first):
    """`other` with the ratio and its interval; only the first of a listing spells out what the numbers are."""
    if not np.isfinite(interval.high):
        return f"{other} (ratio {units.ratio_text(interval.estimate)}, too few repetitions for an interval)"
    ratio, bounds = units.ratio_text(interval.estimate), f"{units.ratio_text(interval.low)} to {units.ratio_text(interval.high)}"
    return f"{other} ({ratio} times as fast, 95\u00a0% interval {bounds})" if first else f"{other} ({ratio}; {bounds})"


def replay_statements(results):
    """Statements about one trace (Results.of_trace)."""
    said = []
    for layer in results.allocators.layer.unique():
        data = results.throughput
        data = data[data.layer == layer] if len(data) else data
        groups = {label: group.ops_per_second.to_numpy() for label, group in data.groupby("label", sort=False)} \
            if len(data) else {}
        said += [replayed(layer, results, groups)]
        said += compare(groups, "more", f"Throughput, {layer} layer")
    said += guest_statements(results.allocators.label)
    return said + timer_statements(results) + latency_statements(results) + other_cpu_statements(results) \
        + memory_statements(results) + failure_statements(results) + fragmentation_statements(results) + check_statements(results)


def guest_statements(labels):
    """What a kernel that runs as a guest has otherwise than one on the bare machine, if any does."""
    guests = list(dict.fromkeys(re.sub(r"-(kmalloc|pages|floor)(?= |$)", "", label) for label in labels if label.startswith("kernel:")))
    if not guests:
        return []
    return [Statement("warning", f"{listed(guests)} ran as guests (User-Mode Linux): one CPU without atomic instructions, interrupts kept off by "
                                 "a store, memory in pages of 4 KiB. Ratios between such kernels tell what a change does; ratios to the models have these "
                                 "differences in them (docs/kernels.md).")]


def floor_statements(data):
    """What the bare list takes in a guest, of what it takes here."""
    said = []
    for (work, size), group in data.groupby(["work", "size"], sort=False) if len(data) else ():
        here = group[group.label.map(style.base_name) == "floor"].ns.median()
        for label, rows in group.groupby("label", sort=False):
            name = style.base_name(label)
            if name.startswith("kernel:") and name.endswith("-floor") and np.isfinite(here):
                said.append(Statement("fact", f"{work}/{size}: the bare list of the floor takes {rows.ns.median() / here:.2f} times as long in {label} as here."))
    return said


def harness_note(rows):
    """What of the time of every operation is the replay's own, the same for all allocators of a layer."""
    harness = rows.harness_ns.median()
    if not np.isfinite(harness):
        return ""
    return f"; of the time of each operation {units.nanoseconds_text(harness)} are the replay's own"


COARSE_NS = 4.0  # a timer with longer steps cannot tell fast paths apart


def timer_statements(results):
    """A warning if the timer's steps, seen in the histograms, are about as long as what is measured."""
    short = results.histogram[results.histogram.upper_ns < 100] if len(results.histogram) else results.histogram
    steps = [np.diff(np.unique(rows.upper_ns)).min() for _, rows in short.groupby("label") if rows.upper_ns.nunique() > 1] \
        if len(short) else []
    if not steps or min(steps) < COARSE_NS:
        return []
    return [Statement("warning", f"The timer of this machine moves in steps of about {min(steps):.0f}{units.SPACE}ns: "
                                 "single latencies near that are not resolved, throughput is.")]


def replayed(layer, results, groups):
    """What was compared, and how often."""
    rows = results.allocators[results.allocators.layer == layer]
    counts = sorted({len(values) for values in groups.values()} or {0})
    times = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return Statement("fact", f"The {layer} layer: {units.count_text(rows.operations.max())} operations replayed on "
                             f"{listed(of_layer(results.allocators, layer))}, {times} repetitions"
                             f"{harness_note(rows)}.")


def of_layer(data, layer):
    return list(dict.fromkeys(data[data.layer == layer].label))


def listed(words):
    words = [str(word) for word in words]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def latency_statements(results):
    """For the most frequent operation of each layer: median and one in a thousand, as seen."""
    said = []
    for _, data in results.latency.groupby("layer", sort=False) if len(results.latency) else ():
        operation = data.groupby("operation", sort=False)["count"].sum().idxmax()
        rows = data[data.operation == operation].to_dict("records")
        seen = listed(f"{units.nanoseconds_text(row['p50'])} and {units.nanoseconds_text(row['p99_9'])} with {row['label']}"
                      for row in rows)
        said.append(Statement("fact", f"Latency of {operation}, the most frequent operation: half took at most, and one in a "
                                      f"thousand more than, {seen}."))
    return said


OTHER_CPU = "-other-cpu"  # at the end of an operation that frees what another CPU allocated


def other_cpu_statements(results):
    """What frees on another CPU cost against those on the allocation's: who serves them fast, and their mean times."""
    said = []
    frees = results.paths[results.paths.direction == "frees_on_other_cpu"] if len(results.paths) else results.paths
    for layer, rows in frees.groupby("layer", sort=False) if len(frees) else ():
        rows = rows[rows.path != "opaque"]
        fast = rows["count"].where(rows.path == "fast", 0).groupby(rows.label, sort=False).sum() \
            / rows.groupby("label", sort=False)["count"].sum()
        if len(fast):
            seen = listed(f"{units.percent_text(share)} with {label}" for label, share in fast.items())
            said.append(Statement("fact", f"Frees on another CPU than the allocation's, {layer} layer: the fast path served {seen}."))
    means = results.means
    for operation in dict.fromkeys(means.operation[means.operation.str.endswith(OTHER_CPU)] if len(means) else ()):
        said += dearer_statements(operation.removesuffix(OTHER_CPU), means)
    return said


def dearer_statements(operation, means):
    """The mean time of one kind of free on another CPU, as a multiple of that on the same; dearest first."""
    times = {label: [rows[rows.operation == name].ns.to_numpy() for name in (operation + OTHER_CPU, operation)]
             for label, rows in means.groupby("label", sort=False)}
    times = {label: both for label, both in times.items() if len(both[0]) and len(both[1])}
    level = 1 - (1 - intervals.LEVEL) / max(1, len(times))
    found = {label: intervals.comparison(*both, True, level) for label, both in times.items()}
    found = dict(sorted(found.items(), key=lambda item: -item[1].estimate))
    dearer = {label: each for label, each in found.items() if each.above(1)}
    others = {label: each for label, each in found.items() if label not in dearer}
    said = []
    if dearer:
        said.append(Statement("claim", f"{operation} takes longer on another CPU than the allocation's, on the mean: "
                                       f"{listed(times_text(label, each) for label, each in dearer.items())}."))
    if others:
        said.append(Statement("open", f"{operation} on another CPU: not longer, as far as these repetitions tell: "
                                      f"{listed(times_text(label, each) for label, each in others.items())}."))
    return said


def times_text(label, interval):
    if not np.isfinite(interval.high):
        return f"{label} (ratio {units.ratio_text(interval.estimate)}, too few repetitions for an interval)"
    return (f"{label} {units.ratio_text(interval.estimate)} times (95{units.SPACE}% interval "
            f"{units.ratio_text(interval.low)} to {units.ratio_text(interval.high)})")


def memory_statements(results):
    """What was held at the peak against what was requested then, per layer."""
    said, at_peak = [], tables.peaks(results)
    for layer in results.allocators.layer.unique():
        known = {label: at_peak[label] for label in of_layer(results.allocators, layer)
                 if label in at_peak and np.isfinite(at_peak[label]["overhead"])}
        whole = {label: at for label, at in known.items() if at["overhead"] >= 1}
        if whole:
            said.append(Statement("fact", f"Memory, {layer} layer: held at the peak, for what was requested then: "
                                          f"{listed(f'{label} {held_text(at)}' for label, at in whole.items())}."
                                          + least_text(results.timeline[results.timeline.label.isin(whole)])))
        said += [Statement("warning", f"{label} says that it held less than was requested ({held_text(at)}): its count "
                                      "of held memory is not complete.")
                 for label, at in known.items() if label not in whole]
    return said


def least_text(timeline):
    """Who held least on the average of the run, if it is one alone: all were asked for the same at each moment."""
    held = timeline.groupby("label").held_bytes.mean().sort_values()
    if len(held) < 2 or held.iloc[0] == held.iloc[1]:
        return ""
    return (f" On the average of the run {held.index[0]} held least, {units.bytes_text(held.iloc[0])}, "
            f"{units.percent_text(1 - held.iloc[0] / held.iloc[1])} less than {held.index[1]}, which comes next.")


def held_text(at):
    return (f"{units.bytes_text(at['held_bytes'])} for {units.bytes_text(at['requested_bytes'])} "
            f"({units.ratio_text(at['overhead'])} times)")


def failure_statements(results):
    said = []
    allocations = results.paths[results.paths.direction == "allocations"].groupby("label")["count"].sum() \
        if len(results.paths) else {}
    for row in results.allocators.itertuples():
        if row.failures:
            asked = allocations.get(row.label, float("nan"))
            share = f" of {units.count_text(asked)} ({units.percent_text(row.failures / asked)})" if asked > 0 else ""
            said.append(Statement("warning", f"{row.label}: {units.count_text(row.failures)} allocations{share} failed."))
    return said + costly_statements(results)


def costly_statements(results):
    """Failures among requests of order 3 and more, where the names of the operations tell the order."""
    said = []
    data = results.path_cost
    if data.empty:
        return said
    orders = data.operation.map(order_of)
    costly = data[(orders >= COSTLY_ORDER) & ~data.operation.str.contains("free")]
    for label, group in costly.groupby("label", sort=False):
        failed, asked = group[group.path == "failed"]["count"].sum(), group["count"].sum()
        said.append(Statement("fact", f"{label}: {units.count_text(failed)} of {units.count_text(asked)} requests of order "
                                      f"{COSTLY_ORDER} and more failed ({units.percent_text(failed / asked)})."))
    return said


def order_of(operation):
    found = re.search(r"order[ _=:]*(\d+)", operation)
    return int(found[1]) if found else -1


def fragmentation_statements(results):
    """The unusable index of two orders that matter, at the end."""
    seen = []
    for label, last in tables.at_end(results).items():
        shares = [last.unusable_index.get(order, float("nan")) / 1000 for order in (COSTLY_ORDER, HUGE_ORDER)]
        if np.isfinite(shares).all():
            seen.append(f"{units.percent_text(shares[0])} and {units.percent_text(shares[1])} with {label}")
    if not seen:
        return []
    return [Statement("fact", f"Fragmentation at the end: the share of free memory that is useless for a request of order "
                              f"{COSTLY_ORDER} (32 KiB), and of order {HUGE_ORDER} (2 MiB), is {listed(seen)}.")]


def check_statements(results):
    said = []
    for row in results.allocators.itertuples():
        if tables.violation_text(row.violation) != "none":
            said.append(Statement("warning", f"{row.label} broke a law: {tables.violation_text(row.violation)}. "
                                             "Its figures mean nothing until that is mended."))
    checked = results.allocators[results.allocators.checks > 0]
    if len(checked):
        counts = listed(f"{row.label} {units.count_text(row.checks)} times" for row in checked.itertuples())
        clean = all(tables.violation_text(value) == "none" for value in checked.violation)
        said.append(Statement("fact", f"Everything was recounted and checked: {counts}"
                                      f"{'; no law was found broken.' if clean else '.'}"))
    return said


def peers_statements(data, notes=()):
    """Statements about the pairs: who is ahead in each work and size, the floor and other ways of calling apart."""
    said = []
    for (work, size), group in data.groupby(["work", "size"], sort=False) if len(data) else ():
        times = {label: rows.ns.to_numpy() for label, rows in group.groupby("label", sort=False)
                 if not style.base_name(label).endswith("floor") and not style.base_name(label).endswith(tuple(style.VARIANTS))}
        said += compare(times, "less", f"{work}/{size}")
    said += floor_statements(data)
    if len(data):
        said += guest_statements(data.label)
    return said + [Statement("fact", note) for note in notes]


def kernel_statements(data):
    """How many works cost at most what a real kernel took for them, and why SLUB's batches are dear."""
    said = []
    for (file, allocator), rows in data.groupby(["file", "allocator"], sort=False) if len(data) else ():
        worst = rows.loc[rows.ratio.idxmax()]
        said.append(Statement("fact", f"{allocator}: {rows.met.sum()} of {len(rows)} works cost at most what the real one took ({file}, times "
                                      f"{rows.scale.iloc[0]:.2f}); median {rows.ratio.median():.2f}, at most {worst.ratio:.2f} ({worst['name']})."))
        for order in ("lifo", "fifo", "random") if allocator == "slub" else ():
            batches = rows[rows.slow_frees.notna() & rows.name.str.contains(f"-{order}/", regex=False)]
            if len(batches):
                said.append(Statement("fact", f"{allocator}, batches freed {order}: {units.percent_text(batches.slow_frees.mean())} of the frees go past "
                                              f"the CPU's own slab; median {batches.ratio.median():.2f}."))
    return said


def scale_statements(data):
    """Statements about `kmemlab scale`; its counts are exact, so what differs does so in every run."""
    said = []
    for pattern, rows in data.groupby("pattern", sort=False) if len(data) else ():
        rows = rows[rows.cpus == rows.cpus.max()]
        said += lock_statements(f"{pattern}, {units.count_text(rows.cpus.max())} CPUs", rows)
    broken = data[data.violation.notna()] if len(data) else data
    said += [Statement("warning", f"{row.label}, {row.pattern} on {units.count_text(row.cpus)} CPUs, broke a law: {row.violation}. "
                                  "Its counts mean nothing until that is mended.") for row in broken.itertuples()]
    failed = data[data.failures > 0] if len(data) else data
    said += [Statement("warning", f"{label}: allocations failed; its counts are those of a machine that is too small.")
             for label in dict.fromkeys(failed.label)]
    return said


def lock_statements(where, rows):
    """Whose frees take a lock of the node most often, if they differ, and who meets others at what CPUs share."""
    said = []
    locks = (1000 * rows.free_node_locks / rows.operations).set_axis(rows.label).sort_values(ascending=False)
    if len(locks) > 1 and locks.iloc[0] > locks.iloc[1]:
        rest = listed(f"{label} ({units.significant(rate)})" for label, rate in locks.iloc[1:].items())
        said.append(Statement("fact", f"{where}: frees take a lock of the node most often with {locks.index[0]} "
                                      f"({units.significant(locks.iloc[0])} times in 1000 operations), less with {rest}."))
    sharing = rows[rows.shared_batches > 0]
    if len(sharing):
        seen = listed(f"{units.significant(row.operations / row.shared_batches)} operations with {row.label}"
                      for row in sharing.itertuples())
        said.append(Statement("fact", f"{where}: one batch of objects goes through what CPUs share (array, barn) in {seen}."))
    return said


def scoreboard_statements(data):
    """How many planted bugs were found from each start, within the budget and within half a minute, and which were not."""
    said = []
    for (label, start), rows in data.groupby(["label", "start"], sort=False) if len(data) else ():
        found, quick = rows.seconds.notna().sum(), (rows.seconds <= 30).sum()
        names = [f"{row.mutant} ({row.missed})" if row.missed else row.mutant for row in rows[rows.seconds.isna()].itertuples()]
        missed = f" Not found: {listed(names)}." if names else ""
        said.append(Statement("fact", f"{label}, from {start}: {found} of {len(rows)} planted bugs ({units.percent_text(found / len(rows))}) were "
                                      f"found within {units.nanoseconds_text(rows.budget.max() * 1e9)} of processor time each, {quick} "
                                      f"({units.percent_text(quick / len(rows))}) within 30{units.SPACE}s.{missed}"))
    return said


def programs_statements(data, notes=()):
    """Who is ahead in each program's elapsed time, and what was skipped or failed; `data` as load.py gives it."""
    said = []
    for program, rows in data.groupby("program", sort=False) if len(data) else ():
        said += compare({label: mine.ns.to_numpy() for label, mine in rows.groupby("label", sort=False)}, "less", program)
    return said + [Statement("warning" if note.startswith("Failed") else "fact", note) for note in notes]


def mapping_statements(results, notes=()):
    """What `kmemlab mapping` concluded, the knees that it found, and what a page mapped by itself costs."""
    said = [Statement("fact" if row.kind == "reach" else "claim" if row.met else "warning",
                      row.text if row.kind == "reach" else f"{row.text}: {'met' if row.met else 'missed'}.")
            for row in results.mapping_said.itertuples()]
    for label, knees in results.mapping_knees.groupby("label", sort=False) if len(results.mapping_knees) else ():
        places = listed(f"{name} behind {units.count_text(size)}" for name, size in zip(knees["name"], knees["size"]))
        said.append(Statement("fact", f"{label} leaves a level: {places} {'lines' if style.base_name(label) == 'lines' else 'pages'}."))
    return said + extent_statements(results.mapping) + [Statement("fact", f"{note}.") for note in notes]


def extent_statements(data):
    """The cost of one more mapping, from the largest scattered areas, where everything else is small beside it."""
    rows = data[(data.work == "vmalloc") & (data.allocator == "host-scattered")] if len(data) else data
    if rows.empty:
        return []
    size = rows["size"].max()
    pages = size // 4096
    each = rows[rows["size"] == size].groupby("label").ns.median() / pages
    return [Statement("fact", f"An area of {units.bytes_text(size)} of scattered frames costs {units.nanoseconds_text(ns)} for each of its "
                              f"{units.count_text(pages)} mappings with {label}.") for label, ns in each.items()]


TELLING_PAIRS = ("pair/64:", "pair/4096:")  # an object of usual size, and a page


def most_telling(statements):
    """Those of the pairs that stand in the summary; all of them if they are few."""
    if len(statements) <= 6:
        return statements
    return [each for each in statements if each.text.startswith(TELLING_PAIRS) or not re.match(r"\S+/\d+:", each.text)]


def most_telling_of_trace(statements, traces):
    """Those of a trace that stand in the summary beside so many traces."""
    if traces <= 2:
        return statements
    return [each for each in statements if each.kind == "warning" or each.text.startswith(("Throughput", "Memory"))]


def warnings(sources):
    """What in the environment casts doubt on the figures."""
    said = []
    for source in sources:
        context = source.context
        doubts = []
        if context.get("checks"):
            doubts.append(f"checks are enabled ({tables.flat_context(context)['checks']})")
        if str(context.get("build_type", "Release")).lower() not in ("release", "relwithdebinfo"):
            doubts.append(f"the build type is {context['build_type']}")
        if context.get("cpu_scaling_enabled") is True:
            doubts.append("the CPU changes its frequency")
        said += [Statement("warning", f"{source.label}: {doubt}; times are not to be relied on.") for doubt in doubts]
        if source.kind == "replay":
            said += [Statement("warning", f"{source.label}: {note}") for note in source.notes]
    kinds = {key: {str(source.context.get(key)) for source in sources if source.context.get(key)}
             for key in ("cpu", "kernel", "compiler", "flags")}
    differing = [key for key, values in kinds.items() if len(values) > 1]
    if differing:
        said.append(Statement("warning", f"The files differ in {listed(differing)}: differences between them are not those "
                                         "of the allocators alone."))
    return said
