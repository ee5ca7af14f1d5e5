"""What a night knows: which steps are done with what outcome, kept in build/nightly/state.json so that an interrupted
night goes on where it was.

    {"begin": time, "arguments": {...}, "done": {STEP: outcome}, "finished": false}

An outcome is an object; `fault`, if there, is one line about what is wrong. Steps are named as KIND/TARGET.
"""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


class Night:
    """The state in `folder`: the unfinished night with the same arguments, or a new one. The one before is `last`."""

    def __init__(self, folder, arguments):
        self.folder, self.path = folder, folder / "state.json"
        old = read_json(self.path)
        if old and not old["finished"] and old["arguments"] == arguments:
            self.state = old
        else:
            if old and old["finished"]:
                write_json(folder / "last.json", old)
            self.state = {"begin": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "arguments": arguments, "done": {},
                          "finished": False}
        self.last = read_json(folder / "last.json")

    def step(self, name, work):
        """The outcome of `work()`, from this run or an earlier one of the same night."""
        done = self.state["done"]
        if name not in done:
            begin, begin_cpu = time.monotonic(), cpu_of_children()
            print(f"== {name}", flush=True)
            outcome = work()
            done[name] = {**outcome, "wall_seconds": round(time.monotonic() - begin, 1),
                          "cpu_seconds": round(cpu_of_children() - begin_cpu, 1)}
            write_json(self.path, self.state)
            if "fault" in outcome:
                print(f"   {outcome['fault']}", flush=True)
        return done[name]

    def kinds(self):
        """KIND of all steps, in the order in which they were done."""
        return list(dict.fromkeys(name.partition("/")[0] for name in self.state["done"]))

    def outcomes(self, kind):
        """{TARGET: outcome} of the steps KIND/TARGET."""
        return {name.partition("/")[2]: outcome for name, outcome in self.state["done"].items() if name.partition("/")[0] == kind}

    def faults(self):
        return [f"{name}: {outcome['fault']}" for name, outcome in self.state["done"].items() if "fault" in outcome]

    def finish(self):
        self.state["finished"] = True
        write_json(self.path, self.state)


def cpu_of_children():
    """Processor time of all programs that ran and ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def call(command, log, seconds=None, environment=None):
    """Exit status of a program whose output goes to a file; None if its time ended first. Ctrl-C ends it too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out, subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                                  start_new_session=True, env={**os.environ, **(environment or {})}) as process:
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            end(process)
            return None
        except KeyboardInterrupt:
            end(process)
            raise


def end(process):
    """The program and all that it started: by SIGINT, and after ten seconds for good."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
