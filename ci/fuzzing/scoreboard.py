"""The scoreboard: which planted bugs the fuzzers find, how fast, and by which law. See ci/scoreboard --help.

    build/scoreboard/snapshot     the tree as it was when the run began
    build/scoreboard/tree-0, ...  a scratch copy for each job (trees.py)
    build/scoreboard/tree-coverage  one without mutants, built for coverage once a run missed (misses.py)
    build/scoreboard/unmutated    programs without a mutant: what they report too is a false alarm
    build/scoreboard/runs         log of the last run of each kind, and the inputs of those that missed
    build/scoreboard/ID.json      what is known of a mutant; runs that are in it are not made again
                                  while patch, tree and (for runs from it) corpus are the same

docs/fuzzing.md describes the files.
"""

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path

from ci.fuzzing import libfuzzer, misses, mutants, trees
from ci.fuzzing.night import write_json

STARTS = ("nothing", "corpus")
QUICK_SECONDS = 30  # the second time by which shares are told


def parse(words):
    top = argparse.ArgumentParser(prog="ci/scoreboard")
    top.add_argument("--mutants", metavar="ID,...", default="")
    top.add_argument("--seeds", type=int, default=5)
    top.add_argument("--seconds", type=float, default=300)
    top.add_argument("--jobs", type=int, default=os.cpu_count())
    top.add_argument("--from", dest="start", choices=(*STARTS, "both"), default="both")
    top.add_argument("--json", metavar="FILE", default="build/scoreboard/scoreboard.json")
    top.add_argument("--all-must-be-detected", metavar="FILE")
    top.add_argument("--stop-after", type=float, metavar="SECONDS", default=math.inf)
    arguments = top.parse_args(words)
    if min(arguments.seeds, arguments.seconds, arguments.jobs) <= 0:
        top.error("--seeds, --seconds and --jobs: expected numbers above 0")
    return arguments


