"""ci/scoreboard: what it says of mutants that are found, missed, do not apply, do not compile; what it keeps."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import unittest

from ci.fuzzing import misses, scoreboard
from toy_tree import COMPILED, TARGET, ToyTree

FOUND = (("BUG_AT = None", "BUG_AT = 1000"), ('SAYS = ""', 'SAYS = "G1: two blocks overlap\\ntarget toy cpus=1\\nalloc slot=0"'))


class BoardTest(unittest.TestCase):
    maxDiff = None
    target = TARGET

    def setUp(self):
        self.tree = ToyTree(self.target)
        self.addCleanup(self.tree.close)

    def run_board(self, *words):
        """(status, document, stdout, stderr)."""
        out, err = io.StringIO(), io.StringIO()
        file = self.tree.root / "result.json"
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = scoreboard.main(["--seeds", "3", "--seconds", "0.3", "--jobs", "1", "--json", str(file), *words],
                                     self.tree.root, self.tree.work)
        document = json.loads(file.read_text()) if file.is_file() else None
        return status, document, out.getvalue(), err.getvalue()

    def only(self, document):
        mutant, = document["scoreboard"]["mutants"]
        return mutant


class Scoreboard(BoardTest):
    def test_a_bug_that_is_found_has_its_law_time_and_executions(self):
        self.tree.plant("AA01", *FOUND)
        status, document, out, err = self.run_board()
        self.assertEqual((status, err), (0, ""))
        mutant = self.only(document)
        self.assertEqual([run["executions"] for run in mutant["runs"]], [1000, 2000, 3000])
        for run in mutant["runs"]:
            self.assertEqual((run["law"], run["what"], run["expected"], run["detected"]), ("G1", "two blocks overlap", True, True))
            self.assertLess(run["seconds"], 0.3)
            self.assertEqual((run["reached"], run["triggered"]), (True, True))
        self.assertEqual(mutant["median"]["nothing"]["executions"], 2000)
        self.assertIn("1 of 1 detected", out)

    def test_a_bug_that_is_missed_is_a_failure_only_where_all_must_be_detected(self):
        self.tree.plant("AA01", ("BUG_AT = None", "BUG_AT = 10**12"))
        status, document, out, _ = self.run_board()
        self.assertEqual(status, 0)
        self.assertIsNone(self.only(document)["median"]["nothing"]["seconds"])
        self.assertIn("missed, unknown: AA01", out)  # a script tells nothing of its inputs
        allowed = self.tree.root / "allowed"
        allowed.write_text("# those that nobody finds\n")
        self.assertEqual(self.run_board("--all-must-be-detected", str(allowed))[0], 1)
        allowed.write_text("AA01  # takes 10^12 executions\n")
        self.assertEqual(self.run_board("--all-must-be-detected", str(allowed))[0], 0)

    def test_a_patch_that_does_not_apply_or_compile_is_a_failure(self):
        self.tree.plant("AA01", *FOUND)
        self.tree.plant("AA02", ("BUG_AT = None", "BUG_AT = = 1"))
        target = self.tree.root / TARGET
        target.write_text(target.read_text().replace('SAYS = ""', 'SAYS = str()'))
        status, document, _, err = self.run_board()
        self.assertEqual(status, 1)
        first, second = document["scoreboard"]["mutants"]
        self.assertEqual((first["applied"], second["applied"], first["runs"]), (False, False, []))
        target.write_text(target.read_text().replace('SAYS = str()', 'SAYS = ""'))
        status, document, _, err = self.run_board()
        first, second = document["scoreboard"]["mutants"]
        self.assertEqual((status, first["built"], second["applied"], second["built"]), (1, True, True, False))
        self.assertIn("AA02", err)

    def test_what_fails_without_the_bug_too_is_a_false_alarm(self):
        target = self.tree.root / TARGET
        target.write_text(target.read_text().replace('SAYS = ""', 'SAYS = "always"'))
        self.tree.plant("AA01", ("BUG_AT = None", "BUG_AT = 10"))
        status, document, _, err = self.run_board("--seeds", "1")
        self.assertEqual(status, 1)
        self.assertFalse(self.only(document)["runs"][0]["detected"])
        self.assertIn("AA01: false alarm", err)

    def test_a_program_that_fails_without_an_input_is_no_detection(self):
        self.tree.plant("AA01", ("FAILS_ALWAYS = False", "FAILS_ALWAYS = True"))
        status, document, _, err = self.run_board("--seeds", "1")
        self.assertEqual((status, self.only(document)["runs"][0]["detected"]), (1, False))
        self.assertIn("no verdict", err)

    def test_runs_are_taken_over_while_patch_tree_and_corpus_are_the_same(self):
        self.tree.plant("AA01", *FOUND)
        corpus = self.tree.root / "fuzz/corpus/toy"
        corpus.mkdir()
        (corpus / "seed").write_text("a")
        first = self.only(self.run_board()[1])
        self.assertEqual(len(first["runs"]), 6)
        self.assertEqual(self.only(self.run_board()[1])["runs"], first["runs"])
        (corpus / "seed").write_text("b")
        again = self.only(self.run_board()[1])
        kept = [run for run in again["runs"] if run in first["runs"]]
        self.assertEqual({run["start"] for run in kept}, {"nothing"})
        self.tree.plant("AA01", ("BUG_AT = None", "BUG_AT = 500"), FOUND[1])
        self.assertEqual({run["executions"] for run in self.only(self.run_board("--from", "nothing")[1])["runs"]}, {500, 1000, 1500})

    def test_the_scratch_tree_is_as_before_when_the_next_mutant_is_planted(self):
        self.tree.plant("AA01", *FOUND)
        self.tree.plant("AA02", ("BUG_AT = None", "BUG_AT = 700"), FOUND[1])
        _, document, _, _ = self.run_board("--seeds", "1")
        self.assertEqual([mutant["runs"][0]["executions"] for mutant in document["scoreboard"]["mutants"]], [1000, 700])
        self.assertEqual((self.tree.work / "tree-0" / TARGET).read_text(), (self.tree.root / TARGET).read_text())

    def test_an_interrupt_ends_it_cleanly_and_the_next_run_goes_on(self):
        self.tree.plant("AA01", *FOUND)
        self.tree.plant("AA02", ("BUG_AT = None", "BUG_AT = 10**12"))
        command = [sys.executable, "-B", "-m", "ci.fuzzing.scoreboard", "--seeds", "1", "--seconds", "600", "--jobs", "1"]
        with subprocess.Popen(command, cwd=self.tree.root, env={**os.environ, "PYTHONPATH": os.getcwd()}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            log = self.tree.work / "runs/AA02-nothing-1/log"
            while not log.is_file() and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, err), (130, ""))
        self.assertIn("1 mutants are left", out)
        self.assertEqual(subprocess.run(["pgrep", "-f", str(self.tree.work)], check=False, capture_output=True).stdout, b"")
        first = json.loads((self.tree.work / "AA01.json").read_text())["runs"]
        _, document, _, _ = self.run_board("--seeds", "1")
        self.assertEqual(document["scoreboard"]["mutants"][0]["runs"], first)
        self.assertEqual(len(document["scoreboard"]["mutants"][1]["runs"]), 1)

    def test_a_mutant_that_does_not_exist_is_refused_in_one_line(self):
        status, _, _, err = self.run_board("--mutants", "ZZ99")
        self.assertEqual((status, err), (2, "scoreboard: no mutant ZZ99 in fuzz/mutants\n"))


class Misses(BoardTest):
    target = COMPILED

    def test_a_miss_tells_how_far_its_inputs_came(self):
        self.tree.plant("AA01", ("sum += 2", "sum += 3"))
        self.tree.plant("AA02", (">= 128", ">= 128 && size < 100000"))
        self.tree.plant("AA03", ("sum += 1", "sum += 5"))
        self.tree.plant("AA04", ("            sum += 2;", "            sum += 2;\n            sum *= 7;"))
        self.tree.plant("AA05", ("        if (size > 1", "        sum += 0;\n        if (size > 1"))
        status, document, out, err = self.run_board("--seeds", "1", "--from", "nothing")
        self.assertEqual((status, err), (0, ""))
        runs = {mutant["id"]: mutant["runs"][0] for mutant in document["scoreboard"]["mutants"]}
        self.assertEqual({name: (run["reached"], run["triggered"], run["detected"]) for name, run in runs.items()}, {
            "AA01": (False, False, False), "AA02": (True, False, False), "AA03": (True, True, False), "AA04": (False, False, False),
            "AA05": (True, False, False)})
        self.assertRegex(out, r"AA02 +toy +missed, reached +0/1")
        for said in ("missed, not reached: AA01 AA04", "missed, reached: AA02 AA05",
                     "missed, triggered: AA03"):
            self.assertIn(said, out)

    def test_who_comes_to_another_outcome_each_time_tells_nothing(self):
        target = self.tree.root / COMPILED
        target.write_text(target.read_text().replace("unsigned sum = 0;", "unsigned sum = static_cast<unsigned>(clock());")
                          .replace("#include <cstdlib>", "#include <cstdlib>\n#include <ctime>"))
        self.tree.plant("AA01", ("sum += 1", "sum += 5"))
        run, = self.only(self.run_board("--seeds", "1", "--from", "nothing")[1])["runs"]
        self.assertEqual((run["reached"], run["triggered"]), (True, None))


class Places(unittest.TestCase):
    def test_a_change_is_run_with_one_of_its_lines_and_an_addition_with_both_around_it(self):
        before = ["a", "b", "c", "d"]
        gone, put_in = misses.changes(before, ["a", "d"]), misses.changes(before, ["a", "b", "x", "c", "d"])
        for places, covered, run in ((gone, {2: False, 3: True}, True), (gone, {2: False, 3: False, 1: True}, False), (gone, {1: True}, None),
                                     (put_in, {2: True, 3: True}, True), (put_in, {2: True, 3: False}, False), (put_in, {1: True}, None)):
            with self.subTest((places, covered)):
                self.assertIs(misses.are_run(places, covered), run)


if __name__ == "__main__":
    unittest.main()
