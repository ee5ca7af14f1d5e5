"""Line and branch coverage, from the profiles of a coverage build. A line or branch of a template counts as covered if any
instance of it is."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class FileCoverage:
    lines: dict = field(default_factory=dict)     # number: covered
    branches: dict = field(default_factory=dict)  # (place, outcome): covered


def lines_of(lcov):
    """{path: {line: covered}} of a trace file in lcov's form."""
    files, current = {}, {}
    for line in lcov.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            current = files.setdefault(rest, {})
        elif kind == "DA":
            number, count = map(int, rest.split(",")[:2])
            current[number] = current.get(number, False) or count > 0
    return files


def branches_of(export, source_of):
    """{path: {(place, outcome): covered}} of what llvm-cov exports as JSON, where each instance of a template stands by
    itself. `source_of(path)` are a file's lines: what `if constexpr` decides has no outcomes at run time."""
    files = {}
    for file in export["data"][0]["files"]:
        source, found = source_of(file["filename"]), files.setdefault(file["filename"], {})
        for *place, taken, not_taken, _, _, _ in file["branches"]:
            if "if constexpr" in source[place[0] - 1]:
                continue
            for outcome, count in ((True, taken), (False, not_taken)):
                key = (*place, outcome)
                found[key] = found.get(key, False) or count > 0
    return files


def merge(profiles, folder):
    """The file that profiles of a program were merged to."""
    merged = folder / "coverage.profdata"
    subprocess.run(["llvm-profdata-14", "merge", "-sparse", "-o", str(merged), *map(str, profiles)], check=True, capture_output=True, text=True)
    return merged


def export(program, merged, form, *paths):
    """What llvm-cov says in that form of the files at or below `paths`."""
    done = subprocess.run(["llvm-cov-14", "export", f"-format={form}", "-skip-functions", f"-instr-profile={merged}", str(program),
                           *map(str, paths)], check=True, capture_output=True, text=True)
    return done.stdout


def measure(program, profiles, root, folder, prefix="allocators/"):
    """{name: FileCoverage} of the files below `prefix`, by what the program's profiles say."""
    merged = merge(profiles, folder)
    lines = lines_of(export(program, merged, "lcov", root / prefix))
    branches = branches_of(json.loads(export(program, merged, "text", root / prefix)),
                           lambda path: Path(path).read_text(encoding="utf-8").splitlines())
    return {str(Path(path).relative_to(root)): FileCoverage(lines[path], branches.get(path, {})) for path in lines}


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
