"""Instructions of the fast paths, counted by callgrind and compared with a table: see ci/instructions.

kmemlab_instructions calls one function for each row with N and with 2 N units and prints what it calls it with;
callgrind writes a file at each return of that function. The difference of the two, over N, is what a unit takes.
"""

import argparse
import csv
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TABLE = "bench/instructions/expected.csv"
HEAD = ["build", "row", "instructions"]
COUNTED = "kmemlab_counted"
SHARE, LEAST = 0.03, 1.0  # a difference is more than both
NOTHING_EXPECTED = 77
TOTALS = re.compile(r"^totals: (\d+)$", re.M)


class Failure(Exception):
    """What was asked cannot be done; one line."""


def count(program):
    """(how it was built, {row: instructions of a unit})."""
    with tempfile.TemporaryDirectory(prefix="kmemlab-instructions-") as folder:
        out = Path(folder) / "out"
        words = ["valgrind", "--tool=callgrind", f"--toggle-collect={COUNTED}", f"--dump-after={COUNTED}",
                 f"--callgrind-out-file={out}", program]
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise Failure("expected Debian's valgrind to be installed") from None
        if done.returncode != 0:
            raise Failure(f"{program} under valgrind: status {done.returncode}: {done.stderr.strip()[-300:]}")
        build, *calls = done.stdout.splitlines()
        files = [Path(f"{out}.{number}") for number in range(1, len(calls) + 1)]
        totals = [int(TOTALS.search(file.read_text())[1]) for file in files if file.exists()]
    if not calls or len(totals) != len(calls):
        raise Failure(f"{program}: expected a file of callgrind for each of {len(calls)} calls, found {len(totals)}")
    return f"{build} {platform.machine()}", per_unit([call.split() for call in calls], totals)


def per_unit(calls, totals):
    """`calls`: [row, units], two of each row; `totals`: the instructions of each call."""
    counts = {}
    for (row, units), (again, more), first, second in zip(calls[0::2], calls[1::2], totals[0::2], totals[1::2]):
        if row != again or int(more) != 2 * int(units):
            raise Failure(f"expected {row} with {units} and with twice as many units, found {again} with {more}")
        counts[row] = round((second - first) / int(units), 2)
    return counts


def read(table):
    """{(build, row): instructions}."""
    try:
        with open(table, encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        if head != HEAD:
            raise ValueError(f"expected the columns {', '.join(HEAD)}")
        return {(build, row): float(instructions) for build, row, instructions in rows}
    except (OSError, ValueError) as error:
        raise Failure(f"{table}: {error}") from None


def write(table, expected):
    with open(table, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(HEAD)
        lines.writerows([build, row, f"{instructions:g}"] for (build, row), instructions in expected.items())


def updated(expected, build, counts):
    """Rows of other builds stay as they are."""
    others = {key: value for key, value in expected.items() if key[0] != build}
    return others | {(build, row): instructions for row, instructions in counts.items()}


def verdict(counted, expected):
    """What is wrong with a row; either may be None. Empty: nothing."""
    if expected is None:
        return "not expected"
    if counted is None:
        return "not there"
    difference = counted - expected
    if abs(difference) <= max(LEAST, SHARE * expected):
        return ""
    return "more" if difference > 0 else "fewer"


def judge(counts, expected):
    """(row, counted, expected, verdict) of each row that is in either."""
    for row in dict.fromkeys([*counts, *expected]):
        counted, wanted = counts.get(row), expected.get(row)
        yield row, counted, wanted, verdict(counted, wanted)


def text_of(number):
    return "-" if number is None else f"{number:.1f}"


def compare(build, counts, expected):
    """Prints the table; the exit status."""
    judged = list(judge(counts, expected))
    print(f"{'row':<32} {'counted':>9} {'expected':>9}")
    for row, counted, wanted, what in judged:
        print(f"{row:<32} {text_of(counted):>9} {text_of(wanted):>9}  {what}".rstrip())
    wrong = [row for row, _, _, what in judged if what]
    print(f"{build}: {len(judged) - len(wrong)} of {len(judged)} rows as expected" + (
        f", not {', '.join(wrong)}; if that is meant: ci/instructions --update" if wrong else ""))
    return 1 if wrong else 0


def run(arguments):
    expected = read(arguments.expected)
    build, counts = count(arguments.program)
    if arguments.update:
        write(arguments.expected, updated(expected, build, counts))
        print(f"{arguments.expected}: {len(counts)} rows of {build}")
        return 0
    of_build = {row: value for (which, row), value in expected.items() if which == build}
    if not of_build:
        print(f"{build}: nothing is expected; ci/instructions --update writes what is counted")
        return NOTHING_EXPECTED
    return compare(build, counts, of_build)


def main(words=None):
    parser = argparse.ArgumentParser(prog="ci/instructions", description="Counts instructions of the fast paths.")
    parser.add_argument("--program", required=True, help="kmemlab_instructions")
    parser.add_argument("--expected", default=TABLE, help="default: %(default)s")
    parser.add_argument("--update", action="store_true", help="write what was counted")
    try:
        return run(parser.parse_args(words))
    except Failure as failure:
        print(f"ci/instructions: {' '.join(str(failure).split())}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
