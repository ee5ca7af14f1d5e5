"""Checks the include rule of allocators/README.md: python3 check_layers.py ROOT.

The list in that page is the rule: a line "- `a`: ..." is one layer, "- `a`, `b`: ..." are layers of one rank. A file
may include files of its own layer and of ranks above. Prints one line for each violation; status 1 if there is one.
"""

import re
import sys
from pathlib import Path

ENTRY = re.compile(r"^- ((?:`\w+`(?:, )?)+):")
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
SUFFIXES = {".hpp", ".h", ".cpp", ".inc"}


def read_ranks(readme: str) -> dict[str, int]:
    """Layer name -> rank, 0 for the lowest; the page's first list is meant."""
    entries = [match[1] for line in readme.splitlines() if (match := ENTRY.match(line))]
    return {name: rank for rank, entry in enumerate(entries) for name in re.findall(r"\w+", entry)}


def include_fault(layer: str, bracket: str, target: str, ranks: dict[str, int]) -> str | None:
    """Why a file of `layer` may not include `target`, or None if it may."""
    parts = target.split("/")
    if parts[0] != "allocators":
        if bracket == '"':
            return "an include of our own begins with allocators/"
        return None
    other = parts[1]
    if other not in ranks:
        return f"{other} is no layer of allocators/README.md"
    if other != layer and ranks[other] >= ranks[layer]:
        return f"{layer} may not include {other}"
    return None


def faults_of_file(path: Path, layer: str, ranks: dict[str, int]) -> list[str]:
    faults = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := INCLUDE.match(line):
            if fault := include_fault(layer, match[1], match[2], ranks):
                faults.append(f"{path}:{number}: {match[2]}: {fault}")
    return faults


def find_faults(root: Path) -> list[str]:
    allocators = root / "allocators"
    ranks = read_ranks((allocators / "README.md").read_text())
    if not ranks:
        return [f"{allocators / 'README.md'}: no list of layers found"]
    faults = []
    for path in sorted(p for p in allocators.rglob("*") if p.suffix in SUFFIXES):
        layer = path.relative_to(allocators).parts[0]
        if layer in ranks:
            faults += faults_of_file(path, layer, ranks)
        else:
            faults.append(f"{path}: {layer} is no layer of allocators/README.md")
    return faults


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: check_layers.py ROOT", file=sys.stderr)
        return 2
    faults = find_faults(Path(sys.argv[1]))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
