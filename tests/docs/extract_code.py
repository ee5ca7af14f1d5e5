"""Takes a block of code out of a page: python3 extract_code.py PAGE NAME OUTPUT.

The block begins with a line "```cpp NAME". Status 1 unless there is exactly one. The output's lines keep their numbers,
so that a compiler's message points to the page.
"""

import sys
from pathlib import Path


def blocks_of(text: str, name: str) -> list[tuple[int, str]]:
    """(line before the block's first, its text) of each block of that name."""
    found, begin = [], None
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if begin is None and line == f"```cpp {name}":
            begin = i + 1
        elif begin is not None and line == "```":
            found.append((begin, "\n".join(lines[begin:i]) + "\n"))
            begin = None
    return found


def main() -> int:
    if len(sys.argv) != 4:
        print("usage: extract_code.py PAGE NAME OUTPUT", file=sys.stderr)
        return 2
    page, name, output = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    found = blocks_of(page.read_text(), name)
    if len(found) != 1:
        print(f"{page}: {len(found)} blocks named {name}, expected 1", file=sys.stderr)
        return 1
    before, code = found[0]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(f'#line {before + 1} "{page}"\n{code}')
    return 0


if __name__ == "__main__":
    sys.exit(main())
