"""Running a libFuzzer program until it finds something or has used its processor time, and reading what it said."""

import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05
GRACE_SECONDS = 15  # between the signal to end and the one that kills
FOUND = ("crash-", "timeout-", "oom-", "leak-")  # beginnings of the names that libFuzzer gives to such inputs
# What fuzz/targets/main.cpp prints: law, what was seen (maybe over several lines), the program.
REPORT = re.compile(r"^([A-Z]\d+|misuse|crash|trace|settings): ([^\n]*)(?:\n(?!target )[^\n]*)*\ntarget ", re.M)
# What ended the process where no law was named, the most telling first.
SIGNS = (
    (re.compile(r"ALARM: working on the last Unit"), "C4"),
    (re.compile(r"ERROR: libFuzzer: timeout"), "C4"),
    (re.compile(r"check failed: (.+)"), "crash"),
    (re.compile(r"runtime error: (.+)"), "crash"),
    (re.compile(r"(?:ERROR|WARNING): (?:Address|Leak|Memory|Thread)Sanitizer: (.+)"), "crash"),
    (re.compile(r"libc\+\+abi: (.+)|terminate called (?:.+\n +what\(\): +)?(.+)"), "crash"),
    (re.compile(r"ERROR: libFuzzer: (.+)"), "crash"),
)


def options(root=Path(".")):
    """What fuzz/libfuzzer.options says, as command-line options."""
    text = (root / "fuzz/libfuzzer.options").read_text()
    return [f"-{name}={value}" for name, value in re.findall(r"^(\w+) *= *(\S+)", text, re.M)]


@dataclass
class Run:
    """One run: `law` and `what` if it found something; seconds are processor time of the program."""
    status: int
    seconds: float
    wall_seconds: float
    executions: int
    law: str = ""
    what: str = ""
    artifact: Path = None  # the input that shows it

    @property
    def found(self):
        return self.artifact is not None

    @property
    def failed(self):
        """It ended by itself, badly, and left no input behind: the harness is at fault."""
        return self.status != 0 and not self.found


def judge(log):
    """(law, what) of the output of a run that found something."""
    named = REPORT.search(log)
    if named:
        return named[1], named[2].strip()
    for sign, law in SIGNS:
        found = sign.search(log)
        if found:
            what = next((group for group in found.groups() if group), found[0])
            return law, re.split(r" on (unknown )?address| at pc|0x", what)[0].strip()[:200]
    return "crash", "the process ended"


def executions_in(log):
    """How many inputs were run: by the statistics at the end, or the last line that counts them."""
    exact = re.findall(r"^stat::number_of_executed_units:\s*(\d+)", log, re.M)
    counted = re.findall(r"^#(\d+)[:\s]", log, re.M)
    return int((exact or counted or ["0"])[-1])


def cpu_seconds(pid):
    """Processor time of a process that runs; nothing if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(program, arguments, folder, seconds, stop=lambda: False, environment=None):
    """Runs it for so many seconds of processor time; log and inputs go to `folder`. `stop()` true ends it early;
    `environment` is added to ours."""
    folder.mkdir(parents=True, exist_ok=True)
    log_path = folder / "log"
    begin = time.monotonic()
    with open(log_path, "wb") as log:
        # A session of its own: Ctrl-C is ours to pass on.
        process = subprocess.Popen([str(program), f"-artifact_prefix={folder}/", "-print_final_stats=1", *arguments],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0:symbolize=0", **(environment or {})})
        asked, status, usage = None, None, None
        while status is None:
            time.sleep(POLL_SECONDS)
            pid, raw, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                status = os.waitstatus_to_exitcode(raw)
            elif asked is None and (stop() or cpu_seconds(process.pid) >= seconds):
                asked = time.monotonic()
                process.send_signal(signal.SIGUSR1)  # libFuzzer ends after this input, with its statistics
            elif asked is not None and time.monotonic() > asked + GRACE_SECONDS:
                process.kill()
        process.returncode = status
    text = log_path.read_text(errors="replace")
    inputs = [path for path in sorted(folder.iterdir()) if path.name.startswith(FOUND)]
    law, what = judge(text) if inputs else ("", "")
    if asked is not None and status == -signal.SIGKILL:
        status = 0
    return Run(status, usage.ru_utime + usage.ru_stime, time.monotonic() - begin, executions_in(text), law, what,
               inputs[0] if inputs else None)
