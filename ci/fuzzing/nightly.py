"""A night of fuzzing. See ci/nightly --help.

    build/nightly/state.json       what is done (night.py); last.json: the night before
    build/nightly/corpus/NAME      inputs of each target, merged and minimised at the end
    build/nightly/found            inputs that break something
    build/nightly/log              output of each step
    build/nightly/report.html      the page
"""

import argparse
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

from ci.fuzzing import coverage, libfuzzer, mutants, page
from ci.fuzzing.night import Night, call, cpu_of_children, read_json

FUZZED = 0.6  # the share of the time that is fuzzed; the scoreboard has the rest
SWEEP_SHARE = 0.1  # of the whole time, at most, beside
STORM_SHARE = 1 / 48  # likewise: ten minutes of eight hours
LEAST_SWEEP_SECONDS = 10
STORMED = ("slub-sheaves", "slub", "slab", "slob", "buddy", "vmalloc")  # values of KMEMLAB_ALLOCATOR
STORM_THREADS = 24
STORM_ROUNDS = 20  # of one run of the program
STORM_HANGS = 600  # seconds after which a run has hung: it takes a few
FORK_LINE = re.compile(r"^#(\d+): cov: (\d+) ft: (\d+) corp: (\d+) exec/s:? (\d+)", re.M)
REPLAYS = ("asan-ubsan", "tsan", "coverage")  # the builds on which the merged corpus is run again
SANITIZED = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def parse(words):
    top = argparse.ArgumentParser(prog="ci/nightly")
    top.add_argument("--hours", type=float, default=8)
    top.add_argument("--jobs", type=int, default=os.cpu_count())
    top.add_argument("--targets", default="", metavar="NAME,...")
    top.add_argument("--scoreboard", default="", metavar="WORDS", type=shlex.split)
    top.add_argument("--adopt", action="store_true")
    arguments = top.parse_args(words)
    if min(arguments.hours, arguments.jobs) <= 0:
        top.error("--hours and --jobs: expected numbers above 0")
    unknown = set(filter(None, arguments.targets.split(","))) - mutants.known_targets(Path("."))
    if unknown:
        top.error(f"no fuzz target {min(unknown)}")
    return arguments


def kmemlab(build):
    return Path("build") / build / "bench/cli/kmemlab"


def files_in(folder):
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def outcome_of(status, log, good=(0,)):
    """{} or the fault of a step that ended with this status; its last line of output tells most."""
    if status in good:
        return {}
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return {"fault": f"status {status}: {lines[-1][:200] if lines else 'no output'}; all of it: {log}"}


