"""What counts of instructions are compared with, and that a wrong one is found."""

import contextlib
import csv
import io
import os
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))
from ci.counting import instructions  # noqa: E402

PROGRAM = os.environ.get("KMEMLAB_INSTRUCTIONS")
BUILD = "gcc 1.2.3 -O3 x86_64"
COUNTS = {"pair/64/a": 29.0, "pair/64/b": 600.0}


class Command(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.table = Path(scratch.name) / "expected.csv"

    def expect(self, *rows):
        self.table.write_text("".join(",".join(map(str, row)) + "\n" for row in (instructions.HEAD, *rows)))

    def run_command(self, *words, program="program"):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = instructions.main(["--program", program, "--expected", str(self.table), *words])
        return status, out.getvalue(), err.getvalue()


class Judgement(Command):
    def setUp(self):
        super().setUp()
        fake = mock.patch.object(instructions, "count", lambda _: (BUILD, dict(COUNTS)))
        fake.start()
        self.addCleanup(fake.stop)

    def test_what_is_as_expected_passes(self):
        self.expect((BUILD, "pair/64/a", 29), (BUILD, "pair/64/b", 600), ("other", "pair/64/c", 1))
        status, out, err = self.run_command()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("2 of 2 rows as expected\n", out)

    def test_a_difference_must_be_more_than_one_instruction_and_than_3_percent(self):
        for a, b, wrong in ((28, 600, []), (30, 617, []), (27.9, 600, ["pair/64/a"]), (30.1, 600, ["pair/64/a"]),
                            (29, 582, ["pair/64/b"]), (29, 619, ["pair/64/b"]), (29, 583, [])):
            with self.subTest((a, b)):
                self.expect((BUILD, "pair/64/a", a), (BUILD, "pair/64/b", b))
                status, out, _ = self.run_command()
                self.assertEqual(status, 1 if wrong else 0, out)
                for row in wrong:
                    self.assertIn(f"not {row}; if that is meant: ci/instructions --update", out)

    def test_which_way_a_row_differs_is_told(self):
        self.expect((BUILD, "pair/64/a", 20), (BUILD, "pair/64/b", 700))
        out = self.run_command()[1]
        self.assertRegex(out, r"pair/64/a +29\.0 +20\.0 +more\n")
        self.assertRegex(out, r"pair/64/b +600\.0 +700\.0 +fewer\n")

    def test_rows_that_one_of_both_lacks_fail(self):
        self.expect((BUILD, "pair/64/a", 29), (BUILD, "pair/64/c", 5))
        status, out, _ = self.run_command()
        self.assertEqual(status, 1)
        self.assertRegex(out, r"pair/64/b +600\.0 +- +not expected\n")
        self.assertRegex(out, r"pair/64/c +- +5\.0 +not there\n")

    def test_of_another_build_nothing_is_said(self):
        self.expect(("gcc 9.9.9 -O2 x86_64", "pair/64/a", 1))
        status, out, _ = self.run_command()
        self.assertEqual(status, instructions.NOTHING_EXPECTED)
        self.assertIn(f"{BUILD}: nothing is expected", out)

    def test_update_writes_what_was_counted_and_keeps_other_builds(self):
        self.expect(("other", "pair/64/a", 7), (BUILD, "pair/64/a", 1), (BUILD, "gone", 1))
        self.assertEqual(self.run_command("--update")[0], 0)
        with open(self.table, encoding="utf-8", newline="") as file:
            self.assertEqual(list(csv.reader(file))[1:], [["other", "pair/64/a", "7"], [BUILD, "pair/64/a", "29"], [BUILD, "pair/64/b", "600"]])
        self.assertEqual(self.run_command()[0], 0)

    def test_a_table_that_cannot_be_used_is_one_line(self):
        for text in (None, "", "a,b\n", "build,row,instructions\nx,y\n", "build,row,instructions\nx,y,many\n"):
            with self.subTest(text):
                self.table.unlink(missing_ok=True)
                if text is not None:
                    self.table.write_text(text)
                status, out, err = self.run_command()
                self.assertEqual((status, out, err.count("\n")), (2, "", 1))
                self.assertIn("expected.csv", err)


class Counts(Command):
    def test_what_both_calls_share_cancels(self):
        calls = [["a", "10"], ["a", "20"], ["b", "10"], ["b", "20"]]
        self.assertEqual(instructions.per_unit(calls, [1050, 1100, 40, 65]), {"a": 5.0, "b": 2.5})
        with self.assertRaises(instructions.Failure):
            instructions.per_unit([["a", "10"], ["b", "20"]], [1, 2])

    def test_a_program_that_fails_is_one_line(self):
        self.expect()
        status, out, err = self.run_command(program="/usr/bin/false")
        self.assertEqual((status, out, err.count("\n")), (2, "", 1))
        with mock.patch.dict(os.environ, {"PATH": ""}):
            self.assertIn("expected Debian's valgrind", self.run_command(program="/usr/bin/false")[2])

    @unittest.skipUnless(PROGRAM, "counts are known of gcc's release build alone")
    def test_a_wrong_expectation_of_the_program_is_found_and_counts_repeat(self):
        build, counts = instructions.count(PROGRAM)
        self.expect(*((build, row, value * 1.05 if row == "pair/64/slub" else value) for row, value in counts.items()))
        status, out, _ = self.run_command(program=PROGRAM)
        self.assertEqual(status, 1, out)
        self.assertRegex(out, r"pair/64/slub .* fewer\n")
        self.assertIn(f"{len(counts) - 1} of {len(counts)} rows as expected, not pair/64/slub;", out)


if __name__ == "__main__":
    unittest.main()
