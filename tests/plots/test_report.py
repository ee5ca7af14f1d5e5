"""The report is whole, true to its input, and needs nothing from outside."""

import base64
import gzip
import re
import unittest
from html.parser import HTMLParser
from unittest import mock

import numpy as np
import pandas as pd
import sample
from plots import report, tables, units
from plots.figures import FIGURES
from plots.load import load
from plots.report import build

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Open elements, ids, links and cells of tables; tells what was not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.faults, self.ids, self.links, self.figures, self.cells = [], [], [], [], [], []
        self.names, self.unnamed = set(), []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given[key] for key in ("href", "src", "xlink:href") if key in given]
        self.figures += [given["id"]] if tag == "figure" else []
        if (tag == "svg" and not given.get("aria-label")) or (tag == "img" and not given.get("alt")):
            self.unnamed.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append((tag, self.getpos()))

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = load(sample.ALL)
        cls.page = build(cls.results)
        cls.outline = Outline()
        cls.outline.feed(cls.page)

    def test_every_tag_is_closed(self):
        self.assertEqual(self.outline.faults, [])
        self.assertEqual(self.outline.open, [])

    def test_ids_are_unique_and_every_inner_link_has_its_target(self):
        self.assertEqual(len(self.outline.ids), len(set(self.outline.ids)))
        inner = {link[1:] for link in self.outline.links if link.startswith("#")}
        self.assertLessEqual(inner, set(self.outline.ids))

    def test_nothing_points_outside_of_the_page(self):
        self.assertTrue(self.outline.links)
        for link in self.outline.links:
            self.assertTrue(link.startswith(("#", "data:")), link[:80])
        self.assertNotRegex(self.page, r"@import|url\(\s*['\"]?https?:|<script\s|<iframe")

    def test_the_page_is_below_five_megabytes(self):
        self.assertLess(len(self.page.encode()), 5_000_000)

    def test_every_figure_is_there_once_with_caption_data_and_command(self):
        drawn = [anchor.rpartition("-")[0] for anchor in self.outline.figures]
        self.assertEqual(sorted(drawn), sorted(FIGURES))
        self.assertEqual(self.page.count("<figcaption>"), len(FIGURES))
        self.assertEqual(self.page.count("data:application/gzip"), len(FIGURES))
        for name in FIGURES:
            self.assertIn(f"python3 -m plots draw {name} ", self.page)

    def test_the_data_behind_a_figure_is_compressed_csv(self):
        linked = re.search(r'<figure id="scale-0">.*?download="scale-0.csv.gz" href="data:application/gzip;base64,([^"]+)"', self.page, re.S)[1]
        frame = FIGURES["scale"].frame(self.results)
        self.assertEqual(gzip.decompress(base64.b64decode(linked)).decode(), frame.to_csv(index=False, float_format="%.10g"))

    def test_of_too_much_data_some_rows_are_left_out_and_it_says_so(self):
        frame = pd.DataFrame({"x": np.random.default_rng(1).random(40_000)})
        uri, note = report.data_link(frame)
        self.assertLess(len(uri), report.LARGEST_DATA * 1.5)
        self.assertRegex(note, r"^one row in \d of 40,000")
        self.assertEqual(report.data_link(frame[:100])[1], "")

    def test_a_figure_that_is_too_large_for_lines_says_that_nothing_in_it_can_be_hidden(self):
        said = "All allocators stay in this figure"
        self.assertNotIn(said, self.page)
        with mock.patch.object(report, "LARGEST_SVG", 0), sample.scratch() as folder:
            page = build(load([sample.write(folder, sample.small_replay())]))
        self.assertGreater(page.count("<img"), 3)
        self.assertEqual(page.count(said), page.count("<img"))

    def test_of_two_traces_commands_name_the_files_that_they_need_and_regions_their_trace(self):
        first, second = sample.small_replay(), sample.small_replay()
        second["replay"]["trace"]["name"] = "other"
        with sample.scratch() as folder:
            page = build(load([sample.write(folder, first, "1.json"), sample.write(folder, second, "2.json")]))
        named = re.findall(r'role="region"[^>]*aria-label="([^"]*)"', page)
        self.assertGreater(len(named), 10)
        self.assertEqual(len(named), len(set(named)))
        self.assertIn("plots draw latency 1.json --trace sample -o", page)
        self.assertIn("plots draw latency 2.json --trace other -o", page)
        self.assertIn("plots report 1.json 2.json -o", page)

    def test_of_many_traces_the_summary_has_what_matters_most(self):
        documents = [sample.replay() for _ in range(3)]
        with sample.scratch() as folder:
            for number, document in enumerate(documents):
                document["replay"]["trace"]["name"] = f"t{number}"
            files = [sample.write(folder, document, f"{number}.json") for number, document in enumerate(documents)]
            for count, lists, places in ((2, (2, 0), (2, 0)), (3, (0, 3), (3, 3))):
                parts = build(load(files[:count])).split('<section id="trace-1"')
                self.assertEqual(tuple(part.count(">Fragmentation at the end") for part in parts), lists)
                self.assertEqual(tuple(part.count(">Memory, objects layer") for part in parts), places)

    def test_language_landmarks_and_names_of_pictures(self):
        self.assertIn('<html lang="en">', self.page)
        self.assertLessEqual({"header", "nav", "main", "footer", "h1", "h2", "h3"}, self.outline.names)
        self.assertEqual(self.outline.unnamed, [])

    def test_table_of_latency_has_the_numbers_of_the_input(self):
        shown = {(row[0], row[1]): row[2:] for row in tables.latency(self.results).rows}
        for entry in sample.replay()["replay"]["allocators"]:
            for latency in entry["latency"]:
                expected = [units.count_text(latency["count"])] + [
                    units.nanoseconds_text(latency[name])
                    for name in ("mean", "p50", "p90", "p99", "p99_9", "p99_99", "max")]
                self.assertEqual(shown[latency["operation"], entry["name"]], expected)
                self.assertLessEqual(set(expected), set(self.outline.cells))

    def test_table_of_allocators_has_peak_overhead_failures_and_checks(self):
        table = tables.overview(self.results)
        shown = {row[0]: dict(zip(table.head[1:], row[1:])) for row in table.rows}
        for entry in sample.replay()["replay"]["allocators"]:
            held = max(entry["timeline"]["held_bytes"])
            at = entry["timeline"]["held_bytes"].index(held)
            name, requested = entry["name"], entry["timeline"]["requested_bytes"][at]
            self.assertEqual(shown["held at its peak"][name], units.bytes_text(held))
            self.assertEqual(shown["requested then"][name], units.bytes_text(requested))
            self.assertEqual(shown["held / requested"][name], units.ratio_text(held / requested))
            self.assertEqual(shown["failures"][name], str(entry["failures"]))
            self.assertEqual(shown["times checked"][name], str(entry["checks"]))
            self.assertEqual(shown["throughput, median"][name],
                             units.rate_text(sorted(entry["ops_per_second"])[1]))

    def test_commands_and_unmatched_events_are_told(self):
        document = sample.replay()
        self.assertIn(document["context"]["command"], self.page)
        for name in ("frees_without_allocation", "addresses_reused_without_free", "never_freed"):
            self.assertIn(name.replace("_", " "), self.page)
            self.assertIn(units.count_text(document["replay"]["trace"][name]), self.outline.cells)

    def test_what_differs_between_two_files_is_marked(self):
        before, after = sample.small_replay(), sample.small_replay()
        after["context"]["tunables"]["slub.max_order"] = "0"
        with sample.scratch() as folder:
            results = load([sample.write(folder, before, "before.json"), sample.write(folder, after, "after.json")])
        table = tables.environment(results.sources)
        facts, tunables = tables.same_everywhere(results.sources)
        same = {row[0]: row[1:] for row in facts.rows}
        self.assertEqual(same["kernel"], [before["context"]["kernel"]])
        self.assertFalse({"command", "host_name"} & set(same))
        self.assertEqual({row[0] for row in tables.same_everywhere(results.sources[:1])[1].rows} - {row[0] for row in tunables.rows}, {"slub.max_order"})
        marked = {table.rows[row][0] for row, _ in table.marked}
        self.assertEqual(marked, {"tunable slub.max_order (differs)"})
        self.assertEqual(set(results.allocators.label), {"malloc (before)", "malloc (after)"})
        self.assertRegex(build(results), r'class="marked">0<')

    def test_text_of_the_input_is_escaped(self):
        document = sample.small_replay()
        document["replay"]["trace"]["name"] = "<b>&\"x"
        with sample.scratch() as folder:
            page = build(load([sample.write(folder, document)]))
        self.assertNotIn("<b>", page)
        outline = Outline()
        outline.feed(page)
        self.assertEqual((outline.faults, outline.open), ([], []))

    def test_two_traces_get_a_section_each(self):
        first, second = sample.small_replay(), sample.small_replay()
        second["replay"]["trace"]["name"] = "other"
        with sample.scratch() as folder:
            page = build(load([sample.write(folder, first, "1.json"), sample.write(folder, second, "2.json")]))
        self.assertEqual(re.findall(r'<h2 id="trace-\d-title">(.*?)</h2>', page), ["Trace sample", "Trace other"])


class Units(unittest.TestCase):
    def test_numbers_are_short_and_have_their_unit(self):
        space = units.SPACE
        for text, value in (("35 ns", units.nanoseconds_text(35)), ("1.23 µs", units.nanoseconds_text(1234)),
                            ("1 µs", units.nanoseconds_text(999.9)), ("1.25 MiB", units.bytes_text(1.25 * 2**20)),
                            ("0 B", units.bytes_text(0)), ("12.3 M/s", units.rate_text(12_345_678)),
                            ("0.50 %", units.percent_text(0.005)), ("over 99.99 %", units.percent_text(0.999999)),
                            ("100 %", units.percent_text(1)), ("–", units.bytes_text(float("nan")))):
            self.assertEqual(value.replace(space, " "), text)


if __name__ == "__main__":
    unittest.main()
