"""ci/nightly: steps that are done are not done again, numbers are read right, and the page tells all of it."""

import contextlib
import io
import json
import re
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

from ci.fuzzing import coverage, nightly, page
from ci.fuzzing.night import Night, call

SCOREBOARD = Path("tests/plots/sample/scoreboard.json")
LCOV = """SF:/r/allocators/a.hpp
DA:3,0
DA:4,7
DA:5,0
DA:6,0
DA:3,1
end_of_record
SF:/r/bench/b.hpp
DA:1,0
end_of_record
"""
FILE = "/r/allocators/a.hpp"
EXPORT = {"data": [{"files": [{"filename": FILE, "branches": [
    [4, 1, 4, 9, 7, 0, 0, 0, 4], [4, 1, 4, 9, 0, 0, 0, 0, 4],  # two instances, one of them never run
    [5, 1, 5, 9, 0, 0, 0, 0, 4]]}]}]}
SOURCE = ["", "", "", "    if (x) y();", "    if constexpr (z) y();", ""]


def covered():
    return {"allocators/a.hpp": coverage.FileCoverage(coverage.lines_of(LCOV)[FILE],
                                                      coverage.branches_of(EXPORT, lambda _: SOURCE)[FILE])}


class Unclosed(HTMLParser):
    """Elements of HTML (not of pictures in it) that are open."""

    def __init__(self, text):
        super().__init__()
        self.open = []
        self.feed(re.sub(r"<svg.*?</svg>", "", text, flags=re.S))

    def handle_starttag(self, tag, _):
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing, line {self.getpos()[0]}")


class InFolder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="nightly-test-")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        silence = contextlib.redirect_stdout(io.StringIO())
        silence.__enter__()
        self.addCleanup(silence.__exit__, None, None, None)


class Steps(InFolder):
    def test_a_night_goes_on_where_it_was_interrupted(self):
        done = []

        def interrupted():
            raise KeyboardInterrupt

        night = Night(self.folder, {"hours": 1})
        night.step("fuzz/slub", lambda: done.append(1) or {"executions": 5})
        with self.assertRaises(KeyboardInterrupt):
            night.step("fuzz/slab", interrupted)
        night = Night(self.folder, {"hours": 1})
        self.assertEqual(night.step("fuzz/slub", lambda: done.append(2) or {})["executions"], 5)
        night.step("fuzz/slab", lambda: done.append(3) or {})
        self.assertEqual(done, [1, 3])
        self.assertIsNone(night.last)

    def test_a_night_behind_a_finished_one_is_new_and_knows_the_last(self):
        night = Night(self.folder, {"hours": 1})
        night.step("fuzz/slub", lambda: {"executions": 5})
        night.finish()
        night = Night(self.folder, {"hours": 1})
        self.assertEqual(night.outcomes("fuzz"), {})
        self.assertEqual(night.last["done"]["fuzz/slub"]["executions"], 5)

    def test_other_arguments_are_another_night(self):
        Night(self.folder, {"hours": 1}).step("fuzz/slub", dict)
        self.assertEqual(Night(self.folder, {"hours": 2}).outcomes("fuzz"), {})

    def test_a_program_whose_time_ends_has_no_status(self):
        self.assertIsNone(call(["sleep", "60"], self.folder / "log", 0.2))
        self.assertEqual(call(["false"], self.folder / "log"), 1)


class Storm(InFolder):
    def steps(self, script):
        steps = nightly.Steps(self.folder, 1, 60, "a seed")
        steps.storm_program = self.folder / "storm"
        steps.storm_program.write_text(f"#!/bin/sh\nunset LD_PRELOAD\necho $KMEMLAB_ALLOCATOR $* >>{self.folder}/calls\n{script}\n")
        steps.storm_program.chmod(0o755)
        steps.malloc_library = Path("/nowhere/lib.so")
        return steps

    def test_runs_go_on_where_the_last_one_ended_every_second_with_forks(self):
        outcome = self.steps(f"[ $(wc -l <{self.folder}/calls) -lt 3 ] || sleep 1").storm("slub", 1)
        self.assertEqual(outcome, {"runs": 3, "said": "3 runs of 24 threads"})
        calls = [line.split() for line in (self.folder / "calls").read_text().splitlines()]
        self.assertEqual([call[:3] for call in calls], [["slub", "24", "20"]] * 3)
        self.assertEqual([call[3] == "fork" for call in calls], [False, True, False])
        self.assertEqual([int(call[-1]) - int(calls[0][-1]) for call in calls], [0, 20, 40])

    def test_the_first_that_fails_is_told_with_its_command(self):
        outcome = self.steps("echo storm: an object changed >&2; exit 1").storm("slab", 0)
        self.assertRegex(outcome["fault"], r"^KMEMLAB_ALLOCATOR=slab storm 24 20 \d+: status 1: storm: an object changed; all of it: ")

    def test_a_hang_is_told(self):
        with mock.patch.object(nightly, "STORM_HANGS", 0.2):
            self.assertIn("hung", self.steps("exec sleep 60").storm("slob", 0)["fault"])


