"""Result files to data frames.

A file is either of `kmemlab replay --json` (it has a member `replay`), of `kmemlab scale --json` (`scale`), of
`kmemlab mapping --json` (`mapping`), of `ci/scoreboard --json` (`scoreboard`), of `ci/programs --json` (`programs`), of
`kmemlab peers --json`, or of any Google Benchmark program; docs/results.md describes them all. What is wrong with a file is said by an InputError
of one line that names the file and what was expected; nothing is guessed and nothing left out silently.

Every frame of replays has the columns `trace`, `layer` ("objects" or "pages"), `allocator` (the registry's name)
and `label`: the allocator, followed by the file where two files replay the same trace.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

ORDERS = 11
PERCENTILES = ("p50", "p90", "p99", "p99_9", "p99_99", "max")
MEMORY = ("requested_bytes", "handed_out_bytes", "held_bytes", "metadata_bytes")
PER_ORDER = ("free_blocks", "extfrag_index", "unusable_index")
SCALE_COUNTS = ("operations", "failures", "fast_allocations", "fast_frees", "refills", "flushes", "shared_batches",
                "allocation_node_locks", "free_node_locks", "zone_locks", "remote_frees")
BY_CPU_TIME = ("mapping", "peers", "replay")
NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
MICRO_SUFFIXES = re.compile(r"/(iterations|repeats|min_time|min_warmup_time|process_time|real_time|manual_time"
                            r"|threads)(:[^/]*)?(?=/|$)")


class InputError(Exception):
    """What the user gave cannot be used; the text is one line that names the file and what was expected."""


@dataclass
class Source:
    """One file that was read: `kind` is replay, scale, mapping, scoreboard, programs, peers or micro; `label` tells it from the other files."""
    path: str
    label: str
    kind: str
    context: dict
    notes: list = field(default_factory=list)  # what the file says could not be measured


@dataclass
class Results:
    """Everything that was read, as data frames; frames without rows have no columns to rely on."""
    sources: list = field(default_factory=list)
    traces: pd.DataFrame = None      # one row per replay file: members of replay.trace and replay.timer
    allocators: pd.DataFrame = None  # one row per allocator of a replay: operations, failures, checks, ...
    throughput: pd.DataFrame = None  # repetition, ops_per_second
    latency: pd.DataFrame = None     # operation, count, mean, p50 ... max (ns)
    means: pd.DataFrame = None       # operation, repetition, ns: mean of one pass
    histogram: pd.DataFrame = None   # operation, upper_ns, count
    path_cost: pd.DataFrame = None   # operation, path, count, mean, p50 ... max (ns)
    paths: pd.DataFrame = None       # direction (allocations, frees, frees_on_other_cpu: part of frees), path, count
    timeline: pd.DataFrame = None    # operation (index), time_s and the four of MEMORY
    orders: pd.DataFrame = None      # operation (index), time_s, order and the three of PER_ORDER
    huge_pages: pd.DataFrame = None  # operation (index), time_s, huge_page (by address), free_pages (0 to 512)
    peers: pd.DataFrame = None       # work, size, allocator, label, repetition, ns
    micro: pd.DataFrame = None       # the same; size is the argument that varies
    programs: pd.DataFrame = None    # program, allocator, label, repetition, ns, cpu_ns, peak_bytes, faults, final_bytes (NaN: not told)
    mapping: pd.DataFrame = None     # as peers; size is in bytes, pages or areas, as the work has it; ns by CPU time
    mapping_counts: pd.DataFrame = None  # work, size, allocator, label, name, count: exact, where the row is of the soft MMU
    mapping_knees: pd.DataFrame = None   # label, name, size, before, after
    kernel: pd.DataFrame = None          # file, allocator, scale, name, ns, scaled_ns, ratio, met, slow_frees (share; NaN but of batches)
    mapping_said: pd.DataFrame = None    # kind (bar or reach), text, met: what the command itself concluded
    mutants: pd.DataFrame = None     # mutant, what, target, label, start, seconds, executions, missed, law, expected, budget
    scale: pd.DataFrame = None       # pattern, allocator, label, cpus, size, violation and the counts of SCALE_COUNTS

    def of_trace(self, trace):
        """The same results with the replays of one trace only."""
        frames = {name: frame if "trace" not in frame else frame[frame.trace == trace]
                  for name, frame in vars(self).items() if isinstance(frame, pd.DataFrame)}
        return Results(sources=self.sources, **frames)

    def trace_names(self):
        return [] if self.traces.empty else list(dict.fromkeys(self.traces.trace))


class Node:
    """A JSON value together with where it stands, so that every complaint can name the place."""

    def __init__(self, value, file, place=""):
        self.value, self.file, self.place = value, file, place

    def fail(self, expected):
        found = "nothing" if self.value is None else json.dumps(self.value)[:40]
        raise InputError(f"{self.file}: expected {expected} at {self.place or 'the top'}, found {found}")

    def at(self, key):
        if not isinstance(self.value, dict):
            self.fail("an object")
        return Node(self.value.get(key), self.file, f"{self.place}.{key}" if self.place else key)

    def items(self, length=None):
        if not isinstance(self.value, list) or length not in (None, len(self.value)):
            self.fail("a list" if length is None else f"a list of {length}")
        return [Node(item, self.file, f"{self.place}[{i}]") for i, item in enumerate(self.value)]

    def object(self):
        return self.value if isinstance(self.value, dict) else self.fail("an object")

    def text(self):
        return self.value if isinstance(self.value, str) else self.fail("a text")

    def text_or(self, key, default):
        """The text of a member that may be missing."""
        member = self.at(key)
        return default if member.value is None else member.text()

    def number(self):
        good = isinstance(self.value, (int, float)) and not isinstance(self.value, bool)
        return self.value if good else self.fail("a number")

    def number_or_nothing(self):
        return float("nan") if self.value is None else self.number()


def read_json(path):
    """The JSON object in a file, as a Node."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a result file that can be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected JSON of a kmemlab or Google Benchmark run, found binary data") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON of a kmemlab or Google Benchmark run: {error}") from None
    node = Node(value, path)
    node.object()
    return node