class Steps:
    """The work of each step; each gives its outcome (night.py)."""

    def __init__(self, folder, jobs, seconds, seed):
        self.folder, self.jobs, self.seconds, self.seed = folder, jobs, seconds, seed

    def log(self, name):
        return self.folder / "log" / f"{name.replace('/', '-')}.log"

    def program(self, target):
        return Path(f"build/fuzz/fuzz/fuzz_{target}")

    def corpus(self, target):
        return self.folder / "corpus" / target

    # --- Building ---

    def build(self, preset, *targets):
        log = self.log(f"build-{preset}")
        for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "-j", self.jobs, "--target", *targets]):
            if found := outcome_of(call(command, log), log):
                return found
        return {}

    # --- Fuzzing ---

    def fuzz(self, target, seconds):
        """In fork mode; ends with the first input that breaks something."""
        corpus, found, log = self.corpus(target), self.folder / "found", self.log(f"fuzz-{target}")
        counts = self.folder / "counts" / target
        counts.parent.mkdir(parents=True, exist_ok=True)
        counts.unlink(missing_ok=True)
        for folder in (corpus, found):
            folder.mkdir(parents=True, exist_ok=True)
        before = {path.name for path in found.iterdir()}
        seed = zlib.crc32(f"{self.seed} {target}".encode()) or 1
        kept = Path("fuzz/corpus") / target
        begin = cpu_of_children()
        status = call([self.program(target), f"-fork={self.jobs}", "-ignore_crashes=0", "-ignore_timeouts=0", "-ignore_ooms=0",
                       f"-max_total_time={max(1, int(seconds))}", f"-seed={seed}", *libfuzzer.options(),
                       f"-artifact_prefix={found}/{target}-", corpus, *([kept] if kept.is_dir() else [])], log, seconds * 2 + 300, {**SANITIZED, "KMEMLAB_FUZZ_COUNTS": str(counts)})
        text = log.read_text(errors="replace")
        new = [path for path in files_in(found) if path.name not in before and path.name.startswith(f"{target}-")
               and "slow-unit" not in path.name]
        outcome = {"seed": seed, "operations_per_input": operations_per_input(counts), **fork_numbers(text, cpu_of_children() - begin)}
        if new:
            law, what = libfuzzer.judge(text)
            return {**outcome, "law": law, "what": what, "inputs": [str(path) for path in new], "fault": f"{law}: {what}; {new[0]}"}
        return {**outcome, **outcome_of(status, log)}

    def merge(self, target):
        """The least set of inputs with the same coverage; what is not in fuzz/corpus counts as new."""
        corpus, log = self.corpus(target), self.log(f"merge-{target}")
        small = self.folder / "minimised" / target
        shutil.rmtree(small, ignore_errors=True)
        small.mkdir(parents=True)
        kept = Path("fuzz/corpus") / target
        sources = [folder for folder in (kept, corpus) if files_in(folder)]
        if not sources:
            return {"before": 0, "after": 0, "new": 0}
        status = call([self.program(target), "-merge=1", *libfuzzer.options(), small, *sources], log, environment=SANITIZED)
        if found := outcome_of(status, log):
            return found
        known = {path.read_bytes() for path in files_in(kept)}
        after = files_in(small)
        before = sum(len(files_in(folder)) for folder in sources)
        shutil.rmtree(corpus, ignore_errors=True)
        small.rename(corpus)
        return {"before": before, "after": len(after), "new": sum(path.read_bytes() not in known for path in files_in(corpus))}

    # --- Replay ---

    def replay(self, target, build):
        """All of the corpus, by `kmemlab fuzz run` of a build."""
        log, corpus = self.log(f"replay-{build}-{target}"), self.corpus(target)
        inputs = files_in(corpus)
        if not inputs:
            return {"inputs": 0}
        profile = {"LLVM_PROFILE_FILE": str(self.profile(target))} if build == "coverage" else {}
        threads = ["--threads"] if build == "tsan" else []  # one alone cannot race
        status = call([kmemlab(build), "fuzz", "run", *threads, "--target", target, corpus], log, environment={**SANITIZED, **profile})
        return {"inputs": len(inputs), **outcome_of(status, log)}

    def profile(self, target):
        return self.folder / "profiles" / f"{target}.profraw"

    def coverage(self, targets):
        profiles = [path for path in map(self.profile, targets) if path.is_file()]
        if not profiles:
            return {"fault": "no profile was written"}
        try:
            return coverage.summary(coverage.measure(kmemlab("coverage"), profiles, Path.cwd(), self.folder))
        except subprocess.CalledProcessError as error:
            return {"fault": f"{error.cmd[0]}: {' '.join(error.stderr.split())[:200]}"}

    def sweep(self, target, seconds):
        """Each program of the corpus with each of its requests for pages refused, as far as the time goes."""
        log, corpus = self.log(f"sweep-{target}"), self.corpus(target)
        if not files_in(corpus):
            return {"said": "no inputs"}
        status = call([kmemlab("asan-ubsan"), "fuzz", "sweep", "--target", target, corpus], log, seconds, SANITIZED)
        if status is None:
            return {"said": f"cut after {seconds:.0f} s"}
        said = (log.read_text(errors="replace").splitlines() or [""])[-1]
        if said.endswith("takes bytes, not programs"):
            return {"said": "takes bytes, which request no pages"}
        return {"said": said, **outcome_of(status, log)}

    # --- The drop-in malloc ---

    storm_program = Path("build/release/tests/preload/storm")
    malloc_library = Path("build/release/allocators/preload/libkmemlab_malloc.so")

    def storm(self, allocator, seconds):
        """Threads that check the content of what they allocate, by LD_PRELOAD, with and without forks in turns; each run begins
        where the last one ended. Ends with the first that fails."""
        log = self.log(f"storm-{allocator}")
        environment = {"LD_PRELOAD": str(self.malloc_library.resolve()), "KMEMLAB_ALLOCATOR": allocator}
        first = zlib.crc32(f"{self.seed} storm {allocator}".encode())
        end, runs = time.monotonic() + seconds, 0
        while runs == 0 or time.monotonic() < end:
            words = [STORM_THREADS, STORM_ROUNDS, *(["fork"] if runs % 2 else []), first + runs * STORM_ROUNDS]
            status = call([self.storm_program, *words], log, STORM_HANGS, environment)
            if status != 0:
                how = {"fault": f"hung for {STORM_HANGS} s; {log}"} if status is None else outcome_of(status, log)
                command = f"KMEMLAB_ALLOCATOR={allocator} storm {' '.join(map(str, words))}"
                return {"runs": runs, "fault": f"{command}: {how['fault']}"}
            runs += 1
        return {"runs": runs, "said": f"{runs:,} runs of {STORM_THREADS} threads"}

    # --- Scoreboard ---

    def scoreboard(self, seconds, words):
        file, log = self.folder / "scoreboard.json", self.log("scoreboard")
        if file.is_file():
            file.replace(self.folder / "last-scoreboard.json")
        status = call(["ci/scoreboard", "--jobs", self.jobs, "--json", file, "--stop-after", int(seconds), *words], log)
        document = read_json(file)
        return {"mutants": len(document["scoreboard"]["mutants"]) if document else 0, **outcome_of(status, log)}


