"""Runs the commands of a page: python3 run_tour.py ROOT KMEMLAB PAGE; the tour of README.md is one of these.

Each line of the block behind the comment that names this file is run by a shell in ROOT, with the program given and with
results/ in a folder that is gone afterwards. Measuring is cut short. Prints the first command that fails, with its output;
status 1 if one does.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

MARK = "tests/docs/run_tour.py -->"
PROGRAM = "build/release/bench/cli/kmemlab"


def commands_of(page: str) -> list[str]:
    """The lines of the first indented block behind the mark."""
    commands = []
    for line in page.partition(MARK)[2].splitlines()[1:]:
        if line.startswith("    "):
            commands.append(line.strip())
        elif commands:
            break
    return commands


def adapted(command: str, program: str, folder: str) -> str:
    """The command for a test: our program, a folder of its own, two repetitions where it measures."""
    measures = PROGRAM in command and any(name in command for name in ("replay", "peers", "mapping"))
    command = command.replace(PROGRAM, shlex.quote(program)).replace("results", folder)
    return command + " --repetitions 2" if measures and "--repetitions" not in command else command


def main() -> int:
    if len(sys.argv) != 4:
        print("usage: run_tour.py ROOT KMEMLAB PAGE", file=sys.stderr)
        return 2
    root, program, page = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    commands = commands_of((root / page).read_text())
    if not commands:
        print(f"{page}: no tour found")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for command in commands:
            done = subprocess.run(adapted(command, program, folder), shell=True, cwd=root, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                print(f"{command}\nstatus {done.returncode}\n{done.stdout}")
                return 1
        made = sorted(p.name for p in Path(folder).iterdir())
    print("ran", len(commands), "commands, made", ", ".join(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
