"""Two runs compared: what gets a verdict, what does not, and what is said when nothing can be told."""

import json
import sys
import unittest
from pathlib import Path

import numpy as np

import sample
from plots import compare
from plots.intervals import Interval
from test_command import run


def noisy(generator, median, repetitions, spread=0.01):
    """Times of one row, in ns."""
    return [float(value) for value in median * np.exp(generator.normal(0, spread, repetitions))]


def document(rows, **context):
    environment = {"cpu": "Example CPU", "num_cpus": 2, "kernel": "6.1.0", "compiler": "g++ 12.2.0", **context}
    return {"context": environment,
            "benchmarks": [{"name": name, "run_name": name, "run_type": "iteration", "repetition_index": i, "real_time": value,
                            "cpu_time": value, "time_unit": "ns"} for name, values in rows.items() for i, value in enumerate(values)]}


class Verdicts(unittest.TestCase):
    def setUp(self):
        self.dice = np.random.default_rng(7)

    def verdicts(self, a, b):
        return dict(compare.frame(a, b)[["name", "verdict"]].itertuples(index=False))

    def test_a_delay_is_found_in_its_row_alone_and_in_its_direction(self):
        names = [f"pair/{size}/slub" for size in range(8)]
        a = {name: noisy(self.dice, 10, 15) for name in names}
        b = {name: noisy(self.dice, 10, 15) for name in names}
        b["pair/3/slub"] = [value * 1.05 for value in b["pair/3/slub"]]
        b["pair/5/slub"] = [value / 1.05 for value in b["pair/5/slub"]]
        told = self.verdicts(a, b)
        self.assertEqual({name: told.pop(name) for name in ("pair/3/slub", "pair/5/slub")},
                         {"pair/3/slub": "slower", "pair/5/slub": "faster"})
        self.assertEqual(set(told.values()), {"no difference"})

    def test_of_runs_of_the_same_thing_few_get_any_verdict(self):
        wrong = 0
        for _ in range(40):
            rows = [{f"row/{i}/slub": noisy(self.dice, 10, 12, 0.05) for i in range(5)} for _ in range(2)]
            wrong += bool(set(self.verdicts(*rows).values()) & {"slower", "faster"})
        self.assertLessEqual(wrong, 5)

    def test_one_outlier_is_no_difference(self):
        a = {"pair/64/slub": noisy(self.dice, 10, 12)}
        b = {"pair/64/slub": noisy(self.dice, 10, 11) + [1000.0]}
        self.assertEqual(self.verdicts(a, b), {"pair/64/slub": "no difference"})

    def test_three_repetitions_support_nothing_and_it_is_said_how_many_would(self):
        a, b = {"pair/64/slub": [1.0, 1.01, 1.02]}, {"pair/64/slub": [9.0, 9.01, 9.02]}
        self.assertEqual(self.verdicts(a, b), {"pair/64/slub": "too few repetitions"})
        self.assertEqual(compare.repetitions_for(1), 4)
        self.assertLessEqual(compare.least_p(4, 4), compare.ALPHA)

    def test_a_verdict_needs_the_interval_and_the_p_value(self):
        apart, across = Interval(1.10, 1.05, 1.20), Interval(1.10, 0.95, 1.20)
        self.assertEqual([compare.verdict(apart, 0.001, True), compare.verdict(across, 0.001, True), compare.verdict(apart, 0.2, True)],
                         ["slower", "no difference", "no difference"])
        apart, across = Interval(0.90, 0.80, 0.95), Interval(0.90, 0.80, 1.05)
        self.assertEqual([compare.verdict(apart, 0.001, True), compare.verdict(across, 0.001, True), compare.verdict(apart, 0.2, True)],
                         ["faster", "no difference", "no difference"])

    def test_a_row_pays_for_those_beside_it(self):
        low, high = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05], [2.0, 2.01, 2.02, 2.03, 2.04, 2.05]
        alone = compare.frame({"a/1/x": low}, {"a/1/x": high}).p[0]
        self.assertAlmostEqual(alone, compare.least_p(6, 6))
        names = ["a/1/x", "b/1/x", "c/1/x"]
        data = compare.frame(dict.fromkeys(names, low), {"a/1/x": high, "b/1/x": low, "c/1/x": low})
        self.assertAlmostEqual(data.p[0], 3 * alone)

    def test_p_values_are_raised_as_holm_does(self):
        for found, wanted in zip(compare.holm([0.01, 0.04, 0.03]), (0.03, 0.06, 0.06)):
            self.assertAlmostEqual(found, wanted)
        self.assertEqual(compare.holm([0.9, 0.8]), [1.0, 1.0])

    def test_the_effect_is_the_share_of_pairs_in_which_b_is_slower(self):
        data = compare.frame({"a/1/x": [1.0, 2.0, 3.0, 4.0]}, {"a/1/x": [10.0, 20.0, 30.0, 40.0]})
        self.assertEqual(data.effect[0], 1.0)


