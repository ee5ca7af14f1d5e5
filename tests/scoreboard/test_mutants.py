"""Heads of mutants, and what is read of a run's output."""

import unittest

from ci.fuzzing import libfuzzer, mutants
from toy_tree import TARGET, ToyTree


class Heads(unittest.TestCase):
    def setUp(self):
        self.tree = ToyTree()
        self.addCleanup(self.tree.close)

    def faults(self):
        return list(mutants.faults(self.tree.root))

    def edit(self, old, new):
        path = self.tree.root / "fuzz/mutants/AA01.patch"
        path.write_text(path.read_text().replace(old, new))

    def test_a_complete_head_of_a_patch_that_applies_is_fine(self):
        self.tree.plant("AA01", ("BUG_AT = None", "BUG_AT = 1"))
        self.assertEqual(self.faults(), [])
        mutant = mutants.read(self.tree.root / "fuzz/mutants/AA01.patch")
        self.assertEqual((mutant.laws, mutant.target, mutant.files), (("G1",), "toy", (TARGET,)))

    def test_each_thing_that_is_wrong_is_named(self):
        for old, new, said in (("# id: AA01", "# id: AA02", "expected the id AA01"), ("# what: planted\n", "", "# what:"),
                               ("laws: G1", "laws: G99", "no law G99"), ("target: toy", "target: tyo", "no fuzz target tyo"),
                               ("-BUG_AT", "-BAG_AT", "does not apply"), ("diff --git", "diff", "expected a patch")):
            with self.subTest(said):
                self.tree.plant("AA01", ("BUG_AT = None", "BUG_AT = 1"))
                self.edit(old, new)
                fault, = self.faults()
                self.assertIn(said, fault)
                self.assertIn("AA01.patch", fault)

    def test_a_field_may_go_on_over_lines(self):
        self.tree.plant("AA01", ("BUG_AT = None", "BUG_AT = 1"))
        self.edit("# trigger: executions", "# trigger: executions,\n#   many")
        self.assertEqual(mutants.read(self.tree.root / "fuzz/mutants/AA01.patch").trigger, "executions, many")


class Reports(unittest.TestCase):
    def test_the_law_is_that_of_the_report(self):
        for log, law, what in (
                ("INFO: x\nU6: tid 3, expected 7\ntarget slub cpus=2\nalloc\n==1== ERROR: libFuzzer: deadly signal", "U6", "tid 3, expected 7"),
                ("misuse: nobody did wrong:\n====\nBUG\ntarget slub\n", "misuse", "nobody did wrong:"),
                ("a.hpp:3: check failed: n > 0\n==1== ERROR: libFuzzer: deadly signal", "crash", "n > 0"),
                ("==7==ERROR: AddressSanitizer: use-after-poison on address 0x7f00 at pc 0x1\n", "crash", "use-after-poison"),
                ("==7== ERROR: libFuzzer: timeout after 10 seconds", "C4", None),
                ("==7== ERROR: libFuzzer: out-of-memory (malloc(99))", "crash", "out-of-memory (malloc(99))"),
                ("terminate called after throwing an instance of 'E'\n  what():  257 CPUs\n==1== ERROR: libFuzzer: deadly signal", "crash", "257 CPUs"),
                ("terminate called without an active exception\n", "crash", "without an active exception"),
                ("Segmentation fault", "crash", "the process ended")):
            with self.subTest(log):
                found = libfuzzer.judge(log)
                self.assertEqual(found[0], law)
                self.assertTrue(what is None or found[1] == what, found)

    def test_executions_are_the_last_that_were_counted(self):
        self.assertEqual(libfuzzer.executions_in("#2\tINITED\n#400: cov: 3\n#512\tpulse\n"), 512)
        self.assertEqual(libfuzzer.executions_in("#512\tpulse\nstat::number_of_executed_units: 600\n"), 600)
        self.assertEqual(libfuzzer.executions_in("nothing"), 0)


if __name__ == "__main__":
    unittest.main()
