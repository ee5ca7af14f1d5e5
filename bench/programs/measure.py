"""Runs a program and tells what it took: by wait4, whose figures are those of the program and of all that it waited for.

Peak memory is the largest resident set of any one process among them. A process inherits that figure from the one that
started it, so it is never below our own: nothing large is imported here before the last program has ended.
"""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Run:
    """One run of a program. `fault`: what was wrong with it, in one line; empty if nothing was."""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    output: bytes = b""
    final_bytes: int = None  # resident at the end, where the program can tell
    fault: str = ""


class Child:
    """A program in a session of its own, whose output goes to files of `folder`; killed with all that it started after
    `limit` seconds."""

    def __init__(self, command, folder, environment, limit):
        self.out, self.errors, self.killed = folder / "stdout", folder / "stderr", False
        with open(self.out, "wb") as out, open(self.errors, "wb") as errors:
            self.begin = time.monotonic()
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=errors,
                                            start_new_session=True)
        self.limit = limit
        self.timer = threading.Timer(limit, self.kill)
        self.timer.start()

    def kill(self):
        self.killed = True
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def ended(self):
        """True if it is not running any more; it still has to be waited for."""
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait(self):
        """The Run; its output is what it wrote, errors last."""
        try:
            _, status, usage = os.wait4(self.process.pid, 0)
        except BaseException:
            self.kill()
            raise
        finally:
            self.timer.cancel()
        seconds = time.monotonic() - self.begin
        self.process.returncode = os.waitstatus_to_exitcode(status)
        run = Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, usage.ru_minflt, usage.ru_majflt,
                  self.out.read_bytes() + self.errors.read_bytes())
        run.fault = self.fault_of(self.process.returncode)
        return run

    def fault_of(self, status):
        if self.killed:
            return f"still ran after {self.limit:.0f} s, and was killed"
        if status == 0:
            return ""
        how = f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        lines = self.errors.read_text(errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "nothing on stderr")
        return f"{how}: {last[:200]}"


def run(command, folder, environment, limit):
    return Child(command, Path(folder), environment, limit).wait()
