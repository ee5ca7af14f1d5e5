"""Figures and sentences of `kmemlab mapping` show what its file holds."""

import unittest

import numpy as np

import sample
from plots import summary, units
from plots.figures import FIGURES
from plots.load import load


def statements(document):
    with sample.scratch() as folder:
        results = load([sample.write(folder, document)])
    return summary.mapping_statements(results, results.sources[0].notes)


class Mapping(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = load([sample.MAPPING])
        cls.document = sample.mapping()

    def drawn(self, name):
        frame = FIGURES[name].frame(self.results)
        return frame, FIGURES[name].draw(frame)

    def times(self, name):
        return [row["cpu_time"] for row in self.document["benchmarks"] if row["name"] == name]

    def counts(self, name):
        return next(row["counts"] for row in self.document["mapping"]["rows"] if row["name"] == name)

    def test_lines_of_calls_pass_the_medians_of_cpu_time(self):
        _, figure = self.drawn("mapping_calls")
        self.assertEqual(len(figure.axes), 6)
        for row, who in ((0, "host"), (0, "bare"), (1, "host"), (1, "mmap")):
            line = next(line for line in figure.axes[3 * row].get_lines() if line.get_label() == who)
            for size, value in zip(*line.get_data()):
                self.assertAlmostEqual(value, np.median(self.times(f"vmalloc/{size}/{who}")))

    def test_every_knee_of_the_file_is_marked_by_its_name(self):
        _, figure = self.drawn("mapping_access")
        marked = sorted(text.get_text() for axis in figure.axes for text in axis.texts)
        shown = {row["name"] for row in self.document["mapping"]["rows"]}
        knees = [knee for knee in self.document["mapping"]["access"]["knees"] if f"access/{knee['size']:.0f}/{knee['who']}" in shown]
        self.assertLess(len(marked), len(knees))  # some share their place
        for knee in knees:
            self.assertTrue(any(text.startswith(f"{knee['name']}: {units.count_text(knee['size'])} (") and knee["who"] in text for text in marked))

    def test_the_played_tlb_shows_counts_and_the_machine_times(self):
        frame, _ = self.drawn("mapping_access")
        value = frame[(frame.label == "soft-4k") & (frame["size"] == 2048)].value.item()
        counts = self.counts("access/2048/soft-4k")
        self.assertAlmostEqual(value, (counts["l2_hits"] + counts["walks"] + counts["walk_steps"]) / counts["units"])
        self.assertAlmostEqual(frame[(frame.label == "lines") & (frame["size"] == 2048)].value.item(),
                               np.median(self.times("access/2048/lines")))

    def test_dropped_translations_fall_to_none_above_the_ceiling(self):
        frame, _ = self.drawn("mapping_shootdown")
        dropped = frame[frame.label == "soft-cpus16"].set_index("size").value
        self.assertEqual((dropped[33], dropped[34]), (33 * 16, 0))
        self.assertIn("time", set(frame.panel))

    def test_steps_to_areas_are_the_counted_ones(self):
        frame, _ = self.drawn("mapping_areas")
        counts = self.counts("areas/100000/soft")
        row = frame[frame["size"] == 100000].iloc[0]
        self.assertAlmostEqual(row.busy_mean, counts["busy_steps"] / counts["busy_areas"])
        self.assertEqual(row.free_most, counts["free_deepest"])

    def test_shares_and_memory_of_stacks_are_the_counted_ones(self):
        frame, figure = self.drawn("mapping_stacks")
        share = frame[(frame.work == "stack-success") & (frame.label == "direct")].set_index("size").share
        self.assertEqual(share.to_dict(), {0: 0.0, 50: 0.5, 100: 1.0})
        self.assertEqual([bar.get_height() for bar in figure.axes[2].patches], [16384, 16384, 4600])

    def test_bars_are_told_as_they_are(self):
        document = sample.mapping()
        document["mapping"]["bars"] = [{"what": "a / b", "found": 0.7, "limit": 0.8, "met": True},
                                       {"what": "c / d", "found": 1.3, "limit": 1.2, "met": False}]
        said = statements(document)
        self.assertEqual([(each.kind, each.text) for each in said[:2]],
                         [("claim", "a / b is 0.70, at most 0.80 wanted: met."), ("warning", "c / d is 1.30, at most 1.20 wanted: missed.")])

    def test_the_cost_of_an_extent_is_that_of_the_largest_scattered_area(self):
        size = 1048576
        each = np.median(self.times(f"vmalloc/{size}/host-scattered")) / (size // 4096)
        said = [one.text for one in statements(self.document) if "scattered frames" in one.text]
        self.assertEqual(len(said), 1)
        self.assertIn(units.nanoseconds_text(each), said[0])

    def test_what_the_machine_lacks_and_whether_pages_widen_the_reach_is_told(self):
        document = sample.mapping()
        document["mapping"]["notes"] = ["no counters"]
        document["mapping"]["access"]["reach"] = "They widen it."
        texts = [each.text for each in statements(document)]
        self.assertIn("no counters.", texts)
        self.assertIn("They widen it.", texts)

    def test_nothing_is_said_of_what_was_not_measured(self):
        document = sample.mapping()
        document["mapping"].update(bars=[], notes=[], access={"knees": [], "reach": ""})
        document["benchmarks"] = [row for row in document["benchmarks"] if row["name"].startswith("areas/")]
        self.assertEqual(statements(document), [])


if __name__ == "__main__":
    unittest.main()
