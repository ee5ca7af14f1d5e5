"""A small tree with one fuzz target, toy_target.py, and mutants of it."""

import shutil
import subprocess
import tempfile
from pathlib import Path

HEAD = """# id: {id}
# what: planted
# source: synthetic
# laws: {laws}
# target: {target}
# trigger: executions
"""
TARGET = "allocators/toy.py"


class ToyTree:
    """In a scratch folder `root`; close() removes it."""

    def __init__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="scoreboard-test-")
        self.root = Path(self.scratch.name)
        self.work = self.root / "build/scoreboard"
        here = Path(__file__).parent
        for folder in ("allocators", "fuzz/mutants", "fuzz/corpus", "docs", "ci"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(here / "toy_target.py", self.root / TARGET)
        shutil.copy(here.parents[1] / "fuzz/libfuzzer.options", self.root / "fuzz/libfuzzer.options")
        (self.root / "docs/invariants.md").write_text("| G1 | O(1) | disjoint | test |\n")
        (self.root / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(toy LANGUAGES NONE)\n"
                                                  "add_subdirectory(fuzz)\n")
        (self.root / "CMakePresets.json").write_text(
            '{"version": 6, "configurePresets": [{"name": "scoreboard", "generator": "Ninja", '
            '"binaryDir": "${sourceDir}/build/scoreboard"}]}\n')
        # "Compiles" a script: one that Python does not understand fails.
        (self.root / "fuzz/CMakeLists.txt").write_text(
            "function(kmemlab_fuzz name)\n"
            "  add_custom_target(fuzz_${name}\n"
            f"    COMMAND /usr/bin/python3 -c \"import sys; compile(open(sys.argv[1]).read(), 'toy', 'exec')\" ${{PROJECT_SOURCE_DIR}}/{TARGET}\n"
            f"    COMMAND install -m 755 ${{PROJECT_SOURCE_DIR}}/{TARGET} fuzz_${{name}} VERBATIM)\n"
            "endfunction()\nkmemlab_fuzz(toy)\n")
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)

    def plant(self, name, *changes, target="toy", laws="G1"):
        """A mutant that replaces, in the target, each (old, new) of `changes`."""
        before = (self.root / TARGET).read_text()
        after = before
        for old, new in changes:
            after = after.replace(old, new)
        new_file = self.root / "new"
        new_file.write_text(after)
        diff = subprocess.run(["git", "diff", "--no-index", TARGET, "new"], cwd=self.root, capture_output=True, text=True, check=False)
        new_file.unlink()
        patch = diff.stdout.replace("b/new", f"b/{TARGET}")
        (self.root / f"fuzz/mutants/{name}.patch").write_text(HEAD.format(id=name, laws=laws, target=target) + patch)

    def close(self):
        self.scratch.cleanup()
