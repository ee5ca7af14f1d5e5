"""Copies of the tree: a snapshot, so that a run of hours is of one state, and scratch trees with build directories,
in which mutants are planted one after the other.

A copy takes over a file only where its content differs, and planting writes only what a patch changes, so that ninja
compiles no more than what a mutant touches.
"""

import hashlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from ci.fuzzing import mutants

# What the fuzz targets are built from, and what the scoreboard reads beside.
SOURCES = ("CMakeLists.txt", "CMakePresets.json", "LICENSE", "allocators", "bench", "fuzz", "ci/cmake")
# Of these, what no target's behaviour depends on.
BESIDE = ("fuzz/mutants/", "fuzz/corpus/", "fuzz/oss-fuzz/", "bench/", "LICENSE", "ci/cmake/")
BUT = ("bench/trace/", "bench/measure/")


class Interrupted(Exception):
    """The run was asked to end."""


def hash_of(paths):
    """Of names and contents of files, given as (name, path)."""
    whole = hashlib.sha256()
    for name, path in paths:
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()[:16]


def tracked(root):
    """Names of the files below SOURCES that git tracks or would track."""
    done = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *SOURCES], cwd=root,
                          capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (root / name).is_file()]


def names_in(folder):
    return [str(path.relative_to(folder)) for top in SOURCES for path in [folder / top, *(folder / top).rglob("*")] if path.is_file()]


def tree_hash(folder):
    """Changes when a target may behave differently."""
    return hash_of((name, folder / name) for name in sorted(names_in(folder))
                   if not name.startswith(BESIDE) or name.startswith(BUT))


def copy(source, names, folder):
    """Makes `folder` hold these files of `source` and no others below SOURCES."""
    for name in names:
        target = folder / name
        if not target.is_file() or target.read_bytes() != (source / name).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target)
    for name in set(names_in(folder)) - set(names):
        (folder / name).unlink()


class Tree:
    """A scratch copy at `folder` of a snapshot, built in its build/PRESET by `jobs` compilers at once; once `stop` (an
    Event) is set, what is under way ends with Interrupted."""

    def __init__(self, snapshot, folder, jobs, stop, preset="scoreboard"):
        self.snapshot, self.folder, self.jobs, self.stop, self.preset = snapshot, folder, jobs, stop, preset
        copy(snapshot, names_in(snapshot), folder)

    def configure(self):
        """What cmake said, if it failed."""
        return self._failure(["cmake", "--preset", self.preset])

    def build(self, target):
        """What the compiler said, if it failed."""
        return self._failure(["cmake", "--build", f"build/{self.preset}", "-j", str(self.jobs), "--target", f"fuzz_{target}"])

    def program(self, target):
        return self.folder / "build" / self.preset / "fuzz" / f"fuzz_{target}"

    def plant(self, mutant):
        """Whether the patch applies."""
        return mutants.apply(mutant, self.folder)[0]

    def restore(self, mutant):
        """The files that it changed are those of the snapshot again."""
        for name in mutant.files:
            if (self.snapshot / name).is_file():
                shutil.copy(self.snapshot / name, self.folder / name)
            else:
                (self.folder / name).unlink(missing_ok=True)

    def _failure(self, command):
        log = self.folder / "build.log"
        with open(log, "wb") as out, subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                                                      stderr=out, start_new_session=True) as process:
            while process.poll() is None:
                try:
                    process.wait(0.2)
                except subprocess.TimeoutExpired:
                    if self.stop.is_set():
                        os.killpg(process.pid, signal.SIGTERM)
                        raise Interrupted from None
        return "" if process.returncode == 0 else log.read_text(errors="replace")[-4000:] or f"{command[0]} failed"
