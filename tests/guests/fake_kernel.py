#!/usr/bin/python3
"""What a guest says, without a kernel: answers every line by the text of ANSWERS beside it, "ok" if that has none for it."""
import json
import os
import sys
from pathlib import Path

words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
answers = json.loads((Path(sys.argv[0]).parent / "answers.json").read_text())
print("a line on the console")
sys.stdout.flush()
lines = os.fdopen(int(words["kmemlab"]), "r+b", buffering=0)
while line := lines.readline():
    said = answers.get(line.split()[0].decode(), "ok")
    if said == "gone":
        sys.exit(1)
    lines.write(said.encode() + b"\n")
