"""A small tree with one fuzz target, toy_target.py or toy_target.cpp, and mutants of it."""

import json
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
COMPILED = "allocators/toy.cpp"
# "Compiles" a script: one that Python does not understand fails.
SCRIPT_BUILD = f"""
  add_custom_target(fuzz_${{name}}
    COMMAND /usr/bin/python3 -c "import sys; compile(open(sys.argv[1]).read(), 'toy', 'exec')" ${{PROJECT_SOURCE_DIR}}/{TARGET}
    COMMAND install -m 755 ${{PROJECT_SOURCE_DIR}}/{TARGET} fuzz_${{name}} VERBATIM)"""
PROGRAM_BUILD = f"""
  add_executable(fuzz_${{name}} ${{PROJECT_SOURCE_DIR}}/{COMPILED})
  target_compile_options(fuzz_${{name}} PRIVATE -fsanitize=fuzzer)
  target_link_options(fuzz_${{name}} PRIVATE -fsanitize=fuzzer)"""


class ToyTree:
    """In a scratch folder `root`; close() removes it."""

    def __init__(self, target=TARGET):
        self.target = target
        self.scratch = tempfile.TemporaryDirectory(prefix="scoreboard-test-")
        self.root = Path(self.scratch.name)
        self.work = self.root / "build/scoreboard"
        here = Path(__file__).parent
        for folder in ("allocators", "fuzz/mutants", "fuzz/corpus", "docs", "ci"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(here / f"toy_target{Path(target).suffix}", self.root / target)
        shutil.copy(here.parents[1] / "fuzz/libfuzzer.options", self.root / "fuzz/libfuzzer.options")
        (self.root / "docs/invariants.md").write_text("| G1 | O(1) | disjoint | test |\n")
        (self.root / "CMakeLists.txt").write_text(f"cmake_minimum_required(VERSION 3.25)\nproject(toy LANGUAGES {'CXX' if target == COMPILED else 'NONE'})\n"
                                                  "add_subdirectory(fuzz)\n")
        flags = {"scoreboard": "", "scoreboard-coverage": "-fprofile-instr-generate -fcoverage-mapping"}
        (self.root / "CMakePresets.json").write_text(json.dumps({"version": 6, "configurePresets": [
            {"name": name, "generator": "Ninja", "binaryDir": "${sourceDir}/build/${presetName}",
             "cacheVariables": {"CMAKE_CXX_COMPILER": "clang++-14", "CMAKE_CXX_FLAGS": words}} for name, words in flags.items()]}))
        build = PROGRAM_BUILD if target == COMPILED else SCRIPT_BUILD
        (self.root / "fuzz/CMakeLists.txt").write_text(f"function(kmemlab_fuzz name){build}\nendfunction()\nkmemlab_fuzz(toy)\n")
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)

    def plant(self, name, *changes, target="toy", laws="G1"):
        """A mutant that replaces, in the target, each (old, new) of `changes`."""
        before = (self.root / self.target).read_text()
        after = before
        for old, new in changes:
            assert old in after, old
            after = after.replace(old, new)
        new_file = self.root / "new"
        new_file.write_text(after)
        diff = subprocess.run(["git", "diff", "--no-index", self.target, "new"], cwd=self.root, capture_output=True, text=True, check=False)
        new_file.unlink()
        patch = diff.stdout.replace("b/new", f"b/{self.target}")
        (self.root / f"fuzz/mutants/{name}.patch").write_text(HEAD.format(id=name, laws=laws, target=target) + patch)

    def close(self):
        self.scratch.cleanup()
