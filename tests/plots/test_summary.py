"""The summary claims what the repetitions support, and nothing else."""

import unittest

import numpy as np
import pandas as pd

import sample
from plots import intervals, summary, units
from plots.load import load


def statements(document):
    with sample.scratch() as folder:
        results = load([sample.write(folder, document)])
    return summary.replay_statements(results)


def throughput(first, second):
    return [each for each in statements(sample.with_throughput(first, second)) if each.text.startswith("Throughput") and each.kind != "fact"]


class Claims(unittest.TestCase):
    def test_ahead_is_said_when_the_repetitions_are_far_apart(self):
        said, = throughput([61e6, 60e6, 62e6], [33e6, 32e6, 32.5e6])
        self.assertEqual(said.kind, "claim")
        self.assertIn("slub is ahead of malloc (1.88 times as fast", said.text)

    def test_whoever_is_faster_is_named_whatever_the_order_of_the_file(self):
        said, = throughput([33e6, 32e6, 32.5e6], [61e6, 60e6, 62e6])
        self.assertIn("malloc is ahead of slub", said.text)

    def test_ahead_is_not_said_when_the_repetitions_overlap(self):
        said, = throughput([40e6, 44e6, 42e6], [41e6, 43e6, 39e6])
        self.assertEqual(said.kind, "open")
        self.assertIn("no difference that these repetitions support", said.text)
        self.assertNotIn("ahead", said.text)

    def test_three_scattered_repetitions_do_not_support_a_small_lead_even_without_overlap(self):
        said, = throughput([44e6, 50e6, 47e6], [40e6, 43e6, 36e6])
        self.assertEqual(said.kind, "open")

    def test_one_repetition_supports_nothing(self):
        said, = throughput([90e6], [10e6])
        self.assertEqual(said.kind, "open")
        self.assertIn("too few repetitions", said.text)

    def test_frees_on_another_cpu_are_called_dearer_where_the_repetitions_support_it(self):
        said = [each for each in statements(sample.replay()) if each.text.startswith("kfree")]
        self.assertEqual([each.kind for each in said], ["claim", "open"])
        self.assertIn("takes longer on another CPU than the allocation's, on the mean: slub 4.49 times", said[0].text)
        self.assertIn("not longer, as far as these repetitions tell: malloc ", said[1].text)

    def test_equal_repetitions_are_no_lead(self):
        said, = throughput([40e6] * 5, [40e6] * 5)
        self.assertEqual(said.kind, "open")

    def test_disturbances_that_hit_a_whole_round_do_not_hide_a_lead(self):
        rounds = np.array([1.0, 0.5, 0.9, 0.3, 0.7])
        said, = throughput(list(60e6 * rounds), list(50e6 * rounds * [1, 1.01, 0.99, 1, 1.01]))
        self.assertEqual(said.kind, "claim")

    def test_rounds_of_two_runs_are_not_paired(self):
        rounds = np.array([1.0, 0.5, 0.9, 0.3, 0.7])
        groups = {"slub (a)": 60e6 * rounds, "slub (b)": 50e6 * rounds * [1, 1.01, 0.99, 1, 1.01]}
        said, = summary.compare(groups, "more", "x")
        self.assertEqual(said.kind, "open")

    def test_pairs_are_compared_without_the_floor_and_less_is_better(self):
        said = summary.peers_statements(load([sample.PEERS]).peers)
        self.assertEqual([each.kind for each in said], ["claim"])
        self.assertIn("pair/64: slub is ahead of tcmalloc", said[0].text)
        self.assertNotIn("floor", said[0].text)

    def test_kernels_are_said_to_be_guests_and_their_floor_is_told(self):
        pairs = pd.DataFrame([{"work": "pair", "size": 64, "label": label, "ns": ns} for label, times in {
            "floor": [1.0, 1.1, 1.0], "slub": [2.0, 2.1, 2.0], "kernel:old-1": [9.0, 9.1, 9.2],
                            "kernel:old-1-kmalloc": [9.5, 9.6, 9.4], "kernel:old-1-floor": [1.5, 1.5, 1.6]}.items() for ns in times])
        said = [each.text for each in summary.peers_statements(pairs)]
        self.assertIn("pair/64: the bare list of the floor takes 1.50 times as long in kernel:old-1-floor as here.", said)
        self.assertEqual(sum(text.startswith("kernel:old-1 ran as guests") for text in said), 1)
        self.assertFalse([text for text in said if "ahead" in text and "floor" in text])
        self.assertEqual(summary.guest_statements(["slub", "malloc"]), [])

    def test_claims_on_noise_are_rare(self):
        generator = np.random.default_rng(3)
        trials = 200
        claims = sum(intervals.ratio_interval(*generator.lognormal(0, 0.1, size=(2, 5))).above(1) for _ in range(trials))
        self.assertLess(claims, 0.05 * trials)


