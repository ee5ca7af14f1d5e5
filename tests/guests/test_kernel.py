"""A kernel, really built and driven: test_kernel.py KMEMLAB.

Debian's linux-source-6.1 (ci/setup installs it) is unpacked and built below build/kernel-test, which later runs use again."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CACHE = Path("build/kernel-test").resolve()
TREE = CACHE / "kmemlab/trees/linux-source-6.1"
TRACE = "bench/traces/forkstorm.trace.zst"
TIMES = "tests/golden/linux-6.1-timing/slub.csv.zst"
GOLDEN = ("slub", "pages", "vmalloc")


def kmemlab(*words):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True,
                          env={**os.environ, "XDG_CACHE_HOME": str(CACHE)})
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, words))}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Kernel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        kmemlab("kernel", "fetch")
        try:
            kmemlab("kernel", "build", "--name", "clean")
        except AssertionError as error:
            missing = re.search(r"User-Mode Linux does not run on this machine.*", str(error))
            raise unittest.SkipTest(missing[0]) if missing else error
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name)

    def test_what_is_built_is_not_built_again(self):
        kmemlab("kernel", "build", "--name", "clean")  # another test may have put a file back, which has another time then
        self.assertIn("as it was built before", kmemlab("kernel", "build", "--name", "clean"))
        self.assertRegex(kmemlab("kernel", "list"), r"clean +linux 6\.1\.\d+ +slub ")

    def test_public_golden_files_come_out_byte_for_byte(self):
        kmemlab("golden", "make", "--kernel", "clean", "--out", self.folder / "golden")
        compared = 0
        for folder in GOLDEN:
            for file in Path(f"tests/golden/linux-6.1-{folder}").glob("*.csv.zst"):
                public = subprocess.run(["zstdcat", file], capture_output=True, check=True).stdout
                made = (self.folder / "golden" / file.name[:-len(".zst")]).read_bytes()
                # Debian's next 6.1 has another number.
                self.assertEqual(re.sub(rb"kernel=[\d.]+", b"", made), re.sub(rb"kernel=[\d.]+", b"", public), file)
                compared += 1
        self.assertEqual(compared, 21)

    def test_a_replay_has_the_kernel_beside_the_model(self):
        result = self.folder / "replay.json"
        kmemlab("replay", TRACE, "--allocator", "slub,kernel:clean", "--repetitions", 2, "--snapshot", "1000,end",
                "--json", result)
        model, kernel = json.loads(result.read_text())["replay"]["allocators"]
        self.assertEqual(kernel["name"], "kernel:clean")
        self.assertEqual(kernel["operations"], model["operations"])
        self.assertEqual((kernel["failures"], kernel["violation"]), (0, None))
        self.assertEqual([(each["operation"], each["count"]) for each in kernel["latency"]],
                         [(each["operation"], each["count"]) for each in model["latency"]])
        for what in ("requested_bytes", "handed_out_bytes"):  # SLUB's classes, here and there
            self.assertEqual(kernel["timeline"][what], model["timeline"][what])
        self.assertGreater(kernel["timeline"]["held_bytes"][-1], kernel["timeline"]["requested_bytes"][-1] // 2)
        self.assertEqual([each["operation"] for each in kernel["snapshots"]], [1000, kernel["operations"]])
        self.assertIn("Node 0, zone", kernel["snapshots"][0]["texts"]["proc/buddyinfo"])

    def test_pages_and_areas_are_replayed_too(self):
        said = kmemlab("replay", TRACE, "--allocator", "kernel:clean:pages,kernel:clean:areas", "--repetitions", 1)
        self.assertRegex(said, r"kernel:clean:pages \(pages, follows Linux 6\.1")
        self.assertRegex(said, r"kernel:clean:areas \(areas, follows Linux 6\.1")
        self.assertNotIn("failures", said)

    def test_peers_have_rows_of_it(self):
        result = self.folder / "peers.json"
        kmemlab("peers", "--kernel", "clean", "--filter", "^(pair|batch.*)/64/(slub|kernel:.*)$", "--repetitions", 2,
                "--json", result)
        rows = {row["name"]: row for row in json.loads(result.read_text())["benchmarks"]}
        for name in ("pair/64/kernel:clean", "pair/64/kernel:clean-kmalloc", "pair/64/kernel:clean-floor",
                     "batch256-random/64/kernel:clean", "pair/64/slub"):
            self.assertGreater(rows[name]["cpu_time"], 0, name)

    def test_it_does_the_works_of_recorded_times_in_the_same_run(self):
        result = self.folder / "times.json"
        said = kmemlab("peers", "--kernel", "clean", "--kernel-times", TIMES, "--repetitions", 2, "--json", result,
                       "--filter", "^kernel-(batch-.*-16-.*|pair-.*none_held|pair-kmalloc_var.*)/64/|^kernel-pages-alloc.*-16-.*/0/")
        found = {each["allocator"]: each for each in json.loads(result.read_text())["kernel_times"]
                 if each["file"] == "kernel:clean"}
        self.assertEqual({who: len(each["rows"]) for who, each in found.items()}, {"slub": 5, "buddy": 3})
        self.assertIn("slub beside kernel:clean: in the same run\n", said)

    def test_a_change_is_told_as_what_it_is(self):
        file = TREE / "mm/slub.c"
        was = file.read_text()
        changed, count = re.subn(r"(?m)^#define MIN_PARTIAL 5$", "#define MIN_PARTIAL 20", was)
        self.assertEqual(count, 1)
        try:
            file.write_text(changed)
            kmemlab("kernel", "build", "--name", "changed")
        finally:
            file.write_text(was)
        said = kmemlab("compare", "--kernels", "clean,changed", "--repetitions", 2, "--filter", "^pair/64/kernel:[a-z]+$")
        self.assertRegex(said, r"DIFFER  geometry .*\n +min_partial 5 -> 20")
        self.assertRegex(said, r"same    kmalloc ")
        self.assertIn("pair/64/kernel", said)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
