"""Real programs: the points are the ratios to the C library's malloc, and what was skipped or failed is told."""

import json
import unittest
from pathlib import Path

import numpy as np

import sample
from plots import summary, tables
from plots.figures import FIGURES
from plots.load import InputError, load


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = load([sample.PROGRAMS])
        cls.frame = FIGURES["programs"].frame(cls.results)
        cls.figure = FIGURES["programs"].draw(cls.frame)

    def row(self, program, label):
        return self.frame[(self.frame.program == program) & (self.frame.label == label)].iloc[0]

    def test_ratios_are_those_of_the_same_round(self):
        row = self.row("sqlite3", "slub-sheaves")
        self.assertAlmostEqual(row.ns_ratio, 0.8, 2)
        self.assertLess(row.ns_high, 0.82)
        self.assertAlmostEqual(row.peak_bytes_ratio, 1.1, 3)
        self.assertEqual(self.row("redis", "glibc").ns_ratio, 1)

    def test_points_are_drawn_where_the_frame_has_them(self):
        for axis, name in zip(self.figure.axes, ("ns", "peak_bytes")):
            line, = (line for line in axis.get_lines() if line.get_label() == "jemalloc")
            expected = self.frame[self.frame.label == "jemalloc"][f"{name}_ratio"]
            np.testing.assert_allclose(line.get_xdata(), expected)
            self.assertNotIn("glibc", [line.get_label() for line in axis.get_lines()])

    def test_words_claim_what_is_supported_and_warn_of_failures(self):
        said = summary.programs_statements(self.results.programs, self.results.sources[0].notes)
        texts = {each.kind: each.text for each in said}
        self.assertTrue(any(each.kind == "claim" and each.text.startswith("sqlite3: slub-sheaves is ahead of") for each in said))
        self.assertTrue(any(each.kind == "open" and each.text.startswith("redis: no difference") for each in said))
        self.assertIn("sqlite3 on tcmalloc: ended by SIGSEGV", texts["warning"])
        self.assertTrue(any("git was not measured: git: not installed." in each.text for each in said))

    def test_the_table_has_ratio_and_interval(self):
        row, = (row for row in tables.programs(self.frame).rows if row[:2] == ["redis", "jemalloc"])
        self.assertRegex(row[3], r"^1\.20 \(1\.\d\d to 1\.\d\d\)$")

    def test_two_files_are_told_apart(self):
        with sample.scratch() as folder:
            other = sample.write(folder, Path(sample.PROGRAMS).read_text(encoding="utf-8"), "after.json")
            frame = FIGURES["programs"].frame(load([sample.PROGRAMS, other]))
        self.assertIn("jemalloc (after)", set(frame.label))
        self.assertEqual(set(frame[frame.label == "glibc (after)"].ns_ratio), {1})

    def test_a_file_without_the_reference_is_refused(self):
        document = json.loads(Path(sample.PROGRAMS).read_text(encoding="utf-8"))
        document["benchmarks"] = [row for row in document["benchmarks"] if not row["name"].endswith("glibc")]
        with sample.scratch() as folder, self.assertRaises(InputError):
            FIGURES["programs"].frame(load([sample.write(folder, document)]))


if __name__ == "__main__":
    unittest.main()
