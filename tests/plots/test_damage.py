"""Result files that were damaged: whatever is changed in one, it is refused by one line that names the file, or read, and
then every figure knows whether it can be drawn from it."""

import copy
import json
import random
import tempfile
import unittest
from pathlib import Path

import sample
from plots.figures import FIGURES
from plots.load import InputError, load

WRONG = (None, True, -1, 0, 1.5, 1e308, "", "text", "1", "a\nb", [], [1], [[]], {}, {"name": 1}, float("nan"))
CHANGES = 80  # of each file, drawn by a fixed seed


def places(value, place=()):
    """Each (container, key) inside of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in list(pairs):
        yield value, key
        yield from places(inside, (*place, key))


def damaged(document, dice):
    """A copy with one to three changes: something is gone, of another type, twice, or somebody else's."""
    document = copy.deepcopy(document)
    for _ in range(dice.randint(1, 3)):
        container, key = dice.choice(list(places(document)) or [(document, None)])
        if key is None:
            continue
        change = dice.randrange(4)
        if change == 0:
            del container[key]
        elif change == 1 and isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif change == 2:
            other, name = dice.choice(list(places(document)))
            container[key] = copy.deepcopy(other[name])
        else:
            container[key] = dice.choice(WRONG)
    return document


class Damage(unittest.TestCase):
    def check(self, path):
        """Whether it was read."""
        try:
            results = load([str(path)])
        except InputError as error:
            self.assertNotIn("\n", str(error))
            self.assertIn(path.name, str(error))
            return False
        for spec in FIGURES.values():
            try:
                spec.frame(results)
            except InputError as error:
                self.assertNotIn("\n", str(error))
        return True

    def test_each_change_is_refused_in_one_line_or_read(self):
        dice = random.Random(2026)
        with tempfile.TemporaryDirectory() as folder:
            for name in sample.ALL:
                document = json.loads(Path(name).read_text(encoding="utf-8"))
                path = Path(folder) / Path(name).name
                outcomes = set()
                for number in range(CHANGES):
                    path.write_text(json.dumps(damaged(document, dice)), encoding="utf-8")
                    with self.subTest(file=path.name, number=number):
                        outcomes.add(self.check(path))
                self.assertEqual(outcomes, {True, False}, f"{path.name}: all changes ended alike")

    def test_each_cut_is_refused_in_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in sample.ALL:
                content = Path(name).read_bytes()
                path = Path(folder) / Path(name).name
                for length in {0, 1, len(content) // 3, len(content) - 2}:
                    path.write_bytes(content[:length])
                    with self.subTest(file=path.name, length=length):
                        self.assertFalse(self.check(path))


if __name__ == "__main__":
    unittest.main()
