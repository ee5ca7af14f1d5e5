"""Five questions that a reader comes with: one sentence and one figure each, or what to measure for an answer.

What depends on time is claimed only where an interval leaves out 1 (plots/intervals.py); memory and counts are the same in every
run. An allocator that failed a request or broke a law has done another work, and is not compared.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from plots import compare, intervals, summary, tables, units

REPLAY = "kmemlab replay TRACE --allocator slub,slab,slob,malloc --json FILE"
PAGE_BYTES = 4096
MOST_ROWS = 3  # that a sentence names


@dataclass(frozen=True)
class Answer:
    """`kind` as that of a Statement; `figure` is the name of the figure that shows it, drawn of `trace` if it is of one."""
    kind: str
    text: str
    figure: str
    trace: str = ""


@dataclass(frozen=True)
class Question:
    """`answer` is None where the files have nothing for it; `wanted` of `command` would have."""
    text: str
    answer: Answer | None
    command: str
    wanted: str = "results"


def questions(results):
    return [Question("Which allocator is fastest on my trace, and why?", fastest(results), REPLAY),
            Question("Which allocator wastes least memory?", leanest(results), REPLAY),
            Question("What does a miss of the TLB cost here?", tlb_miss(results), "kmemlab mapping --filter ^access/ --json FILE"),
            Question("What does moving stacks to vmalloc cost?", stacks(results), "kmemlab mapping --filter ^stack- --json FILE"),
            Question("Did my change make it slower?", change(results), REPLAY, "results from before and after the change")]


def layers_of(results):
    """(trace, its results, labels of a layer that can be compared), in the order of the files."""
    for trace in results.trace_names():
        one = results.of_trace(trace)
        served = one.allocators[(one.allocators.failures == 0) & (one.allocators.violation.map(tables.violation_text) == "none")]
        for layer in served.layer.unique():
            yield trace, one, summary.of_layer(served, layer)


# --- Which allocator is fastest, and why? ---

def fastest(results):
    """Of the first trace that several allocators replayed."""
    for trace, one, labels in layers_of(results):
        groups = {label: rows.ops_per_second.to_numpy() for label, rows in one.throughput.groupby("label", sort=False)
                  if label in labels} if len(one.throughput) else {}
        if len(groups) > 1:
            return fastest_of(trace, one.paths, *summary.ranked(groups, "more"))
    return None


def fastest_of(trace, paths, leader, found):
    ahead = {label: each for label, each in found.items() if each.above(1)}
    level = [label for label in found if label not in ahead]
    if not ahead:
        return Answer("open", f"On {trace} these repetitions support no difference between {leader} and {summary.listed(level)}.",
                      "throughput", trace)
    others = [summary.versus(label, each, first=index == 0) for index, (label, each) in enumerate(ahead.items())]
    undecided = f", but not for certain of {summary.listed(level)}" if level else ""
    return Answer("claim", f"On {trace} {leader} is ahead of {summary.listed(others)}{undecided}{why(paths, leader, list(ahead))}.",
                  "throughput", trace)


def why(paths, leader, others):
    """The path by which the shares of the operations of the leader and of the next one that tells its paths differ most."""
    told = paths[paths.direction.isin(("allocations", "frees")) & (paths.path != "opaque")] if len(paths) else paths
    shares = {label: rows.set_index(["direction", "path"])["count"] / rows.groupby("direction")["count"].transform("sum").to_numpy()
              for label, rows in told[told["count"] > 0].groupby("label")} if len(told) else {}
    other = next((label for label in others if label in shares), None)
    if leader not in shares or other is None:
        return f"; why cannot be told: no paths are counted of {leader if leader not in shares else summary.listed(others)}"
    both = pd.DataFrame({"mine": shares[leader], "theirs": shares[other]}).fillna(0)
    direction, path = (both.mine - both.theirs).abs().idxmax()
    mine, theirs = both.loc[(direction, path)]
    if mine == theirs:
        return f"; the counts of their paths do not tell why: those of {other} are the same"
    return (f"; by counts it differs most from {other} in {direction} by the path {path.replace('_', ' ')}, "
            f"{units.percent_text(mine)} against {units.percent_text(theirs)}")


# --- Which allocator wastes least memory? ---

def leanest(results):
    """Of the first trace with several allocators whose memory is known; all are asked for the same at each moment."""
    for trace, one, labels in layers_of(results):
        peaks = tables.peaks(one)
        known = [label for label in labels if label in peaks and peaks[label]["overhead"] >= 1]
        if len(known) > 1:
            memory = one.timeline[one.timeline.label.isin(known)].groupby("label", sort=False)[["held_bytes", "requested_bytes"]].mean()
            return Answer("fact", f"On {trace} {least(memory.sort_values('held_bytes', kind='stable'))}", "memory", trace)
    return None


def least(memory):
    """`memory` in ascending order of what was held."""
    held = memory.held_bytes
    first = (f"{units.bytes_text(held.iloc[0])} for the {units.bytes_text(memory.requested_bytes.iloc[0])} that were requested, "
             "on the average of the run")
    equal = [label for label in held.index if held[label] == held.iloc[0]]
    if len(equal) > 1:
        return f"{summary.listed(equal)} hold equally little, {first}."
    return (f"{held.index[0]} holds least, {first}; that is {units.percent_text(1 - held.iloc[0] / held.iloc[1])} less than {held.index[1]}, "
            "which comes next.")


# --- What does a miss of the TLB cost here? ---

def tlb_miss(results):
    """From the chase through pages of 4 KiB of this machine, beside that through as many lines that lie side by side."""
    data = results.mapping[results.mapping.work == "access"] if len(results.mapping) else results.mapping
    for label in dict.fromkeys(data.label[data.allocator == "direct-4k"]) if len(data) else ():
        pages, lines = ({size: rows.ns.to_numpy() for size, rows in data[data.label == each].groupby("size")}
                        for each in (label, label.replace("direct-4k", "lines")))
        both = pages.keys() & lines.keys()
        if both:
            return tlb_miss_of(label, max(both), intervals.comparison(pages[max(both)], lines[max(both)], True), results.mapping_knees)
    return None


def tlb_miss_of(label, most, ratio, knees):
    chase = f"a chase through {units.count_text(most)} pages of {units.bytes_text(PAGE_BYTES)}"
    left = knees[(knees.label == label) & knees["name"].str.endswith("TLB")] if len(knees) else knees
    if left.empty or not ratio.above(1):
        return Answer("open", f"No miss can be told apart in {chase}.", "mapping_access")
    costs = summary.listed(f"{units.nanoseconds_text(after - before)} longer behind the {name} ({units.count_text(size)} pages)"
                           for name, size, before, after in zip(left["name"], left["size"], left.before, left.after))
    _, beside = relation(chase, ratio, "one through as many lines side by side")
    return Answer("claim", f"A load takes {costs}, without what the data caches cost; {beside}.", "mapping_access")


def relation(what, ratio, than):
    """(kind, words) for a ratio of times."""
    if ratio.above(1) or ratio.below(1):
        return "claim", f"{what} {summary.times_text('takes', ratio)} as long as {than}"
    seen = f"{units.ratio_text(ratio.low)} to {units.ratio_text(ratio.high)} times as long" if np.isfinite(ratio.high) else "they are too few"
    return "open", f"Whether {what[0].lower()}{what[1:]} takes longer than {than} these repetitions do not tell ({seen})"


# --- What does moving stacks to vmalloc cost? ---

def stacks(results):
    """From the rows of stacks of a mapping, or else from the first replay of a trace's tasks."""
    return made_stacks(results.mapping) or replayed_stacks(results.throughput)