def percentiles(node):
    return {name: node.at(name).number() for name in ("count", "mean", *PERCENTILES)}


def per_order(node, points):
    """`lists[order][point]` turned to one list per point, or None where no page allocator lies below."""
    if node.value is None:
        return None
    return [[value.number_or_nothing() for value in order.items(points)] for order in node.items(ORDERS)]


def add_timeline(rows, where, node):
    times = [value.number_or_nothing() for value in node.at("time_s").items()]
    points = len(times)
    columns = {name: [v.number_or_nothing() for v in node.at(name).items(points)] for name in ("operation", *MEMORY)}
    for i, time in enumerate(times):
        rows["timeline"].append({**where, "time_s": time, **{name: values[i] for name, values in columns.items()}})
    lists = {name: per_order(node.at(name), points) for name in PER_ORDER}
    present = {name: values for name, values in lists.items() if values is not None}
    if present:
        for order in range(ORDERS):
            for i, time in enumerate(times):
                rows["orders"].append({**where, "operation": columns["operation"][i], "time_s": time, "order": order,
                                       **{name: present[name][order][i] if name in present else float("nan")
                                          for name in PER_ORDER}})


def add_huge_pages(rows, where, node):
    """The maps of huge pages, where a page allocator lies below; files from before there were maps have none."""
    if node.value is None:
        return
    times = node.at("time_s").items()
    moments = zip(times, node.at("operation").items(len(times)), node.at("free_pages").items(len(times)))
    pages = None
    for time, operation, free_pages in moments:
        counts = free_pages.items(pages)
        pages = len(counts)
        rows["huge_pages"] += [{**where, "operation": operation.number(), "time_s": time.number_or_nothing(), "huge_page": i,
                                "free_pages": count.number()} for i, count in enumerate(counts)]