class Facts(unittest.TestCase):
    def test_failures_and_violations_are_warnings(self):
        document = sample.replay()
        sample.allocator(document, "slub")["violation"] = {"law": "U3", "found": "nr_partial 4, list has 3"}
        warnings = " ".join(each.text for each in statements(document) if each.kind == "warning")
        self.assertIn("slub broke a law: U3 nr_partial 4, list has 3", warnings)
        self.assertIn("buddy: 3 allocations of 3,000", warnings)
        self.assertFalse(any("no law was found broken" in each.text for each in statements(document)))

    def test_memory_at_the_peak_is_told_against_what_was_requested(self):
        timeline = sample.allocator(sample.replay(), "slub")["timeline"]
        at = timeline["held_bytes"].index(max(timeline["held_bytes"]))
        ratio = timeline["held_bytes"][at] / timeline["requested_bytes"][at]
        said = next(each.text for each in statements(sample.replay()) if each.text.startswith("Memory, objects"))
        self.assertIn(f"({ratio:.2f} times)", said)

    def test_who_held_least_is_named_unless_two_did(self):
        document = sample.replay()
        held = {name: np.mean(sample.allocator(document, name)["timeline"]["held_bytes"]) for name in ("slub", "malloc")}
        least = min(held, key=held.get)
        self.assertTrue(any(f"{least} held least, {units.bytes_text(held[least])}, " in each.text for each in statements(document)))
        for name in ("slub", "malloc"):
            timeline = sample.allocator(document, name)["timeline"]
            timeline["held_bytes"] = [2**30] * len(timeline["held_bytes"])
        self.assertFalse(any("held least" in each.text for each in statements(document)))

    def test_who_serves_frees_on_another_cpu_fast_is_told_by_counts(self):
        said = [each.text for each in statements(sample.replay()) if each.text.startswith("Frees on another CPU")]
        self.assertEqual(said, ["Frees on another CPU than the allocation's, objects layer: the fast path served "
                                "5.0\u00a0% with slub.",
                                "Frees on another CPU than the allocation's, pages layer: the fast path served "
                                "100\u00a0% with buddy."])

    def test_a_count_of_held_memory_below_what_was_requested_is_doubted(self):
        document = sample.replay()
        timeline = sample.allocator(document, "malloc")["timeline"]
        timeline["held_bytes"] = [value // 4 for value in timeline["requested_bytes"]]
        said = [each for each in statements(document) if "malloc says that it held less" in each.text]
        self.assertEqual([each.kind for each in said], ["warning"])

    def test_a_coarse_timer_is_told(self):
        document = sample.replay()
        self.assertFalse(any("moves in steps" in each.text for each in statements(document)))
        for allocator in document["replay"]["allocators"]:
            for latency in allocator["latency"]:
                latency["histogram"] = [[0, 5], [10, 60], [20, 30], [1000, 5]]
        self.assertTrue(any("steps of about 10\u00a0ns" in each.text for each in statements(document)))

    def test_the_summary_keeps_the_telling_pairs_of_many(self):
        many = [summary.Statement("claim", f"pair/{size}: a is ahead of b.") for size in (8, 16, 32, 64, 128, 256, 4096)]
        self.assertEqual([each.text[:9] for each in summary.most_telling(many)], ["pair/64: ", "pair/4096"])
        self.assertEqual(summary.most_telling(many[:3]), many[:3])

    def test_fragmentation_at_the_end_is_told_for_orders_three_and_nine(self):
        lists = sample.allocator(sample.replay(), "buddy")["timeline"]["unusable_index"]
        said = next(each.text for each in statements(sample.replay()) if each.text.startswith("Fragmentation"))
        self.assertIn(f"{lists[9][-1] / 10:.1f}\u00a0% with buddy", said)

    def test_whose_frees_take_locks_most_often_is_told_by_exact_counts(self):
        rows = [row for row in sample.scale()["scale"]["rows"] if (row["pattern"], row["cpus"]) == ("prodcons", 8)]
        rates = sorted(((1000 * row["free_node_locks"] / row["operations"], row["allocator"]) for row in rows), reverse=True)
        said = [each.text for each in summary.scale_statements(load([sample.SCALE]).scale)]
        self.assertIn(f"prodcons, 8 CPUs: frees take a lock of the node most often with {rates[0][1]} "
                      f"({rates[0][0]:.3g} times in 1000 operations), less with {rates[1][1]} (", said[2])

    def test_nobody_is_named_first_where_locks_are_taken_equally_often(self):
        frame = load([sample.SCALE]).scale.assign(free_node_locks=0)
        self.assertFalse(any("most often" in each.text for each in summary.scale_statements(frame)))

    def test_a_broken_law_and_failures_of_scale_are_warnings(self):
        document = sample.scale()
        document["scale"]["rows"][0].update(violation="U3: lost", failures=2)
        with sample.scratch() as folder:
            said = summary.scale_statements(load([sample.write(folder, document)]).scale)
        self.assertEqual(len([each for each in said if each.kind == "warning"]), 2)

    def test_costly_requests_that_failed_are_counted_where_operations_name_their_order(self):
        document = sample.replay()
        rows = sample.allocator(document, "buddy")["latency_by_path"]
        for path, count in (("zone", 75), ("failed", 25)):
            rows.append({**rows[0], "operation": "alloc_pages order 4", "path": path, "count": count})
        said = next(each.text for each in statements(document) if "order 3 and more" in each.text)
        self.assertIn("buddy: 25 of 100", said)

    def test_a_build_with_checks_or_a_governor_casts_doubt(self):
        document = sample.replay()
        document["context"].update(checks=["address"], cpu_scaling_enabled=True)
        with sample.scratch() as folder:
            texts = [each.text for each in summary.warnings(load([sample.write(folder, document)]).sources)]
        self.assertEqual(len(texts), 2)
        self.assertIn("checks are enabled (address)", texts[0])

    def test_a_clean_environment_gives_no_warning(self):
        self.assertEqual(summary.warnings(load(sample.ALL).sources), [])

    def test_a_peer_that_was_skipped_is_told(self):
        document = sample.small_replay()
        document["replay"]["skipped"] = [{"name": "mimalloc", "absent": "no such file"}]
        with sample.scratch() as folder:
            texts = [each.text for each in summary.warnings(load([sample.write(folder, document)]).sources)]
        self.assertEqual(texts, ["changed: mimalloc was not replayed: no such file."])


if __name__ == "__main__":
    unittest.main()
