#!/usr/bin/python3
"""A fuzz target in the manner of libFuzzer, as far as ci/scoreboard looks: bugs are planted by changing the constants."""
import signal
import sys
from pathlib import Path

BUG_AT = None  # the number of the execution that finds it
SAYS = ""
FAILS_ALWAYS = False

options = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:] if word.startswith("-"))
inputs = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
seed = int(options.get("seed", 0))


def end(executions, status):
    print(f"stat::number_of_executed_units: {executions}", flush=True)
    sys.exit(status)


def break_down(executions):
    print(SAYS)
    Path(options["artifact_prefix"] + "crash-0").write_bytes(b"x")
    end(executions, 77)


asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))
if FAILS_ALWAYS:
    sys.exit(1)
if inputs and inputs[0].is_file():
    if "always" in SAYS:
        break_down(1)
    end(1, 0)
count = 0
while not asked:
    count += 1
    if BUG_AT is not None and count >= BUG_AT * seed:
        break_down(count)
end(count, 0)