def add_allocator(rows, where, node):
    """One object of replay.allocators."""
    optional = {name: node.at(name).value for name in ("follows", "bytes_per_frame", "violation", "address_hash")}
    optional["harness_ns"] = node.at("harness_ns_per_op").number_or_nothing()
    optional["frees_skipped"] = node.at("frees_skipped").number_or_nothing()
    rows["allocators"].append({**where, **optional,
                               **{name: node.at(name).number() for name in ("operations", "failures", "checks")}})
    for i, value in enumerate(node.at("ops_per_second").items()):
        rows["throughput"].append({**where, "repetition": i + 1, "ops_per_second": value.number()})
    for entry in node.at("latency").items():
        operation = {**where, "operation": entry.at("operation").text()}
        rows["latency"].append({**operation, **percentiles(entry)})
        for bucket in entry.at("histogram").items():
            upper, count = bucket.items(2)
            rows["histogram"].append({**operation, "upper_ns": upper.number(), "count": count.number()})
    for entry in node.at("latency_by_path").items():
        rows["path_cost"].append({**where, "operation": entry.at("operation").text(),
                                  "path": entry.at("path").text(), **percentiles(entry)})
    for direction in ("allocations", "frees", "frees_on_other_cpu"):
        counts = node.at("paths").at(direction)
        for path in counts.object():
            rows["paths"].append({**where, "direction": direction, "path": path, "count": counts.at(path).number()})
    add_timeline(rows, where, node.at("timeline"))
    add_huge_pages(rows, where, node.at("huge_pages"))


def add_means(rows, where, node, prefix):
    """The mean time of each kind of operation, one figure a repetition: rows `replay/TRACE/ALLOCATOR/OPERATION`."""
    for row in node.items():
        name = row.at("name").text()
        if name.startswith(prefix) and name != f"{prefix}all":
            rows["means"].append({**where, "operation": name.removeprefix(prefix),
                                  "repetition": row.at("repetition_index").number() + 1, "ns": row.at("real_time").number()})


def add_replay(rows, source, node, benchmarks, shared):
    """The member `replay` of a file, and its rows; `shared` tells whether another file replays the same trace."""
    trace = node.at("trace")
    name = trace.at("name").text()
    timer = {f"timer_{key}": value for key, value in node.at("timer").object().items()}
    rows["traces"].append({"trace": name, "source": source.label, **timer,
                           **{key: value for key, value in trace.object().items() if key != "name"}})
    for entry in node.at("allocators").items():
        allocator = entry.at("name").text()
        where = {"trace": name, "layer": entry.at("layer").text(), "allocator": allocator,
                 "label": f"{allocator} ({source.label})" if shared else allocator}
        add_allocator(rows, where, entry)
        add_means(rows, where, benchmarks, f"replay/{name}/{allocator}/")


def add_scale(rows, source, node, shared):
    """The member `scale` of a file."""
    size = node.at("size").number()
    for row in node.at("rows").items():
        allocator = row.at("allocator").text()
        rows["scale"].append({"pattern": row.at("pattern").text(), "allocator": allocator,
                              "label": f"{allocator} ({source.label})" if shared else allocator,
                              "cpus": row.at("cpus").number(), "size": size, "violation": row.at("violation").value,
                              **{name: row.at(name).number() for name in SCALE_COUNTS}})


def add_scoreboard(rows, source, node):
    """The member `scoreboard` of a file: the median run of each mutant."""
    budget = node.at("seconds").number()
    for mutant in node.at("mutants").items():
        medians = mutant.at("median")
        for start in medians.object():
            run = medians.at(start)
            rows["mutants"].append({"mutant": mutant.at("id").text(), "what": mutant.at("what").text(),
                                    "target": mutant.at("target").text(), "label": source.label, "start": start,
                                    "seconds": run.at("seconds").number_or_nothing(),
                                    "executions": run.at("executions").number_or_nothing(), "missed": run.text_or("missed", ""), "law": run.at("law").text(),
                                    "expected": bool(run.at("expected").value), "budget": budget})


