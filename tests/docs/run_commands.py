"""Runs the commands of a page: python3 run_commands.py ROOT BUILD PAGE...

A command is an indented line that begins with one of our programs. It is run by a shell in a folder that has all of ROOT,
with the programs of BUILD, in the order of the page; what it writes is gone afterwards, and measuring is cut short. Not
run are those that NOT_RUN names, with the reason; of these too each option must be one that the program knows. Prints the
first command that fails, with its output; status 1 if one does.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

BEGINS = re.compile(r"(build/release/\S*|kmemlab|\./ci/\S+|ci/\S+|(/usr/bin/)?python3|LD_PRELOAD=\S+|zstdcat|mkdir|cmake|git|sudo|cd) ")
NOT_RUN = {  # what a line contains: why not
    "sudo ": "needs root and a kernel that may be traced",
    "./ci/": "the gate, and minutes of measuring",
    "ci/setup": "installs packages", "ci/nightly": "takes a night", "ci/scoreboard": "builds each planted bug",
    "ci/fuzz": "another build, which the gate makes", "ci/programs": "needs programs that nobody has to have; tests/programs",
    "ci/instructions": "tests/instructions",
    "cmake ": "builds this tree again", "git worktree": "builds this tree again", "../before": "builds this tree again",
    "golden check tests/golden/*/*": "tests/golden checks every file",
    "kernel fetch": "installs packages", "kernel build": "builds a kernel; tests/guests", "kernel:": "needs a kernel; tests/guests",
    "--kernel": "needs a kernel; tests/guests", "results/golden/slabtrace": "of a command that is not run",
    "shelves": "tests/docs/test_example.cpp", "--self-check": "judges the machine, not the program",
    "make.trace.zst": "the reader's own recording", "results/before.json": "of the reader's own recording",
    "vmlinux": "the reader's own kernel", "my-histogram": "the reader's own kernel", "slub-crash-": "the reader's own finding",
    "small.txt": "of the reader's own finding", "FILE": "a place for a name", "A.json": "a place for a name", "FRAMES": "a place for a name",
    "-m plots list": "tests/plots", "build/scoreboard/": "of a command that is not run", "results/programs.json": "of a command that is not run",
    "results/*.json": "of the reader's own runs", "mapping --json mapping.json": "each row is run by tests/mapping",
    "mmu_speed": "measures",
}
PROGRAM = "build/release/bench/cli/kmemlab"


def commands_of(page):
    """Lines that are commands, continued ones joined, without what a comment behind them says."""
    text = re.sub(r" *\\\n +", " ", page)
    return [re.sub(r" {2,}#.*$", "", line.strip()) for line in text.splitlines() if line.startswith("    ") and BEGINS.match(line.strip() + " ")]


def reason_not_to_run(command):
    return next((why for what, why in NOT_RUN.items() if what in command), None)


def adapted(command, build):
    """The command for a test: programs of `build`, two repetitions where it measures."""
    command = re.sub(r"^kmemlab ", f"{PROGRAM} ", command)
    measures = PROGRAM in command and re.search(r"kmemlab (replay|peers|mapping) ", command)
    command = command.replace("build/release", str(build)).replace("python3 -m", "python3 -B -m").replace("$PWD/", "")
    command = re.sub(r"(^|\s)python3 ", r"\1/usr/bin/python3 ", command)
    return re.sub(r"--repetitions \d+", "", command) + " --repetitions 2" if measures else command


def unknown_options(command, build):
    """Options of one kmemlab command that its --help does not name."""
    found = re.match(rf"(?:sudo )?(?:kmemlab|{PROGRAM}) ((?:[a-z][a-z-]* )+)(.*)", command + " ")
    if not found:
        return []
    words = found[1].split()
    for count in range(len(words), 0, -1):  # words behind the command may be names that it takes
        told = subprocess.run([build / "bench/cli/kmemlab", *words[:count], "--help"], capture_output=True, text=True)
        if told.returncode == 0 and f"kmemlab {' '.join(words[:count])} " in told.stdout:
            return [option for option in re.findall(r"(?<=\s)--[a-z-]+", found[2]) if option not in told.stdout]
    return [" ".join(words)]


def check_page(root, build, page, folder):
    """What is wrong with the first command that fails, or nothing; and how many were run."""
    ran = 0
    for command in commands_of((root / page).read_text(encoding="utf-8")):
        wrong = unknown_options(command, build)
        if wrong:
            return f"{command}\nno such option or command: {', '.join(wrong)}", ran
        if reason_not_to_run(command):
            continue
        done = subprocess.run(adapted(command, build), shell=True, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            return f"{command}\nstatus {done.returncode}\n{done.stdout}", ran
        ran += 1
    return None, ran


def main():
    if len(sys.argv) < 4:
        print("usage: run_commands.py ROOT BUILD PAGE...", file=sys.stderr)
        return 2
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    for page in sys.argv[3:]:
        with tempfile.TemporaryDirectory() as folder:
            for entry in root.iterdir():
                if entry.name not in ("build", "results"):
                    (Path(folder) / entry.name).symlink_to(entry)
            (Path(folder) / "results").mkdir()
            fault, ran = check_page(root, build, page, folder)
        if fault:
            print(f"{page}: {fault}")
            return 1
        print(f"{page}: ran {ran} commands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
