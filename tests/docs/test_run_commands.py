"""What run_commands.py takes for a command, and that it runs those it should."""

import stat
import tempfile
import unittest
from pathlib import Path

import run_commands

PAGE = r"""# A page

    kmemlab list --tunables    # what can be set
    build/release/bench/cli/kmemlab replay \
        trace.zst --json r.json
    not a command
text kmemlab list
    sudo ci/record-trace make
"""
# A program that knows `replay --json` and `list`, and fails if it is told to.
PROGRAM = """#!/bin/sh
case "$*" in
    "list --help" | "replay --help") echo "Usage: kmemlab $1 [OPTIONS]  --json TEXT" ;;
    *" --json --help") touch "$(dirname "$0")/written" ;;
    *--help) exit 2 ;;
    "list fail") echo "it went wrong"; exit 1 ;;
    *) echo "$*" >> "$(dirname "$0")/ran" ;;
esac
"""


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        program = self.root / "build/bench/cli/kmemlab"
        program.parent.mkdir(parents=True)
        program.write_text(PROGRAM, encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def check(self, page):
        (self.root / "page.md").write_text(page, encoding="utf-8")
        return run_commands.check_page(self.root, self.root / "build", "page.md", self.root)

    def test_commands_are_indented_joined_and_without_comments(self):
        self.assertEqual(run_commands.commands_of(PAGE),
                         ["kmemlab list --tunables", "build/release/bench/cli/kmemlab replay trace.zst --json r.json", "sudo ci/record-trace make"])

    def test_a_command_that_fails_is_told_with_its_output(self):
        fault, _ = self.check("    kmemlab list fail\n")
        self.assertIn("status 1\nit went wrong", fault)

    def test_an_option_that_is_not_known_is_told_though_the_command_is_not_run(self):
        fault, ran = self.check("    sudo kmemlab replay make.trace.zst --jason r.json\n")
        self.assertEqual((fault.splitlines()[-1], ran), ("no such option or command: --jason", 0))
        fault, _ = self.check("    kmemlab rename make.trace.zst\n")
        self.assertIn("no such option or command: rename", fault)

    def test_help_is_never_the_value_of_an_option(self):
        self.assertEqual(self.check("    sudo kmemlab replay --json make.trace.zst\n"), (None, 0))
        self.assertFalse((self.root / "build/bench/cli/written").exists())

    def test_measuring_is_cut_short_and_what_needs_root_is_not_run(self):
        self.assertEqual(self.check("    kmemlab replay a.zst --json r.json\n    sudo kmemlab list\n"), (None, 1))
        self.assertEqual((self.root / "build/bench/cli/ran").read_text(encoding="utf-8"), "replay a.zst --json r.json --repetitions 2\n")


if __name__ == "__main__":
    unittest.main()
