"""Line and branch coverage, from the profiles of a coverage build. A line or branch of a template counts as covered if any
instance of it is."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class FileCoverage:
    lines: dict = field(default_factory=dict)     # number: covered
    branches: dict = field(default_factory=dict)  # (line, block, branch): covered


def of_lcov(text, root):
    """{name relative to root: FileCoverage} of a trace file in lcov's form."""
    files, current = {}, None
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            path = Path(rest)
            name = str(path.relative_to(root)) if path.is_relative_to(root) else rest
            current = files.setdefault(name, FileCoverage())
        elif kind == "DA":
            number, count = rest.split(",")[:2]
            current.lines[int(number)] = current.lines.get(int(number), False) or count != "0"
        elif kind == "BRDA":
            *place, count = rest.split(",")
            key = tuple(map(int, place))
            current.branches[key] = current.branches.get(key, False) or count not in ("-", "0")
    return files


def measure(program, profiles, root, folder, prefix="allocators/"):
    """of_lcov of what the programs' profiles say about files below `prefix`."""
    merged = folder / "coverage.profdata"
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", "-o", str(merged), *map(str, profiles)], check=True, capture_output=True)
    done = subprocess.run(["llvm-cov-14", "export", "-format=lcov", f"-instr-profile={merged}", str(program), str(root / prefix)],
                          check=True, capture_output=True, text=True)
    return {name: file for name, file in of_lcov(done.stdout, root).items() if name.startswith(prefix)}


def share(marks):
    """Of the values that are true; 1 of none."""
    marks = list(marks)
    return sum(marks) / len(marks) if marks else 1.0


def ranges(numbers):
    """3-5, 9"""
    text, numbers = [], sorted(numbers)
    while numbers:
        length = 1
        while length < len(numbers) and numbers[length] == numbers[0] + length:
            length += 1
        text.append(str(numbers[0]) if length == 1 else f"{numbers[0]}-{numbers[length - 1]}")
        numbers = numbers[length:]
    return ", ".join(text)


def summary(files):
    """What the page and the state keep: shares, and for each file its shares and the lines that are not covered."""
    return {"lines": share(mark for file in files.values() for mark in file.lines.values()),
            "branches": share(mark for file in files.values() for mark in file.branches.values()),
            "files": {name: {"lines": share(file.lines.values()), "branches": share(file.branches.values()),
                             "line_count": len(file.lines), "branch_count": len(file.branches),
                             "uncovered": ranges(number for number, covered in file.lines.items() if not covered)}
                      for name, file in sorted(files.items())}}