def add_mapping(rows, source, node, shared):
    """The member `mapping` of a file; its times are rows of `benchmarks`."""
    def label(who):
        return f"{who} ({source.label})" if shared else who
    for row in node.at("rows").items():
        work, size, who = split_name(row.at("name").text())
        counts = row.at("counts")
        rows["mapping_counts"] += [{"work": work, "size": size, "allocator": who, "label": label(who), "name": name,
                                    "count": counts.at(name).number()} for name in counts.object()]
    for knee in node.at("access").at("knees").items():
        rows["mapping_knees"].append({"label": label(knee.at("who").text()), "name": knee.at("name").text(),
                                      **{key: knee.at(key).number() for key in ("size", "before", "after")}})
    for bar in node.at("bars").items():
        text = f"{bar.at('what').text()} is {bar.at('found').number():.2f}, at most {bar.at('limit').number():.2f} wanted"
        rows["mapping_said"].append({"kind": "bar", "text": text, "met": bool(bar.at("met").value)})
    reach = node.at("access").at("reach").text()
    if reach:
        rows["mapping_said"].append({"kind": "reach", "text": reach, "met": True})


def add_programs(rows, source, node, shared):
    """Rows of a file of `ci/programs`: programs/PROGRAM/ALLOCATOR."""
    seen = {}
    for row in node.items():
        name = row.at("name").text()
        parts = name.split("/")
        if len(parts) != 3 or parts[0] != "programs":
            row.at("name").fail("programs/PROGRAM/ALLOCATOR")
        if row.text_or("time_unit", "ns") != "ns":
            row.at("time_unit").fail('"ns"')
        seen[name] = seen.get(name, 0) + 1
        rows["programs"].append({"program": parts[1], "allocator": parts[2], "label": f"{parts[2]} ({source.label})" if shared else parts[2],
                                 "repetition": seen[name], "ns": row.at("real_time").number(), "cpu_ns": row.at("cpu_time").number(),
                                 "peak_bytes": row.at("peak_bytes").number(),
                                 "faults": row.at("minor_faults").number() + row.at("major_faults").number(),
                                 "final_bytes": row.at("final_bytes").number_or_nothing()})


def split_name(name):
    """(work, size, allocator) of a row's name: WORK/SIZE/ALLOCATOR in any order of the parts.

    The last word is the allocator, the last number is the size, what is left is the work: `batch/lifo/16/64/slub`
    is the work `batch/lifo/16` of size 64. A name of one word is a work without allocator.
    """
    parts = MICRO_SUFFIXES.sub("", name).split("/")
    is_number = [part.split(":")[-1].isdigit() for part in parts]
    words = [i for i, number in enumerate(is_number) if not number]
    numbers = [i for i, number in enumerate(is_number) if number]
    allocator = words[-1] if len(words) > 1 else None
    size = numbers[-1] if numbers else None
    work = "/".join(part for i, part in enumerate(parts) if i not in (allocator, size))
    return (work, 0 if size is None else int(parts[size].split(":")[-1]),
            work if allocator is None else parts[allocator])


def iterations(node, kind):
    """(run's name, row's name, ns) of each row of run type `iteration`; aggregates are ours to compute, so that their
    spread is known. By processor time where the program itself counts that: other work on the machine lengthens it least."""
    for row in node.items():
        name = row.at("name").text()
        if row.value.get("run_type", "iteration") != "iteration":
            continue
        if row.value.get("error_occurred"):
            raise InputError(f"{row.file}: expected figures for {name}, found an error: "
                             f"{row.value.get('error_message', '')}")
        unit = row.text_or("time_unit", "ns")
        if unit not in NANOSECONDS:
            row.at("time_unit").fail("one of " + ", ".join(NANOSECONDS))
        time = row.at("cpu_time" if kind in BY_CPU_TIME else "real_time").number()
        yield row.text_or("run_name", name), name, time * NANOSECONDS[unit]


def add_benchmarks(rows, source, node, shared):
    seen = {}
    for run_name, name, ns in iterations(node, source.kind):
        if source.kind == "peers" and name.startswith("kernel-"):
            continue  # add_kernel_times has their medians; there is no floor and no peer for them
        work, size, allocator = split_name(run_name)
        seen[name] = seen.get(name, 0) + 1
        rows[source.kind].append({"work": work, "size": size, "allocator": allocator,
                                  "label": f"{allocator} ({source.label})" if shared else allocator,
                                  "repetition": seen[name], "ns": ns})


