"""The command: what it writes, and the one line it says when it cannot."""

import contextlib
import io
import os
import unittest
from pathlib import Path

import sample
from plots.__main__ import main
from plots.load import split_name


def run(*words):
    """(exit status, stdout, stderr) of the command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([str(word) for word in words])
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), err.getvalue()


class Command(unittest.TestCase):
    def setUp(self):
        scratch = sample.scratch()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def refused(self, *words, naming):
        """The command ends with status 2 and one line that holds each of `naming`; nothing is left behind."""
        before = sorted(self.folder.iterdir())
        status, out, err = run(*words)
        self.assertEqual((status, out), (2, ""), err)
        self.assertEqual(err.count("\n"), 1, err)
        for text in naming:
            self.assertIn(str(text), err)
        self.assertEqual(sorted(self.folder.iterdir()), before)

    def test_list_names_every_figure(self):
        status, out, _ = run("list")
        self.assertEqual(status, 0)
        self.assertEqual(len(out.splitlines()), 19)

    def test_report_draw_and_data_are_written_and_nothing_else(self):
        small = sample.write(self.folder, sample.small_replay())
        for words, name, start in ((["report"], "report.html", "<!DOCTYPE html>"), (["draw", "memory"], "m.svg", "<?xml"),
                                   (["draw", "memory"], "m.csv", "label,layer,operation,time_s,requested_bytes")):
            self.assertEqual(run(*words, small, "-o", self.folder / name), (0, "", ""))
            self.assertTrue((self.folder / name).read_text().lstrip().startswith(start))
        self.assertEqual(len(list(self.folder.iterdir())), 4)

    def test_files_that_are_no_results_are_named(self):
        broken = {"empty": "", "text": "hello", "list": "[1]", "no-context": '{"benchmarks": []}',
                  "no-rows": '{"context": {}, "benchmarks": []}', "deep": "[" * 100_000}
        for name, content in broken.items():
            with self.subTest(name):
                path = sample.write(self.folder, content, f"{name}.json")
                self.refused("report", path, "-o", self.folder / "x.html", naming=[path, "expected"])
        (self.folder / "binary.json").write_bytes(bytes(range(256)))
        self.refused("report", self.folder / "binary.json", "-o", self.folder / "x.html", naming=["binary.json", "JSON"])
        self.refused("report", self.folder / "absent.json", "-o", self.folder / "x.html", naming=["absent.json"])
        self.refused("report", self.folder, "-o", self.folder / "x.html", naming=[self.folder])

    def test_a_truncated_file_is_named(self):
        path = sample.write(self.folder, Path(sample.REPLAY).read_text()[:5000])
        self.refused("report", path, "-o", self.folder / "x.html", naming=[path, "JSON"])

    def test_a_missing_member_is_named_with_its_place(self):
        for member in ("latency", "paths", "timeline", "ops_per_second", "checks", "layer"):
            with self.subTest(member):
                document = sample.replay()
                del sample.allocator(document, "malloc")[member]
                path = sample.write(self.folder, document)
                self.refused("report", path, "-o", self.folder / "x.html",
                             naming=[path, f"replay.allocators[1].{member}", "expected", "found nothing"])

    def test_a_missing_count_of_scale_is_named_with_its_place(self):
        document = sample.scale()
        del document["scale"]["rows"][3]["refills"]
        path = sample.write(self.folder, document)
        self.refused("report", path, "-o", self.folder / "x.html", naming=[path, "scale.rows[3].refills", "expected a number"])

    def test_a_missing_member_of_mapping_is_named_with_its_place(self):
        for remove, place in ((lambda m: m.pop("access"), "mapping.access.knees"), (lambda m: m["bars"][0].pop("limit"), "mapping.bars[0].limit"),
                              (lambda m: m["rows"][2].pop("counts"), "mapping.rows[2].counts")):
            document = sample.mapping()
            remove(document["mapping"])
            path = sample.write(self.folder, document)
            self.refused("report", path, "-o", self.folder / "x.html", naming=[path, place.partition(".knees")[0], "expected"])

    def test_lists_of_unequal_length_and_wrong_types_are_named(self):
        def shorten(entry):
            entry["timeline"]["held_bytes"].pop()

        def lose_order(entry):
            entry["timeline"]["free_blocks"].pop()

        def word(entry):
            entry["latency"][0]["p99"] = "fast"

        for change, place in ((shorten, "timeline.held_bytes"), (lose_order, "timeline.free_blocks"),
                              (word, "latency[0].p99")):
            document = sample.replay()
            change(sample.allocator(document, "slub"))
            path = sample.write(self.folder, document)
            self.refused("report", path, "-o", self.folder / "x.html", naming=[path, f"replay.allocators[0].{place}"])

    def test_places_that_cannot_be_written_are_named(self):
        self.refused("draw", "throughput", sample.REPLAY, "-o", self.folder / "no" / "x.svg", naming=["no/x.svg"])
        (self.folder / "taken.svg").mkdir()
        self.refused("draw", "throughput", sample.REPLAY, "-o", self.folder / "taken.svg", naming=["taken.svg"])

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full here")
    def test_a_full_disk_is_one_line(self):
        link = self.folder / "full.svg"
        link.symlink_to("/dev/full")
        self.refused("draw", "throughput", sample.REPLAY, "-o", link, naming=["full.svg", "No space"])

    def test_options_that_do_not_exist_are_refused_in_one_line(self):
        self.refused("report", sample.REPLAY, "--colour", "x", naming=["--colour"])
        self.refused("draw", "memroy", sample.REPLAY, "-o", self.folder / "x.svg", naming=["memroy", "memory"])
        self.refused("draw", "memory", sample.REPLAY, "-o", self.folder / "x.gif", naming=["x.gif", ".svg"])
        self.refused("draw", "memory", sample.PEERS, "-o", self.folder / "x.svg", naming=["peers.json", "memory"])
        self.refused("draw", "memory", sample.REPLAY, "--trace", "nix", "-o", self.folder / "x.svg",
                     naming=["nix", "sample"])

    def test_several_traces_need_a_choice(self):
        document = sample.replay()
        document["replay"]["trace"]["name"] = "other"
        path = sample.write(self.folder, document)
        self.refused("draw", "memory", sample.REPLAY, path, "-o", self.folder / "x.svg", naming=["--trace", "other"])
        self.assertEqual(run("draw", "memory", sample.REPLAY, path, "--trace", "other", "-o", self.folder / "x.svg")[0], 0)


class Names(unittest.TestCase):
    def test_names_of_rows_are_taken_apart(self):
        for name, parts in (("pair/64/slub", ("pair", 64, "slub")), ("slub/pair/64", ("slub", 64, "pair")),
                            ("batch/lifo/16/64/malloc", ("batch/lifo/16", 64, "malloc")),
                            ("pair/size:64/buddy/iterations:5/real_time", ("pair", 64, "buddy")),
                            ("empty_loop", ("empty_loop", 0, "empty_loop"))):
            self.assertEqual(split_name(name), parts)


if __name__ == "__main__":
    unittest.main()