class Command(unittest.TestCase):
    def setUp(self):
        scratch = sample.scratch()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        dice = np.random.default_rng(3)
        self.rows = {f"pair/{size}/slub": noisy(dice, size, 12) for size in (8, 64, 4096)}
        self.a = self.write("a.json", self.rows)
        self.b = self.write("b.json", {name: [value * (1.1 if "64/" in name else 1.0) for value in noisy(dice, np.median(values), 12)]
                                       for name, values in self.rows.items()})

    def write(self, name, rows, **context):
        return sample.write(self.folder, json.dumps(document(rows, **context)), name)

    def test_a_table_a_summary_and_a_status_for_who_asks(self):
        status, out, err = run("compare", self.a, self.b)
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"pair/64/slub +6[34]\.\d\sns +70\.\d\sns +1\.10\d .* slower\n")
        self.assertIn("1 slower, 2 no difference of 3 rows", out)
        self.assertEqual(run("compare", "--fail-if-slower", self.a, self.b)[0], 1)
        self.assertEqual(run("compare", "--fail-if-slower", self.b, self.a)[0], 0)

    def test_of_what_kmemlab_measures_processor_time_counts_of_others_the_clock(self):
        dice = np.random.default_rng(2)
        for kind, verdict in (("peers", "no difference"), ("mapping", "no difference"), ("replay", "no difference"), ("micro", "slower")):
            with self.subTest(kind):
                files = []
                for name, factor in (("a.json", 1), ("b.json", 2)):
                    whole = {**document({"pair/64/slub": noisy(dice, 10, 12)}), kind: {}}
                    for row in whole["benchmarks"]:
                        row["real_time"] *= factor
                    files.append(sample.write(self.folder, whole, name))
                self.assertIn(f" {verdict}\n", run("compare", *files)[1])

    def test_markdown_and_a_figure(self):
        figure = self.folder / "ratios.svg"
        status, out, err = run("compare", "--markdown", self.a, self.b, "-o", figure)
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.startswith("| row | A | B |"))
        self.assertIn("<svg", figure.read_text())

    def test_other_environments_are_refused_by_name_or_forced(self):
        other = self.write("other.json", self.rows, kernel="6.9.0")
        status, out, err = run("compare", self.a, other)
        self.assertEqual((status, out, err.count("\n")), (2, "", 1))
        self.assertIn("kernel 6.1.0 and 6.9.0", err)
        status, out, err = run("compare", "--force", self.a, other)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("not the same: kernel 6.1.0 and 6.9.0", out)
        host = self.write("host.json", self.rows, host_name="elsewhere")
        self.assertEqual(run("compare", self.write("here.json", self.rows, host_name="here"), host)[0], 2)

    def test_what_is_compared_may_differ(self):
        for name, context in (("version", {"kmemlab_version": "9.9"}), ("tunables", {"tunables": {"slub.cpu_partial": "0"}})):
            with self.subTest(name):
                first = self.write("first.json", self.rows, kmemlab_version="1.0", tunables={"slub.cpu_partial": "30"})
                second = self.write("second.json", self.rows, **{"kmemlab_version": "1.0", "tunables": {"slub.cpu_partial": "30"}, **context})
                self.assertEqual(run("compare", first, second)[0], 0)

    def test_rows_of_one_run_alone_are_named(self):
        more = self.write("more.json", {**self.rows, "pair/1/new": [1.0] * 12})
        self.assertIn("only in B: pair/1/new", run("compare", self.a, more)[1])
        self.assertIn("only in A: pair/1/new", run("compare", more, self.a)[1])

    def test_self_check_finds_the_planted_delay_and_nothing_else(self):
        dice = np.random.default_rng(11)
        quiet = self.write("quiet.json", {f"pair/{i}/slub": noisy(dice, 10, 40) for i in range(5)})
        status, out, _ = run("compare", "--self-check", quiet)
        self.assertEqual(status, 0, out)
        self.assertIn("against itself 0 of 5 rows differ; delayed by 5 % 5 are found slower", out)

    def test_self_check_fails_where_the_noise_hides_a_delay_or_halves_differ(self):
        dice = np.random.default_rng(12)
        noise = self.write("noise.json", {"pair/1/slub": noisy(dice, 10, 20, 0.3)})
        self.assertEqual(run("compare", "--self-check", noise)[0], 1)
        biased = self.write("biased.json", {"pair/1/slub": [10 + i % 2 + i / 1000 for i in range(40)]})
        status, out, _ = run("compare", "--self-check", biased)
        self.assertEqual(status, 1)
        self.assertIn("against itself 1 of 1 rows differ (pair/1/slub)", out)

    def measured(self, **changes):
        """A file of three rows, each beside the same again and a delayed one; `changes`: {row: factor} of one of the three."""
        dice, rows, parties = np.random.default_rng(5), {}, []
        for name in ("pair/8/slub", "pair/64/slub", "pair/4096/slub"):
            parties.append({"name": name, "again": f"{name}-again", "delayed": f"{name}-delayed"})
            for key, factor in (("name", 1), ("again", 1), ("delayed", 1.05)):
                rows[parties[-1][key]] = noisy(dice, 10 * changes.get(key, {}).get(name, factor), 31)
        return {**document(rows), "self_check": {"rows": parties}}

    def check(self, **changes):
        return run("compare", "--self-check", sample.write(self.folder, self.measured(**changes), "measured.json"))

    def test_of_a_measured_self_check_both_tables_and_what_they_mean_are_told(self):
        status, out, err = self.check()
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(out.count("pair/64/slub"), 2)
        self.assertIn("of the same, 0 of 3 rows differ; the delay is found in 3 of 3\n", out)
        self.assertIn("here and now compare sees differences of 5 %, and none where there are none", out)

    def test_a_measured_self_check_fails_where_the_same_differs_or_the_delay_is_missed(self):
        status, out, _ = self.check(again={"pair/64/slub": 1.012})
        self.assertEqual(status, 1)
        self.assertIn("of the same, 1 of 3 rows differ (pair/64/slub); the delay is found in 3 of 3\n", out)
        self.assertIn("sees differences where there are none", out)
        status, out, _ = self.check(delayed={"pair/8/slub": 1.0})
        self.assertEqual(status, 1)
        self.assertIn("0 of 3 rows differ; the delay is found in 2 of 3 but not in pair/8/slub\n", out)
        self.assertIn("but misses some of 5 %", out)

    def test_a_measured_self_check_names_what_it_lacks(self):
        broken = self.measured()
        broken["self_check"]["rows"][1]["again"] = "pair/64/none"
        status, out, err = run("compare", "--self-check", sample.write(self.folder, broken, "lacks.json"))
        self.assertEqual((status, out, err.count("\n")), (2, "", 1))
        self.assertIn("lacks.json: expected the name of a row at self_check.rows[1].again", err)
        self.assertEqual(run("compare", "--self-check")[0], 2)

    def command(self, name, rows, more="", **context):
        """A program that writes that result behind --json, and its name into a log."""
        script = self.folder / f"{name}.py"
        script.write_text(f"import sys\nopen({str(self.folder / 'log')!r}, 'a').write({name!r})\n{more}\n"
                          f"open(sys.argv[sys.argv.index('--json') + 1], 'w').write({json.dumps(document(rows, **context))!r})\n")
        return f"{sys.executable} {script}"

    def test_commands_are_run_in_turns_and_each_run_counts_once(self):
        quick, slow = self.command("q", {"pair/64/slub": [9.0, 10.0, 50.0]}), self.command("s", {"pair/64/slub": [11.0, 12.0, 13.0]})
        status, out, err = run("compare", "--run", quick, slow, "--repetitions", 4, "--fail-if-slower")
        self.assertEqual((status, err), (1, ""))
        self.assertRegex(out, r"pair/64/slub +10\sns +12\sns +1.200 ")
        self.assertEqual((self.folder / "log").read_text(), "qssqqssq")

    def test_commands_that_fail_or_differ_in_their_environment_end_it_at_once(self):
        good = self.command("g", {"pair/64/slub": [9.0]})
        for other, naming, log in ((self.command("x", {}, "sys.exit('no such row')"), "expected status 0, found 1: no such row", "gx"),
                                   (self.command("y", {"pair/64/slub": [9.0]}, kernel="6.9.0"), "kernel 6.1.0 and 6.9.0", "gy"),
                                   ("no-such-program", "no-such-program: cannot be run", "g"), ("true", "true: expected a result file", "g"),
                                   ("", "two commands", "")):
            with self.subTest(naming):
                (self.folder / "log").write_text("")
                status, out, err = run("compare", "--run", good, other)
                self.assertEqual((status, out, err.count("\n")), (2, "", 1), err)
                self.assertIn(naming, err)
                self.assertEqual((self.folder / "log").read_text(), log)

    def test_what_cannot_be_compared_is_refused_by_one_line(self):
        empty = self.write("empty.json", {})
        others = self.write("others.json", {"elsewhere/1/slub": [1.0, 2.0]})
        board = sample.write(self.folder, '{"context": {}, "scoreboard": {}}', "board.json")
        for words, naming in (([self.a], "two result files"), ([self.a, empty], "empty.json"), ([self.a, others], "rows of the same name"),
                              ([self.a, board], "board.json"), ([self.a, self.b, "-o", "x.pdf"], "x.pdf"), ([self.a, "no-such-file"], "no-such-file")):
            with self.subTest(words):
                status, out, err = run("compare", *words)
                self.assertEqual((status, out, err.count("\n")), (2, "", 1), err)
                self.assertIn(naming, err)


if __name__ == "__main__":
    unittest.main()