class Numbers(unittest.TestCase):
    def test_the_last_line_of_a_fork_run_counts(self):
        text = ("#100: cov: 10 ft: 20 corp: 3 exec/s 7 oom/timeout/crash: 0/0/0 time: 1s\n"
                "#5000: cov: 40 ft: 90 corp: 12 exec/s 900 oom/timeout/crash: 0/0/0 time: 10s\n")
        self.assertEqual(nightly.fork_numbers(text, 10), {"executions": 5000, "per_second": 500, "coverage": 40, "features": 90})
        self.assertEqual(nightly.fork_numbers("", 10)["executions"], 0)

    def test_operations_are_counted_over_all_processes(self):
        with tempfile.TemporaryDirectory() as folder:
            counts = Path(folder) / "counts"
            self.assertIsNone(nightly.operations_per_input(counts))
            counts.write_text("10 300\n30 500\n")
            self.assertEqual(nightly.operations_per_input(counts), 20)
            counts.write_text("10 0\n")
            self.assertIsNone(nightly.operations_per_input(counts))

    def test_lines_and_branches_are_covered_if_any_instance_covers_them(self):
        file = covered()["allocators/a.hpp"]
        self.assertEqual(file.lines, {3: True, 4: True, 5: False, 6: False})
        self.assertEqual(file.branches, {(4, 1, 4, 9, True): True, (4, 1, 4, 9, False): False})
        found = coverage.summary(covered())
        self.assertEqual((found["lines"], found["branches"]), (0.5, 0.5))
        self.assertEqual(found["files"]["allocators/a.hpp"]["uncovered"], "5-6")

    def test_runs_of_lines_are_told_by_their_ends(self):
        self.assertEqual(coverage.ranges([9, 3, 4, 5]), "3-5, 9")


class Page(InFolder):
    def night(self, **fuzzed):
        night = Night(self.folder, {"hours": 1, "jobs": 2})
        night.step("fuzz/slub", lambda: {"seed": 7, "executions": 12345, "per_second": 678, "operations_per_input": 20.5, "coverage": 4, "features": 99, **fuzzed})
        night.step("merge/slub", lambda: {"before": 50, "after": 40, "new": 8})
        night.step("replay-tsan/slub", lambda: {"inputs": 40})
        night.step("sweep/slub", lambda: {"said": "40 inputs, 999 runs, 0 break a law"})
        night.step("storm/slab", lambda: {"runs": 4, "said": "4 runs of 24 threads"})
        night.step("coverage/all", lambda: coverage.summary(covered()))
        night.finish()
        return night

    def text(self, night, scoreboard=None, last=None):
        for name, document in (("scoreboard.json", scoreboard), ("last-scoreboard.json", last)):
            if document:
                (self.folder / name).write_text(json.dumps(document))
        page.write(self.folder / "report.html", night, scoreboard, last)
        return (self.folder / "report.html").read_text()

    def test_it_tells_speed_corpus_replays_and_what_is_not_covered(self):
        text = self.text(self.night())
        for said in ("12,345", "678", "13,899", "50 → 40", "999 runs", "4 runs of 24 threads", "allocators/a.hpp", "5-6", "<p>None.</p>", "No planted bug was tried"):
            self.assertIn(said, text)

    def test_a_finding_is_told_first(self):
        text = self.text(self.night(law="U5", what="3 < 4", fault="U5: 3 < 4; found/slub-crash-1"))
        self.assertIn("fuzz/slub: U5: 3 &lt; 4; found/slub-crash-1", text)
        self.assertNotIn("<p>None.</p>", text)

    def test_the_scoreboard_stands_beside_the_last_one(self):
        now, last = (json.loads(SCOREBOARD.read_text()) for _ in range(2))
        now["scoreboard"]["mutants"][0]["median"]["nothing"]["seconds"] = None
        text = self.text(self.night(), now, last)
        self.assertIn("from nothing, newly missed: AA01", text)
        self.assertIn("<svg", text)
        self.assertEqual(Unclosed(text).open, [])


if __name__ == "__main__":
    unittest.main()
