"""Five questions: each is answered where the files have it, no further than they support, and else says what to measure."""

import copy
import unittest

import numpy as np

import sample
from plots.answers import questions
from plots.load import load
from plots.report import build

FASTEST, LEANEST, MISS, STACKS, CHANGE = range(5)


def noisy(median, repetitions=8, seed=5):
    return [float(value) for value in median * np.exp(np.random.default_rng(seed).normal(0, 0.01, repetitions))]


def with_slab():
    """The replay with an allocator beside slub that serves a tenth of its frees by another path, and is otherwise the same."""
    document = sample.replay()
    slab = copy.deepcopy(sample.allocator(document, "slub"))
    frees = slab["paths"]["frees"]
    frees["flush"] = frees["fast"] // 10
    frees["fast"] -= frees["flush"]
    document["replay"]["allocators"].insert(1, {**slab, "name": "slab"})
    return document


class Answers(unittest.TestCase):
    def asked(self, question, *documents):
        """The answer from files file0, file1 ... of these documents."""
        with sample.scratch() as folder:
            results = load([sample.write(folder, document, f"file{i}.json") for i, document in enumerate(documents)])
        return questions(results)[question].answer


class Fastest(Answers):
    def test_a_planted_lead_is_claimed_of_whoever_has_it(self):
        for first, second, leader, other in ((60e6, 30e6, "slub", "malloc"), (30e6, 60e6, "malloc", "slub")):
            found = self.asked(FASTEST, sample.with_throughput(noisy(first), noisy(second)))
            self.assertEqual((found.kind, found.figure, found.trace), ("claim", "throughput", "sample"))
            self.assertIn(f"On sample {leader} is ahead of {other} (2.00 times as fast, 95\u00a0% interval", found.text)

    def test_where_there_is_no_lead_none_is_claimed(self):
        found = self.asked(FASTEST, sample.with_throughput(noisy(40e6, seed=1), noisy(40e6, seed=2)))
        self.assertEqual(found.kind, "open")
        self.assertNotIn("ahead", found.text)

    def test_why_is_the_path_whose_share_differs_most(self):
        document = with_slab()
        sample.allocator(document, "slab")["ops_per_second"] = [value / 2 for value in sample.allocator(document, "slub")["ops_per_second"]]
        mine, theirs = (sample.allocator(document, name)["paths"]["frees"] for name in ("slub", "slab"))
        shares = [100 * paths["fast"] / sum(paths.values()) for paths in (mine, theirs)]
        self.assertIn(f"by counts it differs most from slab in frees by the path fast, {shares[0]:.1f}\u00a0% against {shares[1]:.1f}\u00a0%.",
                      self.asked(FASTEST, document).text)

    def test_equal_counts_and_paths_that_are_not_told_are_no_reason(self):
        document = with_slab()
        slab = sample.allocator(document, "slab")
        slab["paths"] = sample.allocator(document, "slub")["paths"]
        slab["ops_per_second"] = [value / 2 for value in slab["ops_per_second"]]
        self.assertIn("the counts of their paths do not tell why: those of slab are the same", self.asked(FASTEST, document).text)
        self.assertIn("why cannot be told: no paths are counted of malloc", self.asked(FASTEST, sample.replay()).text)

    def test_who_failed_requests_or_broke_a_law_is_not_compared(self):
        for member, value in (("failures", 3), ("violation", {"law": "U3", "found": "lost"})):
            document = with_slab()
            slab = sample.allocator(document, "slab")
            slab.update({member: value, "ops_per_second": [value * 9 for value in slab["ops_per_second"]]})
            self.assertIn("On sample slub is ahead of malloc", self.asked(FASTEST, document).text)

    def test_one_allocator_is_not_compared_with_itself(self):
        self.assertIsNone(self.asked(FASTEST, sample.small_replay()))
        self.assertIsNone(self.asked(FASTEST, sample.scale()))


