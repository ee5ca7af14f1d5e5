"""Checks that what sources and pages cite by number exists: python3 check_numbers.py ROOT.

Rules (BUDDY-13, SLUB-4) are lines "- BUDDY-13 ..." of docs/kernel-spec; of a range or a list the first number is
looked for. Laws that a checker names (violation("B2", ...), broken("U1", ...)) are rows "| B2 | ..." of
docs/invariants.md. Prints one line for each fault; status 1 if there is one.
"""

import re
import sys
from pathlib import Path

RULE = re.compile(r"\b((?:BUDDY|SLUB|SLAB|SLOB|VM|SHEAF)-\d+)\b")
RULE_DEFINED = re.compile(r"^- ((?:BUDDY|SLUB|SLAB|SLOB|VM|SHEAF)-\d+) ", re.MULTILINE)
LAW = re.compile(r'\b(?:violation|broken)\(\s*"([A-Z]\d+)"')
LAW_DEFINED = re.compile(r"^\| ([A-Z]\d+) \|", re.MULTILINE)
FOLDERS = ("allocators", "bench", "fuzz", "plots", "tests", "docs")
SUFFIXES = {".hpp", ".cpp", ".py", ".md"}


def files_of(root: Path) -> list[Path]:
    """What may cite. The specification may also cite rules of pages that are not kept here."""
    files = [p for folder in FOLDERS for p in (root / folder).rglob("*") if p.suffix in SUFFIXES]
    kept = [p for p in files if p.parent.name != "kernel-spec" and "tests/docs" not in p.as_posix()]
    return sorted(kept)


def find_faults(root: Path) -> list[str]:
    rules = set()
    for page in (root / "docs" / "kernel-spec").glob("*.md"):
        rules.update(RULE_DEFINED.findall(page.read_text()))
    laws = set(LAW_DEFINED.findall((root / "docs" / "invariants.md").read_text()))
    faults = []
    for file in files_of(root):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            found = [f"rule {rule}" for rule in RULE.findall(line) if rule not in rules]
            found += [f"law {law}" for law in LAW.findall(line) if law not in laws]
            faults += [f"{file.relative_to(root)}:{number}: there is no {what}" for what in found]
    return faults


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: check_numbers.py ROOT", file=sys.stderr)
        return 2
    faults = find_faults(Path(sys.argv[1]).resolve())
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