def made_stacks(data):
    """Of the first file: making a stack that no CPU has kept, and handing out one that it has."""
    times = {}
    for (work, allocator, _), rows in data.groupby(["work", "allocator", "label"], sort=False) if len(data) else ():
        times.setdefault((work, allocator), rows.ns.to_numpy())
    direct = times.get(("stack-create", "direct"))
    mapped = times.get(("stack-create", "vmap-uncached"), times.get(("stack-create", "vmap")))
    kept = times.get(("stack-reuse", "vmap"))
    if direct is None or mapped is None:
        return None
    kind, text = relation("Making a stack by vmalloc", intervals.comparison(mapped, direct, True), "one in the direct map")
    again = "" if kept is None else f"; one that its CPU has kept is handed out in {units.nanoseconds_text(np.median(kept))}"
    return Answer(kind, f"{text}{again}.", "mapping_stacks")


def replayed_stacks(data):
    data = data[data.allocator.isin(("kstack-direct", "kstack-vmap"))] if len(data) else data
    for (trace, _), rows in data.groupby(["trace", data.label.map(suffix)], sort=False) if len(data) else ():
        times = {allocator: 1e9 / group.ops_per_second.to_numpy() for allocator, group in rows.groupby("allocator")}
        if len(times) == 2:
            ratio = intervals.comparison(times["kstack-vmap"], times["kstack-direct"], True)
            kind, text = relation(f"On {trace} a replay of stacks by vmalloc", ratio, "one of those in the direct map")
            return Answer(kind, f"{text}.", "throughput", trace)
    return None


