"""Every figure draws from the sample, and shows the sample's values in its allocators' colours."""

import unittest
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from matplotlib.colors import same_color

import sample
from plots import style
from plots.figures import FIGURES
from plots.figures.benchmarks import round_ticks, shown, with_ratio
from plots.load import load


def lines_of(axis, label):
    return [line for line in axis.get_lines() if line.get_label() == label]


def panel(figure, title):
    return next(axis for axis in figure.axes if axis.get_title(loc="left") == title)


class Figures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = load(sample.ALL)
        cls.document = sample.replay()
        cls.cache = {}

    def drawn(self, name):
        """(frame, figure) of the sample; drawn once and only looked at by the tests."""
        if name not in self.cache:
            frame = FIGURES[name].frame(self.results)
            self.cache[name] = frame, FIGURES[name].draw(frame)
        return self.cache[name]

    def entries(self):
        return [(each["name"], each) for each in self.document["replay"]["allocators"]]

    def test_every_figure_draws_with_named_axes_and_a_caption(self):
        for name, spec in FIGURES.items():
            with self.subTest(name):
                frame, figure = self.drawn(name)
                self.assertGreater(len(frame), 0)
                self.assertIn(b"<svg", style.picture(figure, "svg"))
                self.assertTrue(any(axis.get_xlabel() for axis in figure.axes))
                self.assertGreater(len(spec.caption), 100)

    def test_the_same_results_give_the_same_bytes(self):
        for form in ("svg", "png"):
            frame = FIGURES["throughput"].frame(self.results)
            first, second = (style.picture(FIGURES["throughput"].draw(frame), form) for _ in range(2))
            self.assertEqual(first, second)

    def test_latency_lines_pass_the_percentiles_of_the_table(self):
        frame, figure = self.drawn("latency")
        for name, entry in self.entries():
            for latency in entry["latency"]:
                with self.subTest(f"{name} {latency['operation']}"):
                    line, = lines_of(panel(figure, latency["operation"]), name)
                    x, y = line.get_data()
                    for percentile, share in (("p50", 0.5), ("p90", 0.1), ("p99", 0.01), ("p99_9", 0.001)):
                        self.assertEqual(x[np.argmax(y <= share)] if (y <= share).any() else x[-1], latency[percentile])
                    self.assertEqual(x[-1], latency["max"])

    def test_latency_has_at_most_seven_lines_in_a_panel(self):
        frame, _ = self.drawn("latency")
        label = frame.label.iloc[0]
        one = frame[(frame.label == label) & (frame.operation == frame.operation.iloc[0])]
        many = pd.concat([one.assign(label=f"allocator{i}") for i in range(9)])
        figure = FIGURES["latency"].draw(many)
        shown = [axis for axis in figure.axes if axis.get_visible()]
        self.assertEqual([axis.get_title(loc="left").rpartition(" (")[2] for axis in shown], ["1 of 2)", "2 of 2)"])
        for axis, names in zip(shown, (range(5), range(5, 9))):
            self.assertEqual({line.get_label() for line in axis.lines if not line.get_label().startswith("_")},
                             {f"allocator{i}" for i in names})

    def test_latency_shares_fall_from_all_to_none(self):
        frame, _ = self.drawn("latency")
        for _, group in frame.groupby(["label", "operation"]):
            self.assertTrue((np.diff(group.share_slower) < 0).all())
            self.assertEqual(group.share_slower.iloc[-1], 0)

    def test_an_allocator_has_its_colour_in_every_figure(self):
        for name, title in (("latency", "kmalloc"), ("throughput", "objects layer"), ("path_cost", "objects layer"),
                            ("peers", "pair/64"), ("micro", "pair"), ("scale", "prodcons")):
            with self.subTest(name):
                _, figure = self.drawn(name)
                found = lines_of(panel(figure, title), "slub")
                self.assertTrue(found)
                for line in found:
                    self.assertTrue(same_color(line.get_color(), style.LOOKS["slub"][0]))

    def test_all_that_is_drawn_of_an_allocator_is_marked_by_it(self):
        colour = style.LOOKS["slub"][0].lower()
        for name in ("latency", "throughput", "path_cost", "peers", "micro", "scale"):
            with self.subTest(name):
                root = ElementTree.fromstring(style.picture(self.drawn(name)[1], "svg"))
                self.assertIn(colour, ElementTree.tostring(root).decode())
                for parent in list(root.iter()):
                    for child in [each for each in parent if each.get("data-series") == "slub"]:
                        parent.remove(child)
                rest = ElementTree.tostring(root).decode()
                self.assertNotIn(colour, rest)
                self.assertNotIn(">slub<", rest)

    def test_panels_of_one_allocator_are_marked_by_it(self):
        for name, panels in (("memory", 1), ("free_blocks", 1), ("fragmentation", 2), ("huge_pages", 1)):
            self.assertEqual(style.picture(self.drawn(name)[1], "svg").count(b'data-series="slub"'), panels, name)

    def test_throughput_shows_each_repetition_and_the_median(self):
        _, figure = self.drawn("throughput")
        for name, entry in self.entries():
            axis = panel(figure, f"{entry['layer']} layer")
            points, = lines_of(axis, name)
            self.assertEqual(list(points.get_xdata()), entry["ops_per_second"])
            median = np.median(entry["ops_per_second"])
            self.assertTrue(any(list(line.get_xdata()) == [median, median] for line in axis.get_lines()))
            self.assertEqual(axis.get_xlim()[0], 0)

    def test_memory_shows_the_four_lines_of_each_allocator(self):
        _, figure = self.drawn("memory")
        for name, entry in self.entries():
            axis = panel(figure, f"{name}  ({entry['layer']})")
            for text in ("requested", "handed out", "held", "metadata"):
                line, = lines_of(axis, text)
                column = text.replace(" ", "_") + "_bytes"
                self.assertEqual(list(line.get_ydata()), entry["timeline"][column])

    def test_memory_panels_of_one_layer_share_their_scale(self):
        _, figure = self.drawn("memory")
        slub, malloc = (panel(figure, f"{name}  (objects)").get_ylim() for name in ("slub", "malloc"))
        self.assertEqual(slub, malloc)

    def test_metadata_beyond_the_scale_is_told_as_a_number(self):
        frame = FIGURES["memory"].frame(self.results)
        frame = frame.assign(metadata_bytes=frame.metadata_bytes.where(frame.label != "slub", 64 * 2**20))
        axis = panel(FIGURES["memory"].draw(frame), "slub  (objects)")
        self.assertEqual(lines_of(axis, "metadata"), [])
        self.assertIn("64\u00a0MiB (off the scale)", axis.texts[0].get_text())
        self.assertLess(axis.get_ylim()[1], 64 * 2**20)

    def test_free_blocks_and_indices_show_the_lists_by_order(self):
        for name, titles, column, scale in (
                ("free_blocks", {"slub": "below slub", "buddy": "buddy"}, "free_blocks", 1),
                ("fragmentation", {"buddy": "buddy: share unusable"}, "unusable_index", 0.001),
                ("fragmentation", {"buddy": "buddy: fragmentation index"}, "extfrag_index", 0.001)):
            _, figure = self.drawn(name)
            for allocator, title in titles.items():
                mesh, = panel(figure, title).collections
                lists = np.array(sample.allocator(self.document, allocator)["timeline"][column]) * scale
                np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(lists.shape), lists)

    def test_huge_pages_show_the_maps_and_count_those_that_are_whole(self):
        _, figure = self.drawn("huge_pages")
        for name, below in (("slub", "below "), ("buddy", "")):
            maps = np.array(sample.allocator(self.document, name)["huge_pages"]["free_pages"])
            whole, possible = max(((int((moment == 512).sum()), moment.sum() // 512) for moment in maps),
                                  key=lambda counts: counts[1] - counts[0])
            mesh, = panel(figure, f"{below}{name}: at worst {whole} of {possible}").collections
            np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(maps.T.shape), maps.T)

    def test_huge_pages_of_a_large_memory_share_rows_by_their_mean(self):
        frame = pd.DataFrame([{"label": "buddy", "layer": "pages", "operation": operation, "time_s": 0.0, "huge_page": i,
                               "free_pages": 512 if i % 2 else operation} for operation in (0, 100) for i in range(1025)])
        figure = FIGURES["huge_pages"].draw(frame)
        axis = panel(figure, "buddy: at worst 512 of 612")
        values = np.asarray(axis.collections[0].get_array()).reshape(-1, 2)
        self.assertEqual(len(values), 342)  # three in a row, the last has two
        np.testing.assert_allclose(values[0], [512 / 3, (512 + 200) / 3])
        np.testing.assert_allclose(values[-1], [256, 306])
        self.assertEqual(axis.get_ylim(), (0, 1025))

    def test_most_of_memory_that_stays_free_is_left_out(self):
        for last in (11, 400):
            frame = pd.DataFrame([{"label": "buddy", "layer": "pages", "operation": operation, "time_s": 0.0, "huge_page": i,
                                   "free_pages": operation if 8 <= i <= last else 512} for operation in (0, 100) for i in range(512)])
            axis = panel(FIGURES["huge_pages"].draw(frame), f"buddy: at worst {511 - last + 8} of {511 - last + 8 + (last - 7) * 100 // 512}")
            self.assertEqual(axis.get_ylim(), (4, 16) if last == 11 else (0, 512))
            drawn = np.asarray(axis.collections[0].get_array()).reshape(-1, 2)
            self.assertEqual((drawn[:, 0] == 0).sum(), last - 7)

    def test_fragmentation_is_drawn_where_there_is_any(self):
        frame = FIGURES["fragmentation"].frame(self.results)
        labels = list(dict.fromkeys(frame[frame.unusable_index.notna()].label))
        self.assertGreater(len(labels), 1)
        none = frame.assign(unusable_index=frame.unusable_index.where(frame.unusable_index.isna(), 5), extfrag_index=-1)
        for column, value in (("unusable_index", 101), ("extfrag_index", 0)):
            some = none.copy()
            some.loc[some.index[some.label == labels[1]][0], column] = value
            figure = FIGURES["fragmentation"].draw(some)
            titles = [axis.get_title(loc="left") for axis in figure.axes if axis.get_title(loc="left")]
            self.assertEqual(len(titles), 2)
            self.assertTrue(all(labels[1] in title for title in titles), titles)
            self.assertIn(f"served: {', '.join(label for label in labels if label != labels[1])}.", " ".join(text.get_text() for text in figure.texts).replace("\n", " "))
        self.assertEqual(len([axis for axis in FIGURES["fragmentation"].draw(none).axes if axis.get_title(loc="left")]), 2)

    def test_files_from_before_there_were_maps_have_no_figure_of_huge_pages(self):
        document = sample.replay()
        for entry in document["replay"]["allocators"]:
            del entry["huge_pages"]
        with sample.scratch() as folder:
            self.assertTrue(FIGURES["huge_pages"].frame(load([sample.write(folder, document)])).empty)

    def test_a_trace_without_times_is_drawn_over_its_operations(self):
        frame = FIGURES["memory"].frame(self.results).assign(time_s=0.0)
        figure = FIGURES["memory"].draw(frame)
        axis = panel(figure, "slub  (objects)")
        self.assertEqual(axis.get_xlabel(), "operations replayed")
        self.assertEqual(list(lines_of(axis, "held")[0].get_xdata()), sorted(set(frame.operation)))

    def test_an_allocator_without_pages_below_has_no_panel_of_free_blocks(self):
        frame, _ = self.drawn("free_blocks")
        self.assertEqual(set(frame.label), {"slub", "buddy"})

    def test_scale_lines_are_the_counts_of_the_file_per_thousand_operations(self):
        _, figure = self.drawn("scale")
        rows = sample.scale()["scale"]["rows"]
        column = {axis.get_title(loc="left"): i for i, axis in enumerate(figure.axes[:3])}
        kinds = (("fast_allocations", "fast_frees"), ("refills",), ("flushes",), ("allocation_node_locks",), ("free_node_locks",))
        self.assertEqual(list(column), ["local", "prodcons", "pingpong"])
        for row, names in enumerate(kinds):
            for pattern, place in column.items():
                line, = lines_of(figure.axes[3 * row + place], "slub")
                mine = [each for each in rows if (each["pattern"], each["allocator"]) == (pattern, "slub")]
                self.assertEqual(list(line.get_xdata()), [each["cpus"] for each in mine])
                np.testing.assert_allclose(line.get_ydata(), [1000 * sum(each[name] for name in names) / each["operations"]
                                                              for each in mine])

    def test_scale_shows_the_remote_frees_of_the_pattern_beside_the_locks_of_frees(self):
        _, figure = self.drawn("scale")
        line, = lines_of(figure.axes[3 * 4 + 1], "remote frees")
        self.assertEqual(list(line.get_ydata()), [0, 500, 500])

    def test_path_bars_have_the_lengths_of_the_shares_and_sum_to_one(self):
        frame, figure = self.drawn("paths")
        for name, entry in self.entries():
            for direction, counts in list(entry["paths"].items())[:2]:  # the third is part of the second
                rows = frame[(frame.label == name) & (frame.direction == direction)].set_index("path")
                self.assertEqual(dict(rows["count"]), {path: n for path, n in counts.items() if n})
                self.assertAlmostEqual(rows.share.sum(), 1)
        widths = [patch.get_width() for patch in panel(figure, "frees").patches]
        np.testing.assert_allclose(sorted(widths), sorted(frame[frame.direction == "frees"].share))

    def test_path_cost_shows_median_of_each_path(self):
        _, figure = self.drawn("path_cost")
        for name, entry in self.entries():
            lines = lines_of(panel(figure, f"{entry['layer']} layer"), name)
            self.assertEqual(sorted(line.get_xdata()[0] for line in lines),
                             sorted(row["p50"] for row in entry["latency_by_path"]))
            hollow = [line.get_markerfacecolor() == "white" for line in lines]
            self.assertEqual(sum(hollow), sum(row["count"] < 100 for row in entry["latency_by_path"]))

    def test_peers_are_ratios_to_the_median_of_the_floor(self):
        frame, figure = self.drawn("peers")
        pair = frame[(frame.work == "pair") & (frame["size"] == 64)]
        floor = pair[pair.label == "floor"].ns.median()
        points, = lines_of(panel(figure, "pair/64"), "jemalloc")
        np.testing.assert_allclose(points.get_xdata(), pair[pair.label == "jemalloc"].ns / floor)

    def test_works_without_a_floor_are_measured_by_that_of_others(self):
        rows = self.results.peers
        copied = rows[(rows.work == "pair") & (rows.allocator != "floor")].assign(work="malloc-pair")
        frame = with_ratio(pd.concat([rows, copied], ignore_index=True))
        floor = rows[rows.allocator == "floor"].ns.median()
        mine = frame[frame.work == "malloc-pair"]
        np.testing.assert_allclose(mine.ratio, mine.ns / floor)
        drawn = [axis for axis in FIGURES["peers"].draw(frame).axes if axis.get_visible()]
        self.assertEqual(len(drawn), frame.groupby(["work", "size"]).ngroups)

    def test_of_many_works_one_size_and_one_order_is_drawn(self):
        keys = [(work, size) for work in ("pair", "batch-lifo", "batch-random", "churn") for size in (8, 64, 100, 512, 4096)]
        frame = pd.DataFrame(keys, columns=["work", "size"])
        self.assertEqual(shown(frame), [("pair", 64), ("batch-random", 64), ("churn", 64)])
        self.assertEqual(shown(frame[:8]), keys[:8])

    def test_the_lines_of_an_allocator_in_several_files_differ(self):
        for name in style.LOOKS:
            looks = style.looks([f"{name} ({file})" for file in "abcd"]).values()
            self.assertEqual(len({look["linestyle"] for look in looks}), 4, name)
            self.assertEqual(len({look["color"] for look in looks}), 1, name)

    def test_a_log_axis_has_neither_too_many_labels_nor_a_single_one(self):
        for low, high, wanted in ((0.5, 200, [1, 10, 100]), (1.3, 12, [2, 5, 10]), (1.3, 4.8, [1.5, 2, 3, 4]), (0.9, 60, [1, 10]), (1.3, 60, [2, 5, 10, 20, 50])):
            np.testing.assert_allclose(round_ticks(low, high, 4), wanted)

    def test_micro_lines_join_the_medians(self):
        frame, figure = self.drawn("micro")
        line, = lines_of(panel(figure, "batch/lifo"), "malloc")
        rows = frame[(frame.work == "batch/lifo") & (frame.label == "malloc")]
        np.testing.assert_allclose(line.get_ydata(), rows.groupby("size").ns.median())


class Looks(unittest.TestCase):
    def test_no_two_allocators_look_alike(self):
        seen = {look: name for name, look in style.LOOKS.items() if name != "glibc"}
        self.assertEqual(len(seen), len(style.LOOKS) - 1)
        colours = [look[0] for name, look in style.LOOKS.items() if name != "glibc"]
        self.assertEqual(len(set(colours)), len(colours))

    def test_ways_of_calling_are_of_one_series_and_files_are_not(self):
        self.assertEqual([style.series(label) for label in ("slub", "slub-kmalloc-call", "slub-sheaves", "slub-call (a b)")],
                         ["slub", "slub", "slub-sheaves", "slub (a b)"])

    def test_an_unknown_name_keeps_its_look(self):
        self.assertEqual(style.look("mine"), style.look("mine"))
        self.assertTrue(all(style.look("mine")))

    def test_the_same_allocator_of_two_files_differs_by_dash_alone(self):
        first, second = style.looks(["slub (before)", "slub (after)"]).values()
        self.assertEqual(first["color"], second["color"])
        self.assertNotEqual(first["linestyle"], second["linestyle"])


if __name__ == "__main__":
    unittest.main()