def fork_numbers(text, seconds):
    """Executions, those per second of processor time, edges and features covered: by the last line of a fork run."""
    lines = FORK_LINE.findall(text)
    if not lines:
        return {"executions": 0, "per_second": 0, "coverage": 0, "features": 0}
    executions, edges, features, _, _ = map(int, lines[-1])
    return {"executions": executions, "per_second": round(executions / max(seconds, 1e-9)), "coverage": edges, "features": features}


def operations_per_input(counts):
    """By the lines `INPUTS OPERATIONS` of the processes that came to their end; None if there is none, or nothing is counted:
    bytes have no operations."""
    lines = [list(map(int, line.split())) for line in counts.read_text().splitlines()] if counts.is_file() else []
    inputs, operations = map(sum, zip(*lines)) if lines else (0, 0)
    return round(operations / inputs, 2) if operations else None


def go(night, steps, targets, scoreboard_words):
    seconds = steps.seconds
    programs_of = {"fuzz": [f"fuzz_{target}" for target in targets], **dict.fromkeys(REPLAYS, ["kmemlab_cli"]), "release": ["kmemlab_malloc", "storm"]}
    for preset, programs in programs_of.items():
        if "fault" in night.step(f"build/{preset}", lambda p=preset, t=programs: steps.build(p, *t)):
            return
    for target in targets:
        night.step(f"fuzz/{target}", lambda t=target: steps.fuzz(t, seconds * FUZZED / len(targets)))
    for target in targets:
        night.step(f"merge/{target}", lambda t=target: steps.merge(t))
    for build in REPLAYS:
        for target in targets:
            night.step(f"replay-{build}/{target}", lambda t=target, b=build: steps.replay(t, b))
    night.step("coverage/all", lambda: steps.coverage(targets))
    least = max(LEAST_SWEEP_SECONDS, seconds * SWEEP_SHARE / len(targets))
    for target in targets:
        night.step(f"sweep/{target}", lambda t=target: steps.sweep(t, least))
    for allocator in STORMED:
        night.step(f"storm/{allocator}", lambda a=allocator: steps.storm(a, seconds * STORM_SHARE / len(STORMED)))
    night.step("scoreboard/all", lambda: steps.scoreboard(seconds * (1 - FUZZED), scoreboard_words))
    night.finish()


def adopt(steps, targets):
    """fuzz/corpus becomes what was minimised."""
    for target in targets:
        kept = Path("fuzz/corpus") / target
        if files_in(steps.corpus(target)):
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(steps.corpus(target), kept)


def main(words=None):
    arguments = parse(words)
    folder = Path("build/nightly")
    chosen = {"hours": arguments.hours, "jobs": arguments.jobs, "targets": arguments.targets, "scoreboard": arguments.scoreboard}
    night = Night(folder, chosen)
    targets = sorted(set(filter(None, arguments.targets.split(","))) or mutants.known_targets(Path(".")))
    steps = Steps(folder, arguments.jobs, arguments.hours * 3600, night.state["begin"])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        go(night, steps, targets, arguments.scoreboard)
    except KeyboardInterrupt:
        print("nightly: interrupted; the same command goes on", file=sys.stderr)
        return 130
    page.write(folder / "report.html", night, read_json(folder / "scoreboard.json"), read_json(folder / "last-scoreboard.json"))
    print(f"== report: {folder / 'report.html'}")
    if arguments.adopt:
        adopt(steps, targets)
    for fault in night.faults():
        print(fault, file=sys.stderr)
    return 1 if night.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
