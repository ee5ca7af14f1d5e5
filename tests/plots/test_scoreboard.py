"""The scoreboard: the curve is that of the medians in the file, and what is missed is named."""

import unittest
from pathlib import Path

import numpy as np

import sample
from plots import summary, tables
from plots.figures import FIGURES
from plots.load import load


class Scoreboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.frame = FIGURES["scoreboard"].frame(load([sample.SCOREBOARD]))
        cls.figure = FIGURES["scoreboard"].draw(cls.frame)

    def line(self, axis, label):
        found, = (line for line in self.figure.axes[axis].get_lines() if line.get_label() == label)
        return found

    def test_the_curve_falls_by_one_bug_at_each_median(self):
        line = self.line(0, "from nothing")
        np.testing.assert_allclose(line.get_xdata()[1:], [0.5, 12.25, 75, 300])
        np.testing.assert_allclose(line.get_ydata(), [1, 0.75, 0.5, 0.25, 0.25])
        np.testing.assert_allclose(self.line(1, "from the corpus").get_ydata(), [1, 0.75, 0.5, 0.25, 0, 0])
        np.testing.assert_allclose(self.line(1, "from the corpus").get_xdata()[1:-1], [60, 500, 2500, 11000])

    def test_the_words_name_shares_and_what_was_missed(self):
        first, second = (said.text for said in summary.scoreboard_statements(self.frame))
        self.assertIn("3 of 4 planted bugs (75.0\u00a0%)", first)
        self.assertIn("2 (50.0\u00a0%) within 30\u00a0s. Not found: AA04 (reached).", first)
        self.assertIn("4 of 4", second)

    def test_the_table_marks_what_was_missed(self):
        table = tables.scoreboard(self.frame)
        self.assertEqual(table.rows[3], ["AA04", "planted", "slob", "missed, reached", "20.5\u00a0s, 11,000, O1"])
        self.assertEqual(table.marked, {(3, 3)})

    def test_a_file_from_before_misses_were_told_apart_is_read(self):
        with sample.scratch() as folder:
            old = sample.write(folder, Path(sample.SCOREBOARD).read_text(encoding="utf-8").replace('"missed"', '"other"'))
            self.assertEqual(tables.scoreboard(FIGURES["scoreboard"].frame(load([old]))).rows[3][3], "missed")

    def test_two_nights_are_told_apart_by_their_files(self):
        with sample.scratch() as folder:
            other = sample.write(folder, Path(sample.SCOREBOARD).read_text(encoding="utf-8"), "last-night.json")
            figure = FIGURES["scoreboard"].draw(FIGURES["scoreboard"].frame(load([sample.SCOREBOARD, other])))
        self.assertEqual({line.get_label() for line in figure.axes[0].get_lines()},
                         {f"from {start} ({name})" for start in ("nothing", "the corpus") for name in ("scoreboard", "last-night")})


if __name__ == "__main__":
    unittest.main()