# --- Did my change make it slower? ---

def change(results):
    """Of the first kind of rows that two files have in common; of several files, the first and the last that have some."""
    sources = {source.label: source for source in results.sources}
    for rows, figure, trace in comparable(results):
        files = [label for label in sources if label in rows]
        for place, before in enumerate(files):
            sharing = [after for after in files[place + 1:] if rows[before].keys() & rows[after].keys()]
            if sharing:
                return change_of(sources[before], sources[sharing[-1]], rows, figure, trace)
    return None


def comparable(results):
    """({label of a file: {row: ns}}, figure, trace): rows whose labels name their file, since another one has them too."""
    for trace in results.trace_names():
        data = results.of_trace(trace).throughput
        if len(data):
            yield by_file(data.assign(ns=1e9 / data.ops_per_second), ["allocator"]), "throughput", trace
    for data, figure in ((results.peers, "peers"), (results.mapping, "mapping_calls"), (results.micro, "micro")):
        yield by_file(data, ["work", "size", "allocator"]), figure, ""
    yield by_file(results.programs, ["program", "allocator"]), "programs", ""


def suffix(label):
    """The file in a label such as `slub (before)`."""
    return label.partition(" (")[2][:-1]


def by_file(data, names):
    rows = {}
    for (label, *parts), group in data.groupby(["label", *names], sort=False) if len(data) else ():
        rows.setdefault(suffix(label), {})["/".join(map(str, parts))] = group.ns.to_numpy()
    return {file: found for file, found in rows.items() if file}


def change_of(before, after, rows, figure, trace):
    different = compare.differences(before, after)
    if different:
        return Answer("open", f"Between {before.label} and {after.label} this cannot be told: not the same are {'; '.join(different)}.", figure, trace)
    data = compare.frame(rows[before.label], rows[after.label])
    slower, faster = (data[data.verdict == verdict] for verdict in ("slower", "faster"))
    if len(slower):
        return Answer("claim", f"Yes: with {after.label} {took(slower)} {before.label}"
                               f"{f', and {len(faster)} rows are faster' if len(faster) else ''}.", figure, trace)
    if len(faster):
        return Answer("claim", f"No: with {after.label} {took(faster)} {before.label}.", figure, trace)
    few = f"; one in {len(data)} rows would take {compare.repetitions_for(len(data))} repetitions in each file" \
        if (data.verdict == "too few repetitions").any() else ""
    return Answer("open", f"No difference that these repetitions support between {before.label} and {after.label}{few}.", figure, trace)


def took(data):
    """The rows that differ most, and how many more there are."""
    data = data.iloc[np.argsort(-np.abs(np.log(data.ratio)), kind="stable")]
    named = [summary.times_text(f"{name} takes" if place == 0 else name, intervals.Interval(ratio, low, high))
             for place, (name, ratio, low, high) in enumerate(zip(data["name"], data.ratio, data.low, data.high)) if place < MOST_ROWS]
    more = [f"{len(data) - MOST_ROWS} more rows"] if len(data) > MOST_ROWS else []
    return f"{summary.listed(named + more)} as long as with"
