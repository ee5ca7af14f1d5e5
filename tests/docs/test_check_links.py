"""Plants each fault that check_links.py and check_numbers.py are there to find."""

import tempfile
import unittest
from pathlib import Path

import check_links
import check_numbers


class Repository:
    """A folder with the files given, gone with the test."""

    def __init__(self, files):
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name).resolve()
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def __enter__(self):
        return self.root

    def __exit__(self, *_):
        self.folder.cleanup()


class Links(unittest.TestCase):
    def faults(self, page, **files):
        with Repository({"docs/page.md": page, "src/a.hpp": "", "README.md": "# One `two` [three](src)\n",
                         **files}) as root:
            return check_links.find_faults(root)

    def test_what_exists_is_no_fault(self):
        page = ("[a](../src/a.hpp) ![b](../README.md#one-two-three) [c](https://nowhere.invalid/x) `src/a.hpp`\n"
                "[d](#e) `src/*.hpp --option` `other/path` `a/b.hpp` `[x](y)`\n# E\n")
        self.assertEqual(self.faults(page), [])

    def test_a_link_that_leads_nowhere(self):
        self.assertEqual(self.faults("\n[a](b.md)\n"), ["docs/page.md:2: the link b.md leads nowhere"])

    def test_a_link_out_of_the_repository(self):
        self.assertEqual(len(self.faults("[a](../../..)\n")), 1)

    def test_an_anchor_without_heading(self):
        self.assertEqual(self.faults("[a](../README.md#four)\n"),
                         ["docs/page.md:1: ../README.md has no heading #four"])

    def test_a_path_in_backticks_that_does_not_exist(self):
        self.assertEqual(self.faults("see `src/b.hpp`\n"), ["docs/page.md:1: there is no src/b.hpp"])

    def test_what_stands_in_a_fence_is_not_read(self):
        self.assertEqual(self.faults("```\n[a](b.md) `src/b.hpp`\n```\n\n    [a](b.md)\n"), [])

    def test_a_source_that_names_a_page_that_is_not_there(self):
        self.assertEqual(self.faults("", **{"src/b.hpp": "// docs/other.md, docs/page.md\n"}),
                         ["src/b.hpp: there is no docs/other.md"])


class Numbers(unittest.TestCase):
    PAGES = {"docs/kernel-spec/buddy.md": "- BUDDY-1 One.\n- BUDDY-12 Twelve (BUDDY-1).\n",
             "docs/invariants.md": "| G1 | text |\n| B16 | text |\n"}

    def faults(self, source):
        with Repository({**self.PAGES, "allocators/a.hpp": source}) as root:
            return check_numbers.find_faults(root)

    def test_numbers_that_exist_are_no_fault(self):
        self.assertEqual(self.faults('// BUDDY-1..99, B16\nviolation("G1", "x"); broken("B16", "y");\n'), [])

    def test_a_rule_that_does_not_exist(self):
        self.assertEqual(self.faults("\n// BUDDY-2\n"), ["allocators/a.hpp:2: there is no rule BUDDY-2"])

    def test_a_rule_of_a_page_that_does_not_exist(self):
        self.assertEqual(self.faults("// SLOB-1\n"), ["allocators/a.hpp:1: there is no rule SLOB-1"])

    def test_a_law_that_does_not_exist(self):
        self.assertEqual(self.faults('violation("B99", "x")\n'), ["allocators/a.hpp:1: there is no law B99"])


if __name__ == "__main__":
    unittest.main()