class Leanest(Answers):
    def held(self, slub, malloc):
        """The answer where both hold so many times what is requested."""
        document = sample.replay()
        for name, times in (("slub", slub), ("malloc", malloc)):
            timeline = sample.allocator(document, name)["timeline"]
            timeline["held_bytes"] = [times * 2**20] * len(timeline["held_bytes"])
            timeline["requested_bytes"] = [2**20] * len(timeline["held_bytes"])
        return self.asked(LEANEST, document)

    def test_who_holds_least_is_named_with_what_the_next_one_holds(self):
        found = self.held(4, 3)
        self.assertEqual((found.kind, found.figure), ("fact", "memory"))
        self.assertIn("malloc holds least, 3\u00a0MiB for the 1\u00a0MiB that were requested", found.text)
        self.assertIn("25.0\u00a0% less than slub", found.text)

    def test_nobody_holds_least_where_both_hold_the_same(self):
        self.assertIn("slub and malloc hold equally little", self.held(3, 3).text)

    def test_a_count_that_is_not_complete_is_not_compared(self):
        self.assertIsNone(self.held(3, 0.5))

    def test_without_a_replay_nothing_is_said(self):
        self.assertIsNone(self.asked(LEANEST, sample.mapping()))


class Miss(Answers):
    def test_a_miss_costs_what_its_knee_rises_by(self):
        found = self.asked(MISS, sample.mapping())
        self.assertEqual((found.kind, found.figure), ("claim", "mapping_access"))
        self.assertIn("1.99\u00a0ns longer behind the L1 TLB (91 pages) and 62.7\u00a0ns longer behind the L2 TLB (1,448 pages)", found.text)

    def test_a_chase_that_is_not_surely_slower_than_that_through_lines_shows_no_miss(self):
        document = sample.mapping()
        rows = {row["name"]: [] for row in document["benchmarks"]}
        for row in document["benchmarks"]:
            rows[row["name"]].append(row)
        most = max(int(name.split("/")[1]) for name in rows if name.startswith("access/") and name.endswith("direct-4k"))
        for pages, lines, factor in zip(rows[f"access/{most}/direct-4k"], rows[f"access/{most}/lines"], (0.9, 1.3, 1.1)):
            pages["cpu_time"] = factor * lines["cpu_time"]
        self.assertEqual(self.asked(MISS, document).kind, "open")

    def test_without_a_knee_no_cost_is_told(self):
        document = sample.mapping()
        document["mapping"]["access"]["knees"] = [knee for knee in document["mapping"]["access"]["knees"] if knee["who"] != "direct-4k"]
        self.assertEqual(self.asked(MISS, document).kind, "open")

    def test_the_played_tlb_has_no_nanoseconds(self):
        document = sample.mapping()
        document["benchmarks"] = [row for row in document["benchmarks"] if row["name"].startswith(("access/64/soft", "vmalloc/"))]
        self.assertIsNone(self.asked(MISS, document))


class Stacks(Answers):
    def made(self, direct, mapped):
        document = sample.mapping()
        for row in document["benchmarks"]:
            if row["name"].startswith("stack-create/"):
                row["cpu_time"] = {"direct": direct, "vmap": mapped}.get(row["name"].rpartition("/")[2], [1] * 3)[row["repetition_index"]]
        return self.asked(STACKS, document)

    def test_a_planted_cost_is_told_with_what_a_kept_stack_costs(self):
        found = self.made([100, 101, 102], [1000, 1010, 1020])
        self.assertEqual((found.kind, found.figure), ("claim", "mapping_stacks"))
        self.assertRegex(found.text, r"^Making a stack by vmalloc takes 10\.00 times .* as long as one in the direct map; one that its CPU has kept is handed out in 3\d\d")

    def test_equal_times_are_no_cost(self):
        found = self.made([100, 120, 110], [110, 100, 120])
        self.assertEqual(found.kind, "open")
        self.assertIn("these repetitions do not tell", found.text)

    def test_one_repetition_is_too_few(self):
        document = sample.mapping()
        document["benchmarks"] = [row for row in document["benchmarks"] if row["repetition_index"] == 0]
        self.assertIn("(they are too few)", self.asked(STACKS, document).text)

    def test_a_replay_of_tasks_answers_too(self):
        document = sample.replay()
        slub = sample.allocator(document, "slub")
        document["replay"]["allocators"] = [{**copy.deepcopy(slub), "layer": "stacks", "name": name, "ops_per_second": rates}
                                            for name, rates in (("kstack-direct", noisy(60e6)), ("kstack-vmap", noisy(20e6)))]
        found = self.asked(STACKS, document)
        self.assertEqual((found.kind, found.figure), ("claim", "throughput"))
        self.assertIn("On sample a replay of stacks by vmalloc takes 3.00 times", found.text)

    def test_without_stacks_nothing_is_said(self):
        self.assertIsNone(self.asked(STACKS, sample.replay()))


