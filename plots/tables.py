"""The comparison as numbers: what the tables of the report show. Cells are text; the raw figures stay in the frames."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from plots import style, units
from plots.load import MEMORY, PERCENTILES, PER_ORDER, SCALE_COUNTS


@dataclass
class Table:
    """Head and rows of text; the first cell of each row names it. `marked` holds (row, column) of warnings, `series` the
    column that names the allocator of each row, or -1 where each column but the first is of one, as its head says.
    Rows that tell of different things have no order (`sortable`)."""
    caption: str
    head: list
    rows: list
    marked: set = field(default_factory=set)
    series: int | None = None
    sortable: bool = True

    def row_series(self, row):
        """What a whole row is hidden with (style.series), or None."""
        return style.series(row[self.series]) if self.series is not None and self.series >= 0 else None

    def column_series(self, column):
        """What a whole column is hidden with, or None."""
        return style.series(self.head[column]) if self.series == -1 and column > 0 else None


def peak(line):
    """The row of a timeline in which most is held (or most was requested where held is not known), or None."""
    for column in ("held_bytes", "handed_out_bytes", "requested_bytes"):
        if len(line) and line[column].notna().any():
            return line.loc[line[column].idxmax()]
    return None


def peaks(results):
    """By label: the four of load.MEMORY at the moment when most is held, and overhead = held / requested there."""
    rows = {}
    for label, line in results.timeline.groupby("label", sort=False) if len(results.timeline) else ():
        row = peak(line)
        if row is not None:
            rows[label] = {name: row[name] for name in MEMORY}
            rows[label]["overhead"] = row.held_bytes / row.requested_bytes if row.requested_bytes else float("nan")
    return rows


def violation_text(value):
    """The member `violation` in a line: null, a text, or an object with the law and what was found."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "none"
    return " ".join(str(part) for part in value.values()) if isinstance(value, dict) else str(value)


def overview(results):
    """One column per allocator: throughput, memory at its peak, failures, checks."""
    head = ["allocator", "layer", "follows", "operations", "throughput, median",
            "time per operation", "of it the replay itself", "held at its peak", "requested then",
            "held / requested", "metadata then", "descriptor bytes per frame", "failures",
            "frees of what had failed", "times checked", "violation"]
    medians = results.throughput.groupby("label").ops_per_second.median() if len(results.throughput) else {}
    memory, rows, marked = peaks(results), [], set()
    for row in results.allocators.itertuples():
        at_peak = memory.get(row.label, {})
        frame_bytes = "–" if pd.isna(row.bytes_per_frame) else units.significant(row.bytes_per_frame)
        rate = medians.get(row.label)
        rows.append([row.label, row.layer, row.follows or "–", units.count_text(row.operations),
                     units.rate_text(rate), units.nanoseconds_text(1e9 / rate if rate else None),
                     units.nanoseconds_text(row.harness_ns), units.bytes_text(at_peak.get("held_bytes")),
                     units.bytes_text(at_peak.get("requested_bytes")), units.ratio_text(at_peak.get("overhead")),
                     units.bytes_text(at_peak.get("metadata_bytes")), frame_bytes, units.count_text(row.failures),
                     units.count_text(row.frees_skipped), units.count_text(row.checks), violation_text(row.violation)])
        marked |= {(len(rows) - 1, column) for column, name in enumerate(head)
                   if name in ("failures", "violation") and rows[-1][column] not in ("0", "none")}
    return turned(Table("The allocators; memory is taken at the moment when each held most", head, rows, marked))


def turned(table):
    """Rows become columns: a few allocators beside each other, the figures below."""
    columns = list(zip(table.head, *table.rows))
    return Table(table.caption, list(columns[0]), [list(column) for column in columns[1:]],
                 {(column - 1, row + 1) for row, column in table.marked}, series=-1, sortable=False)


def latency(results):
    """One row per operation kind and allocator."""
    head = ["operation", "allocator", "operations", "mean", *(name.replace("_", ".") for name in PERCENTILES)]
    data = results.latency
    rows = [latency_row(operation, row) for operation in (data.operation.unique() if len(data) else ())
            for row in data[data.operation == operation].to_dict("records")]
    return Table("Latency of one operation, the cost of the timer subtracted; p99.9: one in a thousand took longer",
                 head, rows, series=1)


