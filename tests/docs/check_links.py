"""Checks what the pages point to: python3 check_links.py ROOT.

In every *.md below ROOT: a relative link leads to a file or folder inside ROOT, and its #anchor to a heading there; a
path in backticks whose first part is a folder of ROOT (`bench/traces`, `ci/setup --list`, `tests/*/CMakeLists.txt`)
exists. In every source file: a page named as docs/NAME.md exists. Prints one line for each fault; status 1 if there is
one.
"""

import re
import sys
from pathlib import Path

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
CODE = re.compile(r"`([^`]+)`")
FENCE = re.compile(r"^\s*(```|~~~)")
HEADING = re.compile(r"^#{1,6}\s+(.*)")
PATH = re.compile(r"[\w.*-]+(/[\w.*-]+)*/?")
PAGE_IN_SOURCE = re.compile(r"\bdocs/[\w/-]+\.md\b")
ELSEWHERE = re.compile(r"^[a-z]+:")
SOURCES = {".hpp", ".cpp", ".py", ".txt", ".cmake"}
# What is made, not kept.
NOT_OURS = {"build", "results"}


def is_ours(path: Path, root: Path) -> bool:
    first = path.relative_to(root).parts[0]
    return first not in NOT_OURS and not first.startswith(".")


def prose_of(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers, without what stands in fences."""
    lines, fenced = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            lines.append((number, line))
    return lines


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    anchors = set()
    for _, line in prose_of(page.read_text()):
        if match := HEADING.match(line):
            plain = re.sub(r"[`*]|\[|\]\([^)]*\)", "", match[1]).strip().lower()
            anchors.add(re.sub(r"[^\w -]", "", plain).replace(" ", "-"))
    return anchors


def link_fault(page: Path, root: Path, target: str) -> str | None:
    if ELSEWHERE.match(target):
        return None
    name, _, anchor = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    if not file.is_relative_to(root.resolve()) or not file.exists():
        return f"the link {target} leads nowhere"
    if anchor and anchor not in anchors_of(file):
        return f"{name or 'this page'} has no heading #{anchor}"
    return None


def path_fault(root: Path, code: str, folders: set[str]) -> str | None:
    word = code.split()[0] if code.split() else ""
    if "/" not in word or not PATH.fullmatch(word) or word.split("/")[0] not in folders:
        return None
    if not any(root.glob(word.rstrip("/"))):
        return f"there is no {word}"
    return None


def faults_of_page(page: Path, root: Path, folders: set[str]) -> list[str]:
    faults = []
    for number, line in prose_of(page.read_text()):
        found = [link_fault(page, root, target) for target in LINK.findall(CODE.sub("``", line))]
        found += [path_fault(root, code, folders) for code in CODE.findall(line)]
        faults += [f"{page.relative_to(root)}:{number}: {fault}" for fault in found if fault]
    return faults


def faults_of_source(file: Path, root: Path) -> list[str]:
    return [f"{file.relative_to(root)}: there is no {name}"
            for name in sorted(set(PAGE_IN_SOURCE.findall(file.read_text())))
            if not (root / name).exists()]


def find_faults(root: Path) -> list[str]:
    folders = {p.name for p in root.iterdir() if p.is_dir() and is_ours(p, root)}
    files = sorted(p for p in root.rglob("*") if p.is_file() and is_ours(p, root))
    faults = []
    for file in files:
        # The checks and their tests, in tests/docs, speak of pages that are not there.
        if file.suffix == ".md":
            faults += faults_of_page(file, root, folders)
        elif file.suffix in SOURCES and file.parent.name != "docs":
            faults += faults_of_source(file, root)
    return faults


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: check_links.py ROOT", file=sys.stderr)
        return 2
    faults = find_faults(Path(sys.argv[1]).resolve())
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
