"""What the program `python3` runs: python3 python_work.py SCALE. Prints a hash of all that it made; the same in every run."""

import ast
import hashlib
import json
import random
import re
import sys
import threading
from collections import Counter, OrderedDict


def documents(generator, count):
    return [{"id": i, "name": f"item {i}", "tags": [f"tag{generator.randrange(50)}" for _ in range(i % 9)],
             "body": "x" * generator.randrange(300), "parts": {str(j): generator.random() for j in range(i % 7)}} for i in range(count)]


def as_text(generator, scale):
    """To JSON and back, three times over."""
    made = documents(generator, 400 * scale)
    for _ in range(3):
        made = json.loads(json.dumps(made))
    return json.dumps(made)


def trees(scale):
    """Source code to syntax trees."""
    source = "\n".join(f"def f{i}(a, b={i}, *c):\n    return [x * a + {i} for x in c if x != b]" for i in range(60 * scale))
    return ast.dump(ast.parse(source))


def words(generator, scale):
    """Texts that are cut, counted and sorted."""
    text = " ".join("".join(generator.choice("abcde") for _ in range(generator.randrange(1, 9))) for _ in range(4000 * scale))
    counts = Counter(re.findall(r"\w+", text))
    return repr(sorted(counts.items()))


def turnover(generator, scale):
    """Objects of all ages: the oldest go, and now and then one in the midst."""
    kept = OrderedDict()
    for i in range(15000 * scale):
        kept[i] = bytearray(int(2 ** generator.uniform(3, 13)))
        if len(kept) > 2000:
            kept.popitem(last=False)
        if i % 5 == 0:
            kept.pop(i - generator.randrange(1, 2000), None)
    return repr([(key, len(value)) for key, value in kept.items()])


def crew(scale):
    """Four threads, each with a generator of its own."""
    made = [None] * 4

    def work(number):
        made[number] = words(random.Random(number), scale)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "".join(made)


def main():
    scale, generator = int(sys.argv[1]), random.Random(7)
    for text in (as_text(generator, scale), trees(scale), words(generator, scale), turnover(generator, scale), crew(scale)):
        print(hashlib.sha256(text.encode()).hexdigest())


if __name__ == "__main__":
    main()