def latency_row(operation, row):
    return [operation, row["label"], units.count_text(row["count"]), units.nanoseconds_text(row["mean"]),
            *(units.nanoseconds_text(row[name]) for name in PERCENTILES)]


def path_counts(results):
    """Exact counts behind the bars of the figure of the paths."""
    data = results.paths[results.paths["count"] > 0] if len(results.paths) else results.paths
    rows = [[row["label"], row["direction"].replace("_", " "), row["path"].replace("_", " "), units.count_text(row["count"])]
            for row in data.to_dict("records")]
    return Table("Operations by path, exact counts", ["allocator", "direction", "path", "operations"], rows, series=0)


def pairs(data):
    """Medians of `kmemlab peers`: one row per work, size and allocator."""
    rows = []
    for (work, size, label), group in data.groupby(["work", "size", "label"], sort=False):
        rows.append([f"{work}/{size}", label, str(len(group)), units.nanoseconds_text(group.ns.median()),
                     units.nanoseconds_text(group.ns.min()), units.nanoseconds_text(group.ns.max()),
                     units.ratio_text(group.ratio.median())])
    return Table("Cost of a pair of one allocation and one free",
                 ["work/size", "allocator", "repetitions", "median", "fastest", "slowest", "times the floor"], rows, series=1)


def kernel(data):
    """Works beside the scaled times of a real kernel: one row each."""
    rows = [[row.name, units.nanoseconds_text(row.ns), units.nanoseconds_text(row.scaled_ns), units.ratio_text(row.ratio),
             "met" if row.met else "missed", "" if row.slow_frees != row.slow_frees else units.percent_text(row.slow_frees)]
            for row in data.itertuples()]
    return Table("Works of recorded timings, beside what the real allocator took",
                 ["work/size/allocator", "median", "recorded, scaled", "ratio", "at most 1.00", "slow frees"], rows)


def scale(data):
    """Counts of `kmemlab scale` per 1000 operations: one row per pattern and allocator, on most CPUs."""
    rows = []
    for row in data[data.cpus == data.groupby(["pattern", "label"]).cpus.transform("max")].to_dict("records"):
        rows.append([row["pattern"], row["label"], units.count_text(row["cpus"]),
                     *(units.significant(1000 * row[name] / row["operations"]) for name in SCALE_COUNTS[2:])])
    return Table("Counts per 1000 operations, on the largest number of CPUs",
                 ["pattern", "allocator", "CPUs", *(name.replace("_", " ") for name in SCALE_COUNTS[2:])], rows, series=1)


def programs(data):
    """Medians of `ci/programs`: one row per program and malloc; `data` as the figure's frame gives it."""
    rows = [[row.program, row.label, units.nanoseconds_text(row.ns), ratio_text(row.ns_ratio, row.ns_low, row.ns_high),
             units.nanoseconds_text(row.cpu_ns), units.bytes_text(row.peak_bytes),
             ratio_text(row.peak_bytes_ratio, row.peak_bytes_low, row.peak_bytes_high), units.count_text(row.faults)] for row in data.itertuples()]
    return Table("What programs took, medians; ratios to glibc with 95 % intervals",
                 ["program", "malloc", "elapsed", "times glibc", "processor time", "peak memory", "times glibc", "page faults"], rows, series=1)


def ratio_text(ratio, low, high):
    return units.ratio_text(ratio) + (f" ({units.ratio_text(low)} to {units.ratio_text(high)})" if np.isfinite(high) else "")


def scoreboard(data):
    """The median run of each planted bug: one row per mutant, one column per file and start."""
    columns = list(dict.fromkeys(zip(data.label, data.start)))
    several = data.label.nunique() > 1
    rows, marked = [], set()
    for mutant, group in data.groupby("mutant", sort=True):
        found = {(row["label"], row["start"]): row for row in group.to_dict("records")}
        cells = [found_text(found.get(column)) for column in columns]
        marked |= {(len(rows), 3 + i) for i, cell in enumerate(cells) if cell.startswith("missed")}
        rows.append([mutant, group.what.iloc[0], group.target.iloc[0], *cells])
    return Table("Planted bugs: processor time, inputs and law of the median run, or how far it came; ? marks a law that the mutant does not name",
                 ["mutant", "what", "target", *(f"from {start}" + (f" ({label})" if several else "") for label, start in columns)],
                 rows, marked)