class Change(Answers):
    def changed(self, before, after):
        documents = [sample.with_throughput(*rates) for rates in (before, after)]
        for document in documents:
            document["replay"]["allocators"].remove(sample.allocator(document, "buddy"))
        return self.asked(CHANGE, *documents)

    def test_a_planted_delay_is_found_in_its_allocator_alone(self):
        found = self.changed((noisy(60e6, seed=1), noisy(30e6, seed=2)), (noisy(40e6, seed=3), noisy(30e6, seed=4)))
        self.assertEqual((found.kind, found.figure, found.trace), ("claim", "throughput", "sample"))
        self.assertRegex(found.text, r"^Yes: with file1 slub takes 1\.(49|5\d) times \(95\u00a0% interval .*\) as long as with file0\.$")

    def test_a_gain_is_not_called_a_delay(self):
        found = self.changed((noisy(40e6, seed=1), noisy(30e6, seed=2)), (noisy(60e6, seed=3), noisy(30e6, seed=4)))
        self.assertRegex(found.text, r"^No: with file1 slub takes 0\.6\d times")

    def test_two_runs_of_the_same_do_not_differ(self):
        found = self.changed((noisy(60e6, seed=1), noisy(30e6, seed=2)), (noisy(60e6, seed=3), noisy(30e6, seed=4)))
        self.assertEqual((found.kind, found.text), ("open", "No difference that these repetitions support between file0 and file1."))

    def test_too_few_repetitions_tell_nothing_but_how_many_would(self):
        found = self.changed(([60e6, 61e6], [30e6, 31e6]), ([20e6, 21e6], [30e6, 31e6]))
        self.assertEqual(found.kind, "open")
        self.assertIn("one in 2 rows would take 5 repetitions in each file", found.text)

    def test_runs_of_two_machines_are_not_compared(self):
        other = sample.with_throughput(noisy(10e6), noisy(10e6))
        other["context"]["cpu"] = "Other CPU"
        found = self.asked(CHANGE, sample.with_throughput(noisy(60e6), noisy(30e6)), other)
        self.assertEqual(found.kind, "open")
        self.assertIn("not the same are cpu", found.text)

    def test_of_several_files_those_with_rows_in_common_are_compared(self):
        other = sample.replay()
        for entry in other["replay"]["allocators"]:
            entry["name"] += "-2"
        same = sample.with_throughput(noisy(60e6), noisy(30e6))
        found = self.asked(CHANGE, other, same, sample.with_throughput(noisy(40e6), noisy(30e6)))
        self.assertRegex(found.text, "^Yes: with file2 slub takes .* as long as with file1")

    def test_one_file_holds_no_change(self):
        self.assertIsNone(self.asked(CHANGE, sample.replay(), sample.scale()))


class Page(unittest.TestCase):
    def test_the_questions_come_first_and_each_answer_leads_to_its_figure(self):
        page = build(load([sample.REPLAY, sample.MAPPING]))
        first = page[page.index("<main"):page.index('<section id="summary"')]
        self.assertEqual(first.count("<dt>"), 5)
        for anchor in ("throughput-1", "memory-1", "mapping_access-0", "mapping_stacks-0"):
            self.assertIn(f'href="#{anchor}"', first)
        self.assertEqual(first.count("Not measured"), 1)

    def test_what_was_not_measured_is_told_with_the_command_that_does(self):
        page = build(load([sample.SCALE]))
        self.assertEqual(page.count("Not measured"), 5)
        self.assertIn("<code>kmemlab mapping --filter ^access/ --json FILE</code>", page)


if __name__ == "__main__":
    unittest.main()