class Board:
    """All mutants that are asked for, and what is known of each; jobs take them one after the other."""

    def __init__(self, root, work, arguments):
        self.work, self.arguments = work, arguments
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.coverage_lock, self.coverage_tree = threading.Lock(), None
        self.snapshot = work / "snapshot"
        trees.copy(root, trees.tracked(root), self.snapshot)
        self.tree = trees.tree_hash(self.snapshot)
        self.starts = STARTS if arguments.start == "both" else (arguments.start,)
        self.mutants = self._asked()
        # Neighbours change the same file: one compilation undoes the last mutant and plants the next. Those after whom
        # everything is compiled come last.
        self.pending = sorted(self.mutants, key=lambda mutant: (mutant.changes_base, mutant.target, mutant.files, mutant.id))
        self.records, self.broken = {}, False

    def _asked(self):
        there = mutants.read_all(self.snapshot / "fuzz/mutants")
        wanted = [name for name in self.arguments.mutants.split(",") if name]
        unknown = set(wanted) - {mutant.id for mutant in there}
        if unknown:
            raise mutants.BadMutant(f"no mutant {min(unknown)} in fuzz/mutants")
        return [mutant for mutant in there if not wanted or mutant.id in wanted]

    # --- What is known ---

    def corpus(self, target):
        folder = self.snapshot / "fuzz/corpus" / target
        return folder if folder.is_dir() and any(folder.iterdir()) else None

    def corpus_hash(self, target):
        folder = self.corpus(target)
        return trees.hash_of((path.name, path) for path in sorted(folder.iterdir())) if folder else ""

    def record_of(self, mutant):
        """From the last time, as far as it still holds, or new."""
        patch = trees.hash_of([(mutant.id, mutant.path)])
        head = {"id": mutant.id, "what": mutant.what, "source": mutant.source, "laws": list(mutant.laws),
                "target": mutant.target, "patch": patch, "tree": self.tree}
        path = self.work / f"{mutant.id}.json"
        old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if any(old.get(key) != head[key] for key in ("patch", "tree", "target")):
            return {**head, "applied": None, "built": None, "error": "", "runs": []}
        corpus = self.corpus_hash(mutant.target)
        return {**old, **head, "runs": [run for run in old["runs"] if run["start"] == "nothing" or run["corpus"] == corpus]}

    def missing(self, mutant, record):
        """(start, seed) of the runs that are not known for as long as asked."""
        if record["applied"] is False or record["built"] is False:
            return []
        known = {(run["start"], run["seed"]) for run in record["runs"]
                 if not run["failed"] and (run["detected"] or run["budget"] >= self.arguments.seconds)}
        return [(start, seed) for start in self.starts if start == "nothing" or self.corpus(mutant.target)
                for seed in range(1, self.arguments.seeds + 1) if (start, seed) not in known]

    def left(self):
        """How many mutants are not done."""
        return sum(mutant.id not in self.records or bool(self.missing(mutant, self.records[mutant.id])) for mutant in self.mutants)

    def save(self, record):
        write_json(self.work / f"{record['id']}.json", record)

    # --- Work ---

    def next_mutant(self):
        with self.lock:
            return self.pending.pop(0) if self.pending and not self.stop.is_set() else None

    def work_through(self, job):
        """What one job does: ends when nothing is left or it is interrupted."""
        tree = None
        try:
            while (mutant := self.next_mutant()) is not None:
                record = self.records[mutant.id] = self.record_of(mutant)
                if self.missing(mutant, record):
                    tree = tree or self._tree(job)
                    self._try(tree, mutant, record)
                self._say(record)
        except trees.Interrupted:
            pass
        except Exception:  # whatever it is, the other jobs must end too
            traceback.print_exc()
            self.broken = True
            self.stop.set()

    def _tree(self, name, **preset):
        compilers = max(1, (os.cpu_count() or 1) // self.arguments.jobs)
        tree = trees.Tree(self.snapshot, self.work / f"tree-{name}", compilers, self.stop, **preset)
        if said := tree.configure():
            raise RuntimeError(said)
        return tree

    def _unmutated(self, tree, target):
        """The target's program without a mutant, or None if it does not build."""
        program = self.work / "unmutated" / self.tree / target
        if not program.is_file():
            if said := tree.build(target):
                print(f"{target} does not build without a mutant:\n{said}", file=sys.stderr)
                return None
            for old in (self.work / "unmutated").glob("*"):
                if old.name != self.tree:
                    shutil.rmtree(old, ignore_errors=True)
            program.parent.mkdir(parents=True, exist_ok=True)
            temporary = program.with_name(f".{target}.{threading.get_ident()}")
            shutil.copy2(tree.program(target), temporary)
            temporary.replace(program)
        return program

    def _measured(self, target):
        """The target's program without a mutant, built for coverage."""
        with self.coverage_lock:
            self.coverage_tree = self.coverage_tree or self._tree("coverage", preset="scoreboard-coverage")
            if said := self.coverage_tree.build(target):
                raise RuntimeError(said)
            return self.coverage_tree.program(target)

    def _try(self, tree, mutant, record):
        """Builds the mutant and makes the runs that are missing."""
        unmutated = self._unmutated(tree, mutant.target)
        if unmutated is None:
            record.update(built=False, error=f"the target {mutant.target} does not build without it")
            return
        try:
            record["applied"] = tree.plant(mutant)
            if not record["applied"]:
                record["error"] = "the patch does not apply"
                return
            record["error"] = tree.build(mutant.target)
            record["built"] = not record["error"]
            for start, seed in self.missing(mutant, record):
                run = self._run(tree, unmutated, mutant, start, seed)
                record["runs"] = [old for old in record["runs"] if (old["start"], old["seed"]) != (start, seed)] + [run]
                self.save(record)
        finally:
            tree.restore(mutant)
        self.save(record)

    def _run(self, tree, unmutated, mutant, start, seed):
        program = tree.program(mutant.target)
        folder = self.work / "runs" / f"{mutant.id}-{start}-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folders = [folder / "new", *([self.corpus(mutant.target)] if start == "corpus" else [])]
        folders[0].mkdir(parents=True)
        # Nobody else adds inputs, so the folder need not be read again.
        arguments = [*libfuzzer.options(self.snapshot), f"-seed={seed}", "-reload=0", *map(str, folders)]
        run = libfuzzer.run(program, arguments, folder, self.arguments.seconds, self.stop.is_set)
        if self.stop.is_set() and not run.found:
            raise trees.Interrupted
        # libFuzzer's limit is of wall time: on a busy machine an input may be late without being slow.
        late = run.artifact is not None and run.artifact.name.startswith("timeout-") and self._passes(program, run, folder / "again")
        false_alarm = run.found and not late and not self._passes(unmutated, run, folder / "unmutated")
        detected = run.found and not false_alarm and not late
        reached, triggered = (True, True) if detected else (None, None)
        if run.found:
            shutil.rmtree(folders[0])
        elif not run.failed:
            inputs = [path for where in folders for path in sorted(where.iterdir())]
            reached, triggered = self._how_far(tree, unmutated, mutant, inputs, folder)
        return {"start": start, "seed": seed, "budget": self.arguments.seconds,
                "corpus": self.corpus_hash(mutant.target) if start == "corpus" else "",
                "reached": reached, "triggered": triggered, "detected": detected, "false_alarm": false_alarm, "failed": run.failed or late,
                "law": run.law, "expected": run.law in mutant.laws, "what": run.what,
                "seconds": round(run.seconds, 3), "wall_seconds": round(run.wall_seconds, 3), "executions": run.executions}

    def _how_far(self, tree, unmutated, mutant, inputs, folder):
        """(reached, triggered) of the inputs of a run that missed; the mutant is planted in the tree."""
        if not inputs:
            return None, None
        options, stop = libfuzzer.options(self.snapshot), self.stop.is_set
        triggered = misses.is_triggered(tree.program(mutant.target), unmutated, inputs, folder, options, stop)
        reached = True
        if not triggered:
            measured = self._measured(mutant.target)
            places = {(self.coverage_tree.folder / name).resolve(): misses.changes(*(
                (top / name).read_text(encoding="utf-8").splitlines() if (top / name).is_file() else []
                for top in (self.snapshot, tree.folder))) for name in mutant.files}
            reached = misses.is_reached(measured, inputs, places, folder / "coverage", options, stop)
        if self.stop.is_set():
            raise trees.Interrupted
        return reached, triggered if reached is not False else False

    def _passes(self, program, run, folder):
        """Whether the program runs the input of that run without a complaint."""
        return libfuzzer.run(program, [*libfuzzer.options(self.snapshot), str(run.artifact)], folder, 60).status == 0

    # --- What is told ---

    def _say(self, record):
        with self.lock:
            print(line_of(record, self.arguments.seconds), flush=True)

    def document(self):
        """The result file."""
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
        return {"context": {"commit": commit.stdout.strip(), "tree": self.tree, "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                            "num_cpus": os.cpu_count(), "command": " ".join(["ci/scoreboard", *sys.argv[1:]])},
                "scoreboard": {"version": 1, "seeds": self.arguments.seeds, "seconds": self.arguments.seconds,
                               "starts": list(self.starts),
                               "mutants": [with_medians(self.records[mutant.id], self.arguments.seconds)
                                           for mutant in self.mutants if mutant.id in self.records]}}


HOW_FAR = ("triggered", "reached", "not reached", "unknown")


def how_far(runs):
    """How far that one of runs that missed came which came furthest."""
    def word(run):
        if run["triggered"]:
            return "triggered"
        return {True: "reached", False: "not reached", None: "unknown"}[run["reached"]]
    return min(map(word, runs), key=HOW_FAR.index)


def median_of(record, start, seconds):
    """{seconds, executions, law, runs} of the median run: seconds and executions are None where it did not detect, and
    `missed` tells how far those came that did not."""
    runs = [run for run in record["runs"] if run["start"] == start]
    if not runs:
        return None
    detected = [run for run in runs if run["detected"] and run["seconds"] <= seconds]
    times = [run["seconds"] if run in detected else math.inf for run in runs]
    counts = [run["executions"] if run in detected else math.inf for run in runs]
    # The lower of two middle values would flatter: a bug that one of two seeds misses is missed.
    time_, count = statistics.median_high(times), statistics.median_high(counts)
    laws = [run["law"] for run in detected]
    missed = "" if time_ < math.inf else how_far(run for run in runs if run not in detected)
    return {"seconds": None if time_ == math.inf else time_, "executions": None if count == math.inf else count,
            "missed": missed, "law": statistics.mode(laws) if laws else "", "expected": any(run["expected"] for run in detected),
            "detected": len(detected), "runs": len(runs)}


def with_medians(record, seconds):
    return {**record, "median": {start: median for start in STARTS if (median := median_of(record, start, seconds))}}


def start_text(median):
    if median is None:
        return f"{'-':>28}"
    if median["seconds"] is None:
        when = f"missed, {median['missed']}"
    else:
        when = f"{median['seconds']:.1f} s{median['executions']:>12,}"
    doubt = "?" if median["law"] and not median["expected"] else ""
    return f"{when:>21}  {median['detected']}/{median['runs']:<2} {median['law'] or '-'}{doubt}"


HEAD = f"{'mutant':8}{'target':18}{'from nothing: median, runs, found, law':38}  from the corpus\n"


def line_of(record, seconds):
    """One line of the table; a law that the mutant's head does not name has a question mark."""
    beginning = f"{record['id']:8}{record['target']:18}"
    if record["error"]:
        return beginning + record["error"].strip().splitlines()[0]
    return (beginning + "".join(f"{start_text(median_of(record, start, seconds)):40}" for start in STARTS)).rstrip()


def summary_of(document):
    """Lines about each start: shares detected, and who was missed."""
    board = document["scoreboard"]
    for start in board["starts"]:
        medians = {mutant["id"]: mutant["median"][start] for mutant in board["mutants"] if start in mutant["median"]}
        if not medians:
            yield f"from {start}: nothing was run"
            continue
        times = [median["seconds"] for median in medians.values() if median["seconds"] is not None]
        quick = sum(time_ <= QUICK_SECONDS for time_ in times)
        yield (f"from {start}: {len(times)} of {len(medians)} detected ({len(times) / len(medians):.1%}) within {board['seconds']:g} s "
               f"of processor time, {quick} ({quick / len(medians):.1%}) within {QUICK_SECONDS} s, medians of {board['seeds']} seeds")
        for far in HOW_FAR:
            if missed := [name for name, median in medians.items() if median["missed"] == far]:
                yield f"  missed, {far}: {' '.join(missed)}"


def allowed_misses(path):
    """IDs, one a line, each with its reason behind #."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return {line.partition("#")[0].strip() for line in lines} - {""}


def faults_of(document, allowed):
    """One line for each reason to end with status 1; `allowed` None: misses are none."""
    for mutant in document["scoreboard"]["mutants"]:
        name = mutant["id"]
        if mutant["applied"] is False or mutant["built"] is False:
            yield f"{name}: {mutant['error'].strip().splitlines()[0]}"
        for run in mutant["runs"]:
            if run["false_alarm"]:
                yield f"{name}: false alarm with seed {run['seed']} from {run['start']}: {run['law']}: {run['what']}"
            if run["failed"]:
                yield f"{name}: no verdict with seed {run['seed']} from {run['start']}: the program ended without an input that shows why"
        for start, median in mutant["median"].items():
            if allowed is not None and median["seconds"] is None and name not in allowed:
                yield f"{name}: missed from {start}"


def main(words=None, root=Path("."), work=Path("build/scoreboard")):
    arguments = parse(words)
    try:
        allowed = None if arguments.all_must_be_detected is None else allowed_misses(arguments.all_must_be_detected)
        board = Board(root, work, arguments)
    except (mutants.BadMutant, OSError) as error:
        print(f"scoreboard: {error}", file=sys.stderr)
        return 2
    interrupted = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (interrupted.append(1), board.stop.set()))
    print(HEAD, end="", flush=True)
    jobs = [threading.Thread(target=board.work_through, args=(job,)) for job in range(min(arguments.jobs, len(board.pending)))]
    for job in jobs:
        job.start()
    end = time.monotonic() + arguments.stop_after
    for job in jobs:
        while job.is_alive():
            job.join(0.2)
            if time.monotonic() > end:
                board.stop.set()
    document = board.document()
    write_json(Path(arguments.json), document)
    print("\n".join(summary_of(document)))
    if left := board.left():
        print(f"{left} mutants are left; the same command goes on with them")
    faults = list(faults_of(document, allowed))
    print("\n".join(faults), end="\n" if faults else "", file=sys.stderr)
    return 130 if interrupted else 1 if faults or board.broken else 0


if __name__ == "__main__":
    sys.exit(main())