def found_text(run):
    if run is None:
        return "–"
    if np.isnan(run["seconds"]):
        return f"missed, {run['missed']}" if run["missed"] else "missed"
    return (f"{units.nanoseconds_text(run['seconds'] * 1e9)}, {units.count_text(run['executions'])}, "
            f"{run['law']}{'' if run['expected'] else '?'}")


TUNABLE = "tunable "


def flat_context(context):
    """A context with its tunables as members of their own and lists as text."""
    flat = {key: value for key, value in context.items() if key not in ("tunables", "caches")}
    flat.update({f"{TUNABLE}{key}": value for key, value in (context.get("tunables") or {}).items()})
    return {key: "none" if value in ([], "") else ", ".join(f"{part:.3g}" if isinstance(part, float) else str(part) for part in value) if isinstance(value, list) else str(value)
            for key, value in flat.items()}


EXPECTED_TO_DIFFER = {"date", "load_avg", "command", "executable"}


def members(contexts):
    """(member, its value in each context or None, whether those that have it differ where they should not)."""
    contexts = [flat_context(context) for context in contexts]
    for key in dict.fromkeys(key for context in contexts for key in context):
        values = [context.get(key) for context in contexts]
        yield key, values, len(set(values) - {None}) > 1 and key not in EXPECTED_TO_DIFFER


def same_everywhere(sources):
    """(one row per member of the contexts that is the same in all files that have it, the same of the tunables). Without commands, which have a
    section of their own, and the name of the host, which tells nothing to whom the page is for."""
    rows = [[key, next(value for value in values if value is not None)]
            for key, values, _ in members(source.context for source in sources)
            if len(set(values) - {None}) == 1 and key not in ("command", "host_name")]
    where = ", the same in all files" if len(sources) > 1 else ""
    return (Table(f"Where and how it was measured{where}", ["member", "value"], [row for row in rows if not row[0].startswith(TUNABLE)], sortable=False),
            Table(f"Tunables{where}", ["tunable", "value"], [[row[0].removeprefix(TUNABLE), *row[1:]] for row in rows if row[0].startswith(TUNABLE)],
                  sortable=False))


def environment(sources):
    """One row per member of the contexts that differs, one column per file; rows that should not differ are marked."""
    rows, marked = [], set()
    for key, values, differs in members(source.context for source in sources):
        if len(set(values) - {None}) == 1 or key == "command":
            continue
        if differs:
            marked |= {(len(rows), column + 1) for column in range(len(values))}
            key = f"{key} (differs)"
        rows.append([key, *("–" if value is None else value for value in values)])
    return Table("What differs between the files; marked where it should not", ["member", *(source.label for source in sources)], rows, marked,
                 sortable=False)


def traces(results):
    """What was replayed: one row per member of the traces, one column per file."""
    files = results.traces.to_dict("records")
    members = [name for name in results.traces.columns if name not in ("source", "trace")]
    rows = [[name.replace("_", " "), *(member_text(each[name]) for each in files)] for name in members]
    return Table("The trace: events of the kernel, and those which could not be matched",
                 ["member", *(str(each["source"]) for each in files)], rows, sortable=False)


def member_text(value):
    """A count with its thousands, a figure with three digits, a text as it is."""
    if isinstance(value, str):
        return value
    return units.count_text(int(value)) if float(value).is_integer() else f"{value:.3g}"


def at_end(results):
    """By label: {order: unusable share} and {order: fragmentation index} at the last moment."""
    rows = {}
    for label, group in results.orders.groupby("label", sort=False) if len(results.orders) else ():
        last = group[group.operation == group.operation.max()].drop_duplicates("order", keep="last")
        rows[label] = last.set_index("order")[list(PER_ORDER)]
    return rows
