"""Real programs on several mallocs. See ci/programs --help.

Each repetition of a program runs it on each malloc once, and each begins with another one, so that what disturbs the
machine disturbs all alike. A first run on the C library's malloc is not counted: what it prints is what all must print.
"""

import argparse
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.programs import mallocs
from bench.programs.measure import run as run_program
from bench.programs.works import ROOT, WORKS

LIBRARY = ROOT / "build/release/allocators/preload/libkmemlab_malloc.so"
SLOWER_BY = 60  # times what the C library's malloc took, and LEAST_SECONDS: then a program hangs
LEAST_SECONDS = 60


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def chosen(text, known, what):
    names = list(dict.fromkeys(filter(None, text.split(","))))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"no {what} {unknown[0] if unknown else 'given'}; there are {', '.join(known)}")
    return names


def preloadable(name):
    """As the dynamic linker takes a library: what has a slash is a file, and programs run in other folders; else it is searched."""
    return os.path.abspath(name) if os.path.dirname(name) else name


def parse(words, works):
    top = Parser(prog="ci/programs", add_help=False)
    top.add_argument("--repetitions", type=int)
    top.add_argument("--allocators", default=",".join(mallocs.DEFAULT))
    top.add_argument("--programs", default=",".join(work.name for work in works))
    top.add_argument("--quick", action="store_true")
    top.add_argument("--list", action="store_true")
    top.add_argument("--json", type=Path)
    top.add_argument("--library", type=preloadable, default=LIBRARY)
    arguments = top.parse_args(words)
    if arguments.repetitions is None:
        arguments.repetitions = 2 if arguments.quick else 5
    if arguments.repetitions < 1:
        top.error("--repetitions: expected a number above 0")
    try:
        names = chosen(arguments.allocators, mallocs.KNOWN, "allocator")
        programs = chosen(arguments.programs, [work.name for work in works], "program")
    except ValueError as error:
        top.error(str(error))
    arguments.allocators = [mallocs.REFERENCE, *(name for name in names if name != mallocs.REFERENCE)]
    arguments.programs = [work for work in works if work.name in programs]
    return arguments


def progress(text):
    print(f"== {text}", file=sys.stderr, flush=True)


def least_peak(scratch):
    """The peak of a program that does nothing: what it has from us, who started it. Smaller ones are not seen."""
    return run_program(["true"], scratch, None, LEAST_SECONDS).peak_bytes


def measure(work, those, repetitions, scratch):
    """({malloc: [Run]} of those that always did right, [fault])"""
    folder = Path(scratch) / work.name
    folder.mkdir()
    work.prepare(folder)
    progress(f"{work.name}: first run")
    first = work.run(folder, those[0].environment(), 3600)
    if first.fault:
        return {}, [f"{work.name} on {those[0].name}: {first.fault}"]
    limit = SLOWER_BY * first.seconds + LEAST_SECONDS
    runs, faults, failed = {malloc.name: [] for malloc in those}, [], set()
    for repetition in range(repetitions):
        progress(f"{work.name}: repetition {repetition + 1} of {repetitions}")
        turn = repetition % len(those)
        for malloc in those[turn:] + those[:turn]:
            if malloc.name in failed:
                continue
            run = work.run(folder, malloc.environment(), limit)
            if not run.fault and run.output != first.output:
                run.fault = f"other output than on {those[0].name}: {difference(first.output, run.output)}"
            if run.fault:
                failed.add(malloc.name)
                faults.append(f"{work.name} on {malloc.name}: {run.fault}")
                progress(faults[-1])
            runs[malloc.name].append(run)
    shutil.rmtree(folder)
    return {name: each for name, each in runs.items() if name not in failed}, faults


def difference(expected, found):
    """The first line that differs."""
    lines = [text.decode(errors="replace").split("\n") for text in (expected, found)]
    for number in range(max(map(len, lines))):
        a, b = (repr(each[number][:60]) if number < len(each) else "nothing" for each in lines)
        if a != b:
            return f"line {number + 1} is {b}, not {a}"
    return "bytes that are no text"


# --- The result file ---

def rows_of(work, runs):
    rows = []
    for malloc, each in runs.items():
        name = "/".join(("programs", work, malloc))
        for index, run in enumerate(each):
            rows.append({"name": name, "run_name": name, "run_type": "iteration",
                         "repetitions": len(each), "repetition_index": index, "threads": 1, "iterations": 1,
                         "real_time": run.seconds * 1e9, "cpu_time": run.cpu_seconds * 1e9, "time_unit": "ns",
                         "peak_bytes": run.peak_bytes, "minor_faults": run.minor_faults, "major_faults": run.major_faults,
                         **({} if run.final_bytes is None else {"final_bytes": run.final_bytes})})
    return rows


