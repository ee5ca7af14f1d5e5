"""Of a run that missed a planted bug: whether an input that it kept reached the bug, and whether one triggered it.

Triggered: what comes of the input (its digest, fuzz/targets/target.hpp) is not the same without the bug. Reached: a line
that the patch changes was run. Up to there the program without the bug does the same, so it is that which is measured,
and one build for coverage serves all patches.

None: nobody can tell.
"""

import difflib
import re
import subprocess

from ci.fuzzing import coverage, libfuzzer

DIGEST = re.compile(r"^digest (\w+)$", re.M)
SECONDS = 300  # of processor time for all inputs of a run, at most


def run(program, inputs, folder, options, stop, **environment):
    """The program on each input once: whoever looks for leaks repeats some."""
    return libfuzzer.run(program, [*options, "-detect_leaks=0", *map(str, inputs)], folder, SECONDS, stop, environment)


def digests(program, inputs, folder, options, stop):
    """One for each input; fewer if the program ends before, or cannot tell."""
    run(program, inputs, folder, options, stop, KMEMLAB_FUZZ_DIGEST="1")
    return DIGEST.findall((folder / "log").read_text(errors="replace"))


def is_triggered(program, unmutated, inputs, folder, options, stop):
    """Both programs tell of each input, and the one without the bug twice the same: else a difference says nothing."""
    told, without, again = (digests(one, inputs, folder / name, options, stop) for one, name in (
        (program, "digests"), (unmutated, "digests-unmutated"), (unmutated, "digests-again")))
    return told != without if len(told) == len(without) == len(inputs) > 0 and without == again else None


def changes(before, after):
    """[(numbers, decide)]: lines of `before` that `after` (lists of lines) has not, one of which must have been run, `any`;
    or those around lines that were put in, which must `all`."""
    found = []
    for kind, begin, end, _, _ in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "insert":
            found.append(((begin, begin + 1), all))
        elif kind != "equal":
            found.append((tuple(range(begin + 1, end + 1)), any))
    return found


def are_run(places, lines):
    """Of places as `changes` tells them: whether one was run, if `lines` {number: covered} has any of them."""
    known = [(decide, marks) for numbers, decide in places if (marks := [lines[number] for number in numbers if number in lines])]
    return any(decide(marks) for decide, marks in known) if known else None


def is_reached(program, inputs, places, folder, options, stop):
    """`program` is built for coverage; `places` {path of a source file: what changes there}."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = folder / "profraw"
    if run(program, inputs, folder, options, stop, LLVM_PROFILE_FILE=str(profile)).status != 0:
        return None
    try:
        lines = coverage.lines_of(coverage.export(program, coverage.merge([profile], folder), "lcov", *places))
    except subprocess.CalledProcessError:
        return None
    told = [are_run(where, lines.get(str(path), {})) for path, where in places.items()]
    return True if True in told else False if False in told else None
