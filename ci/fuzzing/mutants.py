"""Mutants: past bugs planted as patches, fuzz/mutants/ID.patch, whose heads say what they are.

    # id: SU01                        the file's name
    # what: ...                       one line
    # source: COMMIT, YEAR            or: synthetic
    # laws: U6 C3                     who may report it: numbers of docs/invariants.md, or one of OTHER_LAWS
    # target: slub-schedule           of fuzz/CMakeLists.txt
    # trigger: ...                    what it takes; may go on over lines
    diff --git ...

`python3 -m ci.fuzzing.mutants` checks all of them against the tree: heads complete, targets and laws known, patches
apply. It prints one line for each thing wrong and ends with status 1.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FIELDS = ("id", "what", "source", "laws", "target", "trigger")
# fuzz/oracle/finding.hpp says what they are.
OTHER_LAWS = {"misuse", "crash", "trace", "settings"}


class BadMutant(Exception):
    """A head is not as it should be; the text is one line that names the file."""


@dataclass(frozen=True)
class Mutant:
    id: str
    what: str
    source: str
    laws: tuple
    target: str
    trigger: str
    path: Path
    files: tuple  # that the patch changes, relative to the root of the tree

    @property
    def changes_base(self):
        """Whether nearly everything includes what it changes."""
        return any(name.startswith(("allocators/base/", "allocators/machine/")) and name.endswith(".hpp") for name in self.files)


def read(path):
    """The mutant of a file; raises BadMutant."""
    text = path.read_text(encoding="utf-8")
    head, start, _ = text.partition("\ndiff --git ")
    fields, name = {}, None
    for line in head.splitlines():
        found = re.match(r"# (\w+): (.*)$", line)
        if found and found[1] in FIELDS:
            name = found[1]
            if name in fields:
                raise BadMutant(f"{path}: expected one line `# {name}:`, found two")
            fields[name] = found[2].strip()
        elif line.startswith("#") and name:
            fields[name] += " " + line.lstrip("# ")
    missing = [field for field in FIELDS if not fields.get(field)]
    if missing:
        raise BadMutant(f"{path}: expected a line `# {missing[0]}: ...`, found none")
    if fields["id"] != path.stem:
        raise BadMutant(f"{path}: expected the id {path.stem}, found {fields['id']}")
    files = tuple(dict.fromkeys(re.findall(r"^\+\+\+ b/(\S+)", text, re.M)))
    if not start or not files:
        raise BadMutant(f"{path}: expected a patch behind the head, found none")
    return Mutant(**{**fields, "laws": tuple(fields["laws"].split())}, path=path, files=files)


def read_all(folder):
    return [read(path) for path in sorted(Path(folder).glob("*.patch"))]


def known_targets(root):
    """Names of the fuzz targets, as fuzz/CMakeLists.txt has them."""
    text = (root / "fuzz/CMakeLists.txt").read_text()
    names = re.findall(r"^\s*kmemlab_fuzz\(([\w-]+)", text, re.M)
    for found in re.findall(r"foreach\(target ([^)]*)\)", text):
        names += found.split()
    return set(names)


def known_laws(root):
    return set(re.findall(r"^\| ([A-Z]\d+) \|", (root / "docs/invariants.md").read_text(), re.M)) | OTHER_LAWS


def apply(mutant, root, *options):
    """True if `git apply` takes the patch to the tree below root; and what it said."""
    # Without the ceiling git would find a repository around a scratch tree, and silently skip files outside of it.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
    done = subprocess.run(["git", "apply", "--whitespace=nowarn", *options, str(mutant.path.resolve())], cwd=root,
                          env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr.strip()


def faults(root):
    """One line for each thing that is wrong with the mutants of a tree."""
    targets, laws = known_targets(root), known_laws(root)
    for path in sorted((root / "fuzz/mutants").glob("*.patch")):
        try:
            mutant = read(path)
        except BadMutant as error:
            yield str(error)
            continue
        if mutant.target not in targets:
            yield f"{path}: no fuzz target {mutant.target}; there are {', '.join(sorted(targets))}"
        for law in mutant.laws:
            if law not in laws:
                yield f"{path}: no law {law} in docs/invariants.md"
        applies, said = apply(mutant, root, "--check")
        if not applies:
            yield f"{path}: does not apply: {' '.join(said.split())}"


if __name__ == "__main__":
    found = list(faults(Path(".")))
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