def cpu_name():
    try:
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}).stdout
    except OSError:
        lines = ""
    found = (line.partition(":")[2].strip() for line in lines.splitlines() if line.startswith("Model name:"))
    return next(found, platform.machine())


def context(words):
    return {"date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "host_name": platform.node(), "executable": "ci/programs",
            "num_cpus": os.cpu_count(), "load_avg": list(os.getloadavg()), "command": " ".join(["ci/programs", *words]),
            "cpu": cpu_name(), "kernel": platform.release(), "checks": []}


def write_json(path, document):
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


# --- The table ---

def interval_text(interval):
    if not math.isfinite(interval.high):
        return f"{interval.estimate:.2f}"
    return f"{interval.estimate:.2f} [{interval.low:.2f} {interval.high:.2f}]"


def table_of(measured):
    """Lines of text; of each figure but faults and final memory the ratio to the C library's malloc with its 95 % interval."""
    from plots import intervals  # not before all programs have ended: it makes this process large
    lines = [f"{'program':14}{'malloc':14}{'elapsed s':>10}  {'ratio':18}{'CPU ratio':18}{'peak MiB':>9}  {'ratio':18}{'faults':>9}{'final MiB':>10}"]
    for work, runs in measured.items():
        figures = {name: {key: [getattr(run, key) for run in each] for key in ("seconds", "cpu_seconds", "peak_bytes")} for name, each in runs.items()}
        base = figures.get(mallocs.REFERENCE)
        for name, each in runs.items():
            mine = figures[name]
            if base is None or name == mallocs.REFERENCE:
                ratios = ["1" if base else "-"] * 3
            else:
                ratios = [interval_text(intervals.comparison(mine[key], base[key], True)) for key in mine]
            final = [run.final_bytes for run in each if run.final_bytes is not None]
            lines.append(f"{work:14}{name:14}{statistics.median(mine['seconds']):10.2f}  {ratios[0]:18}{ratios[1]:18}"
                         f"{statistics.median(mine['peak_bytes']) / 2**20:9.1f}  {ratios[2]:18}"
                         f"{statistics.median(run.minor_faults + run.major_faults for run in each):9.0f}"
                         + (f"{statistics.median(final) / 2**20:10.1f}" if final else "").rstrip())
    return lines


def list_all(arguments, those):
    for work in arguments.programs:
        absent = work(arguments.quick).absent()
        print(f"{work.name:14} {work.what}" + (f" (skipped: {absent})" if absent else ""))
    for malloc in those:
        print(f"{malloc.name:14} {malloc.file}" + (f" (skipped: {malloc.absent})" if malloc.absent else ""))


def main(words=None, works=WORKS):
    words = sys.argv[1:] if words is None else words
    arguments = parse(words, works)
    found = [mallocs.find(name, arguments.library) for name in arguments.allocators]
    if arguments.list:
        list_all(arguments, found)
        return 0
    those = [malloc for malloc in found if not malloc.absent]
    if not those or those[0].name != mallocs.REFERENCE:
        print(f"ci/programs: {mallocs.REFERENCE}, which all are compared with, cannot be used: {found[0].absent}", file=sys.stderr)
        return 2
    skipped = [f"{malloc.name} was not measured: {malloc.absent}" for malloc in found if malloc.absent]
    measured, faults, programs, status = {}, [], [], 0
    with tempfile.TemporaryDirectory(prefix="programs-") as scratch:
        for kind in arguments.programs:
            work = kind(arguments.quick)
            absent = work.absent()
            programs.append({"name": work.name, "what": work.what, "absent": absent or None})
            if absent:
                skipped.append(f"{work.name} was not run: {absent}")
                continue
            try:
                measured[work.name], wrong = measure(work, those, arguments.repetitions, scratch)
            except KeyboardInterrupt:
                progress(f"interrupted; {work.name} is left out, and what comes after it")
                status = 130
                break
            faults += wrong
        least = least_peak(scratch)
    if arguments.json:
        write_json(arguments.json, {
            "context": context(words), "benchmarks": [row for work, runs in measured.items() for row in rows_of(work, runs)],
            "programs": {"allocators": [{"name": malloc.name, "file": malloc.file, "absent": malloc.absent or None} for malloc in found],
                         "programs": programs, "faults": faults, "least_peak_bytes": least}})
    print("\n".join(table_of(measured)))
    if any(run.peak_bytes <= least * 1.02 for runs in measured.values() for each in runs.values() for run in each):
        print(f"peaks below {least / 2**20:.1f} MiB, that of a program that does nothing, cannot be seen")
    for line in skipped + faults:
        print(line)
    return status or (1 if faults else 0)


if __name__ == "__main__":
    sys.exit(main())
