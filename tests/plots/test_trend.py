"""Many nights: a change that lasts is found where it is, and nothing else is."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np

from plots import style, trend
from test_command import run
from test_compare import document, noisy


def nights(folder, levels, seed=5, rows=3):
    """Files of as many nights: row 0 has these medians, the others do not change."""
    dice = np.random.default_rng(seed)
    files = []
    for night, level in enumerate(levels):
        content = document({f"pair/{row}/slub": noisy(dice, (level if row == 0 else 10) * np.exp(dice.normal(0, 0.01)), 5)
                            for row in range(rows)}, date=f"2026-10-{night + 1:02}T02:00:00+00:00")
        files.append(str(Path(folder) / f"night-{night:02}.json"))
        Path(files[-1]).write_text(json.dumps(content), encoding="utf-8")
    return files


class Trend(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def found(self, levels, **how):
        return trend.changes(trend.frame(trend.nights_of(nights(self.folder, levels, **how))))

    def test_a_change_is_found_in_its_row_and_at_its_night(self):
        change, = self.found([10] * 12 + [11] * 10)
        self.assertEqual((change.row, change.night), ("pair/0/slub", 12))
        self.assertTrue(change.slower())
        self.assertLess(abs(change.ratio.estimate - 1.1), 0.02)

    def test_two_changes_are_told_apart(self):
        later, earlier = self.found([10] * 10 + [12] * 10 + [9] * 10)
        self.assertEqual((earlier.night, later.night), (10, 20))
        self.assertTrue(earlier.slower() and not later.slower())

    def test_one_slow_night_is_no_change(self):
        self.assertEqual(self.found([10] * 9 + [50] + [10] * 9), [])

    def test_of_rows_that_never_change_few_are_marked(self):
        wrong = sum(bool(self.found([10] * 20, seed=seed, rows=8)) for seed in range(12))
        self.assertLessEqual(wrong, 2)

    def test_the_order_is_that_of_the_dates(self):
        files = nights(self.folder, [10] * 12 + [11] * 10)
        change, = trend.changes(trend.frame(trend.nights_of(files[::-1])))
        self.assertEqual(change.night, 12)

    def test_few_nights_tell_nothing_and_how_many_would(self):
        done = run("trend", *nights(self.folder, [10] * 3 + [20] * 3))
        self.assertEqual(done[::2], (0, ""))
        self.assertIn("0 changes in 3 rows of 6 runs\nto tell a change in one of 3 rows it takes 9 runs\n", done[1])

    def test_the_command_says_what_changed_and_draws_it(self):
        picture = Path(self.folder) / "trend.svg"
        files = nights(self.folder, [10] * 12 + [11] * 10)
        done = run("trend", *files, "--filter", "pair", "--fail-if-slower", "-o", str(picture))
        self.assertEqual(done[::2], (1, ""))
        self.assertRegex(done[1], r"pair/0/slub: \+\d+\.\d % \(.*\) from 2026-10-13 on \(night-12\)")
        self.assertIn("1 changes in 3 rows of 22 runs", done[1])
        self.assertIn("pair/0/slub", picture.read_text(encoding="utf-8"))

    def test_a_panel_a_row_the_changed_ones_first(self):
        data = trend.frame(trend.nights_of(nights(self.folder, [10] * 12 + [11] * 10, rows=20)))
        figure = trend.draw(data, [trend.Change("pair/17/slub", 5, trend.intervals.Interval(1.2, 1.1, 1.3), 0.001)])
        shown = [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes if axis.get_visible()]
        self.assertEqual((len(shown), shown[0]), (trend.PANELS, "pair/17/slub"))
        self.assertTrue(style.picture(figure, "png"))

    def test_bad_input_is_one_line(self):
        files = nights(self.folder, [10])
        for words, expected in (((*files, "--filter", "nobody"), "expected to find a row"),
                                ((*files, "--filter", "("), "is no regular expression"),
                                ((*files, "-o", "trend.txt"), "ends in .svg or .png")):
            done = run("trend", *words)
            self.assertEqual(done[:2], (2, ""))
            self.assertIn(expected, done[2])
        content = json.loads(Path(files[0]).read_text(encoding="utf-8"))
        content["context"]["date"] = "yesterday"
        Path(files[0]).write_text(json.dumps(content), encoding="utf-8")
        self.assertIn("expected the date of the run at context.date, found yesterday", run("trend", *files)[2])


if __name__ == "__main__":
    unittest.main()
