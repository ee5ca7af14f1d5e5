"""The golden sample and ways to change it. The sample is small and complete; its numbers, but for the counts of scale and mapping, are synthetic."""

import copy
import json
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "sample"
REPLAY, PEERS, MICRO, SCALE, MAPPING, SCOREBOARD, PROGRAMS = (
    str(FOLDER / f"{name}.json") for name in ("replay", "peers", "micro", "scale", "mapping", "scoreboard", "programs"))
ALL = [REPLAY, PEERS, MICRO, SCALE, MAPPING, SCOREBOARD, PROGRAMS]


def replay():
    """The replay as a dict that may be changed."""
    return json.loads(Path(REPLAY).read_text())


def scale():
    return json.loads(Path(SCALE).read_text())


def mapping():
    return json.loads(Path(MAPPING).read_text())


def allocator(document, name):
    return next(entry for entry in document["replay"]["allocators"] if entry["name"] == name)


def write(folder, document, name="changed.json"):
    """A file of `document` (a dict, or text as it is) in `folder`; returns its path."""
    path = Path(folder) / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def with_throughput(first, second):
    """The replay with these repetitions of slub and of malloc."""
    document = copy.deepcopy(replay())
    allocator(document, "slub")["ops_per_second"] = first
    allocator(document, "malloc")["ops_per_second"] = second
    return document


def small_replay():
    """The replay with malloc alone, for tests of the page around the figures."""
    document = replay()
    document["replay"]["allocators"] = [allocator(document, "malloc")]
    return document


def scratch():
    return tempfile.TemporaryDirectory(prefix="plots-test-")