def add_kernel_times(rows, node):
    for each in node.items():
        where = {"file": each.at("file").text(), "allocator": each.at("allocator").text(), "scale": each.at("scale").number()}
        for row in each.at("rows").items():
            counts = row.at("counts").object()
            frees = {name: count for name, count in counts.items() if name.startswith("frees.")}
            slow = 1 - frees.get("frees.fast", 0) / sum(frees.values()) if frees else float("nan")
            rows["kernel"].append({**where, "name": row.at("name").text(), "ns": row.at("median_ns").number(),
                                   "scaled_ns": row.at("scaled_ns").number(), "ratio": row.at("ratio").number(),
                                   "met": bool(row.at("met").value), "slow_frees": slow})


def kind_of(node):
    if node.at("replay").value is not None:
        return "replay"
    for kind in ("scale", "mapping", "scoreboard", "programs"):
        if node.at(kind).value is not None:
            return kind
    rows = [row.at("name").text() for row in node.at("benchmarks").items()]
    if not rows:
        node.at("benchmarks").fail("at least one row or a member `replay`, `scale` or `scoreboard`")
    compared = any(node.at(member).value is not None for member in ("peers", "self_check"))
    return "peers" if compared or any(name.endswith("/floor") for name in rows) else "micro"


def not_measured(node):
    """Lines about what `kmemlab mapping` found this machine to lack, libraries that `kmemlab peers` did not find, and what
    `ci/programs` skipped or found wrong."""
    if node.at("programs").value is not None:
        programs = node.at("programs")
        absent = [f"{each.at('name').text()} was not measured: {each.text_or('absent', '')}."
                  for kind in ("allocators", "programs") for each in programs.at(kind).items() if each.object().get("absent")]
        return absent + [f"Failed: {fault.text()}." for fault in programs.at("faults").items()]
    if node.at("mapping").value is not None:
        return [note.text() for note in node.at("mapping").at("notes").items()]
    if node.at("replay").value is not None and node.at("replay").at("skipped").value is not None:
        return [f"{peer.at('name').text()} was not replayed: {peer.at('absent').text()}."
                for peer in node.at("replay").at("skipped").items()]
    if node.at("peers").value is None:
        return []
    return [f"{library.at('name').text()} was not measured: {library.value['absent']}."
            for library in node.at("peers").at("libraries").items() if library.object().get("absent")]


def short_labels(paths):
    """File names without folder and ending, or the whole paths where those would coincide."""
    stems = [Path(path).stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def load(paths):
    """Results of all the files; raises InputError at the first thing that is not as docs/results.md says."""
    frames = [name for name in Results.__dataclass_fields__ if name != "sources"]
    rows = {name: [] for name in frames}
    nodes = [read_json(path) for path in paths]
    sources = []
    for path, label, node in zip(paths, short_labels(paths), nodes):
        context = node.at("context").object()
        sources.append(Source(str(path), label, kind_of(node), context, not_measured(node)))
    names = [node.at("replay").at("trace").at("name").text() if source.kind == "replay" else source.kind
             for source, node in zip(sources, nodes)]
    for source, node, name in zip(sources, nodes, names):
        shared = names.count(name) > 1
        if source.kind == "replay":
            add_replay(rows, source, node.at("replay"), node.at("benchmarks"), shared)
        elif source.kind == "scale":
            add_scale(rows, source, node.at("scale"), shared)
        elif source.kind == "scoreboard":
            add_scoreboard(rows, source, node.at("scoreboard"))
        elif source.kind == "programs":
            add_programs(rows, source, node.at("benchmarks"), shared)
        else:
            add_benchmarks(rows, source, node.at("benchmarks"), shared)
            if source.kind == "peers" and node.at("kernel_times").value is not None:
                add_kernel_times(rows, node.at("kernel_times"))
            if source.kind == "mapping":
                add_mapping(rows, source, node.at("mapping"), shared)
    return Results(sources=sources, **{name: pd.DataFrame(rows[name]) for name in frames})
