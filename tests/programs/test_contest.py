"""ci/programs: what a program takes is measured with all that it starts, and a crash, a hang or another output is told."""

import contextlib
import io
import json
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.programs import contest, mallocs, measure, works
from plots.compare import Run as ComparedRun
from plots.figures import FIGURES
from plots.load import load

LIBRARY = "libm.so.6"  # stands for ours: it can be preloaded, and changes nothing


class Fake(works.Work):
    """A program whose script sees KMEMLAB_ALLOCATOR."""
    name, what, text = "fake", "prints a line", "echo same"

    def script(self):
        return self.text


def fake(text, **more):
    return type("Made", (Fake,), {"text": text, **more})


def run(*words, programs):
    """(status, stdout, stderr) of ci/programs with these instead of the real ones."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            status = contest.main(["--library", LIBRARY, "--quick", *map(str, words)], programs)
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), err.getvalue()


class InFolder(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="programs-test-")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)


class Measuring(InFolder):
    def measured(self, script, limit=60):
        return measure.run(["sh", "-c", script], self.folder, None, limit)

    def test_memory_and_time_of_what_a_program_starts_are_its_own(self):
        large = "import time; text = bytearray(b'x') * (150 << 20); begin = time.process_time()\nwhile time.process_time() < begin + 0.2: pass"
        run = self.measured(f'{sys.executable} -c "{large}" && sleep 0.3')
        self.assertEqual(run.fault, "")
        self.assertGreater(run.peak_bytes, 150 << 20)
        self.assertLess(run.peak_bytes, 400 << 20)
        self.assertGreater(run.cpu_seconds, 0.2)
        self.assertGreater(run.seconds, 0.5)
        self.assertGreater(run.minor_faults, 1000)

    def test_output_is_what_was_written_errors_last(self):
        self.assertEqual(self.measured("echo wrong >&2; echo right").output, b"right\nwrong\n")

    def test_how_a_program_ended_badly_is_told(self):
        self.assertEqual(self.measured("echo why >&2; exit 3").fault, "ended with status 3: why")
        self.assertEqual(self.measured("kill -SEGV $$").fault, "ended by SIGSEGV: nothing on stderr")

    def test_what_does_not_end_is_killed_with_all_that_it_started(self):
        run = self.measured("sleep 61 | sleep 62; true", 0.3)
        self.assertIn("still ran after", run.fault)
        self.assertLess(run.seconds, 30)


class Contest(InFolder):
    def test_all_do_the_same_and_the_file_can_be_drawn_and_compared(self):
        file = self.folder / "programs.json"
        status, out, err = run("--allocators", "slub,slab", "--repetitions", 3, "--json", file, programs=[fake("echo same; sleep 0.01")])
        self.assertEqual(status, 0, err)
        self.assertEqual(err.count("repetition"), 3)
        self.assertRegex(out, r"fake +slub .*\[")
        results = load([file])
        self.assertEqual(set(results.programs.label), {"glibc", "slub", "slab"})
        self.assertEqual(len(FIGURES["programs"].frame(results)), 3)
        self.assertEqual(len(ComparedRun(file, "a").rows["programs/fake/slab"]), 3)
        rows = json.loads(file.read_text())["benchmarks"]
        self.assertEqual({row["time_unit"] for row in rows}, {"ns"})
        self.assertTrue(all(row["real_time"] > 1e7 for row in rows))

    def test_mallocs_take_turns_and_another_begins_each_time(self):
        log = self.folder / "log"
        run("--allocators", "slub,slab", programs=[fake(f"echo ${{KMEMLAB_ALLOCATOR-glibc}} >>{log}")])
        self.assertEqual(log.read_text().split(), ["glibc", "glibc", "slub", "slab", "slub", "slab", "glibc"])

    def test_a_crash_is_told_and_the_others_go_on(self):
        file = self.folder / "programs.json"
        script = 'echo same; if [ "${KMEMLAB_ALLOCATOR-}" = slub ]; then kill -SEGV $$; fi'
        status, out, _ = run("--allocators", "slub,slab", "--json", file, programs=[fake(script), fake("echo more", name="second")])
        self.assertEqual(status, 1)
        self.assertIn("fake on slub: ended by SIGSEGV", out)
        self.assertEqual({row["name"] for row in json.loads(file.read_text())["benchmarks"]},
                         {"programs/fake/glibc", "programs/fake/slab", "programs/second/glibc", "programs/second/slub", "programs/second/slab"})
        self.assertTrue(any(note.startswith("Failed: fake on slub") for note in load([file]).sources[0].notes))

    def test_other_output_is_told_with_the_line_that_differs(self):
        status, out, _ = run("--allocators", "slub", programs=[fake("echo same; echo ${KMEMLAB_ALLOCATOR-glibc}")])
        self.assertEqual(status, 1)
        self.assertIn("fake on slub: other output than on glibc: line 2 is 'slub', not 'glibc'", out)

    def test_a_hang_is_told(self):
        with mock.patch.object(contest, "LEAST_SECONDS", 0.2), mock.patch.object(contest, "SLOWER_BY", 1):
            status, out, _ = run("--allocators", "slub", programs=[fake("[ -z ${KMEMLAB_ALLOCATOR-} ] || sleep 60")])
        self.assertEqual(status, 1)
        self.assertIn("fake on slub: still ran after", out)

    def test_what_fails_on_the_reference_is_told_and_not_measured(self):
        status, out, _ = run("--allocators", "slub", programs=[fake("exit 5")])
        self.assertEqual(status, 1)
        self.assertIn("fake on glibc: ended with status 5", out)

    def test_what_is_absent_is_named_and_skipped(self):
        with mock.patch.dict(mallocs.OTHERS, {"jemalloc": "libnothere.so.2"}):
            status, out, err = run("--allocators", "jemalloc", programs=[fake("echo same"), fake("", name="other", needs=("no-such-program",))])
        self.assertEqual(status, 0, err)
        self.assertRegex(out, "jemalloc was not measured: .*libnothere.so.2")
        self.assertIn("other was not run: no-such-program: not installed", out)

    def test_what_was_measured_before_an_interruption_is_kept(self):
        file = self.folder / "programs.json"

        def interrupted(*_):
            raise KeyboardInterrupt

        status, out, _ = run("--allocators", "slub", "--json", file, programs=[fake("echo same"), fake("", name="second", run=interrupted)])
        self.assertEqual(status, 130)
        self.assertRegex(out, r"fake +slub")
        self.assertEqual({row["run_name"] for row in json.loads(file.read_text())["benchmarks"]}, {"programs/fake/glibc", "programs/fake/slub"})

    def test_the_list_runs_nothing(self):
        status, out, _ = run("--list", programs=[fake("exit 1"), fake("", name="other", needs=("no-such-program",))])
        self.assertEqual(status, 0)
        self.assertIn("prints a line (skipped: no-such-program: not installed)", out)
        self.assertIn("slub-sheaves", out)

    def test_a_file_with_a_slash_is_found_from_other_folders_and_a_bare_name_is_searched(self):
        self.assertEqual(contest.preloadable("./build/ours.so"), f"{Path.cwd()}/build/ours.so")
        self.assertEqual(contest.preloadable(LIBRARY), LIBRARY)

    def test_wrong_words_are_refused_in_one_line(self):
        for words in (["--allocators", "best"], ["--programs", "none"], ["--repetitions", "0"], ["--other"]):
            status, out, err = run(*words, programs=[Fake])
            self.assertEqual((status, out, err.count("\n")), (2, "", 1), err)


class Redis(InFolder):
    """The server is a script."""

    def test_a_server_that_ends_at_once_is_told(self):
        folder = self.folder / "bin"
        folder.mkdir()
        (folder / "redis-server").write_text("#!/bin/sh\necho no memory >&2\nexit 9\n")
        (folder / "redis-server").chmod(0o755)
        work = works.Redis(True)
        work.prepare(self.folder)
        with mock.patch.dict("os.environ", {"PATH": f"{folder}:/usr/bin:/bin"}):
            self.assertEqual(work.run(self.folder, {"PATH": f"{folder}:/usr/bin:/bin"}, 30).fault, "ended with status 9: no memory")


if __name__ == "__main__":
    unittest.main()
