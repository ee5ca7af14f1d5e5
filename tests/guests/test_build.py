"""What bench/guests/build.py does to a tree, and what it says of one that it cannot build."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.append("bench/guests")
import build  # noqa: E402

REGISTERS = "\tif (ptrace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov) == 0)\n\t\thave_xstate_support = 1;\n"


class Tree(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.tree, self.view = Path(scratch.name) / "tree", Path(scratch.name) / "view"
        self.write("Makefile", "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\n")
        self.write("mm/Makefile", "obj-y := slub.o\n")
        self.write("mm/slub.c", "/* the allocator */\n")
        self.write("arch/x86/um/os-Linux/registers.c", REGISTERS)
        self.write("arch/x86/mm/fault.c", "\n")

    def write(self, name, text):
        file = self.tree / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def texts(self):
        return {str(f.relative_to(self.tree)): f.read_text() for f in self.tree.rglob("*") if f.is_file()}

    def test_the_tree_stays_as_it_was(self):
        before = self.texts()
        build.link_tree(self.tree, self.view)
        build.link_tree(self.tree, self.view)
        self.assertEqual(self.texts(), before)

    def test_the_view_has_the_tree_and_what_is_ours(self):
        build.link_tree(self.tree, self.view)
        self.assertEqual((self.view / "mm/slub.c").read_text(), "/* the allocator */\n")
        self.assertEqual((self.view / "arch/x86/mm/fault.c").read_text(), "\n")
        self.assertIn("obj-y := slub.o\nobj-$(KMEMREF) += kmemref.o\n", (self.view / "mm/Makefile").read_text())
        for name in ("kmemref.c", "kmemlab_replay.c", "kmemsmp.c"):
            self.assertIn("GPL-2.0", (self.view / "mm" / name).read_text().splitlines()[0])
        edited = (self.view / "arch/x86/um/os-Linux/registers.c").read_text()
        self.assertIn("PTRACE_GETREGSET, pid, NT_X86_XSTATE, &iov) == 0 &&\n", edited)
        self.assertIn("PTRACE_SETREGSET, pid, NT_X86_XSTATE, &iov) == 0)\n", edited)

    def test_what_leaves_the_tree_leaves_the_view(self):
        self.write("mm/slab.c", "\n")
        build.link_tree(self.tree, self.view)
        (self.tree / "mm/slab.c").unlink()
        build.link_tree(self.tree, self.view)
        self.assertFalse((self.view / "mm/slab.c").is_symlink())
        self.assertTrue((self.view / "mm/slub.c").is_symlink())

    def test_a_file_that_is_unchanged_keeps_its_time(self):
        build.link_tree(self.tree, self.view)
        os.utime(self.view / "mm/Makefile", (1, 1))
        build.link_tree(self.tree, self.view)
        self.assertEqual((self.view / "mm/Makefile").stat().st_mtime, 1)

    def test_the_state_changes_with_a_file(self):
        before = build.tree_state(self.tree)
        self.assertEqual(build.tree_state(self.tree), before)
        self.write("mm/slub.c", "/* another */\n")
        self.assertNotEqual(build.tree_state(self.tree), before)
        self.write("Documentation/mm.rst", "\n")
        changed = build.tree_state(self.tree)
        self.write("Documentation/mm.rst", "more\n")
        self.assertEqual(build.tree_state(self.tree), changed)

    def test_objects_are_dropped_if_an_older_file_was_put_back(self):
        work, file = self.tree.parent, self.tree / "mm/slub.c"
        for text, time, kept in (("first", None, False), ("newer", None, True), ("first", 1, False), ("first", 1, True)):
            (work / "objects").mkdir(exist_ok=True)
            file.write_text(text)
            os.utime(file, (time, time) if time else None)
            build.drop_stale_objects(self.tree, work)
            self.assertEqual((work / "objects").exists(), kept, (text, time))

    def test_the_release_is_the_makefiles(self):
        self.assertEqual(build.release_of(self.tree), "6.1.7")
        self.write("Makefile", "all:\n")
        with self.assertRaisesRegex(build.CannotBuild, "Makefile: expected VERSION"):
            build.release_of(self.tree)

    def test_an_option_that_the_tree_does_not_take_is_told(self):
        build.check_config("CONFIG_SLUB=y\nCONFIG_SLUB_STATS=y\n", "slub", ["CONFIG_SLUB_STATS=y"], "6.1.7")
        with self.assertRaisesRegex(build.CannotBuild, "linux 6.8: expected CONFIG_SLAB=y, .* CONFIG_SLAB=n"):
            build.check_config("CONFIG_SLUB=y\n", "slab", [], "6.8")

    def test_a_machine_where_the_kernel_does_not_run_is_told_in_a_line(self):
        (self.tree / "linux-golden").symlink_to("/bin/false")
        (self.tree / "init").write_text("")
        with self.assertRaisesRegex(build.CannotBuild, "User-Mode Linux does not run on this machine: no word from it"):
            build.boots(self.tree)

    def test_an_option_replaces_ours(self):
        text = build.fragment("slub", ["CONFIG_SLUB_STATS=y"], smp=False)
        self.assertEqual(text.count("CONFIG_SLUB_STATS"), 1)
        self.assertIn("CONFIG_SLUB_STATS=y\n", text)
        self.assertIn("CONFIG_SMP=y\n", build.fragment("slub", [], smp=True))


if __name__ == "__main__":
    unittest.main()
