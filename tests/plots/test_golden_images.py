"""Every figure looks as it did: the sample's, drawn small, beside the pictures in golden/.

After a change that is meant, look at each of what this writes before it is committed:

    python3 -B tests/plots/test_golden_images.py --update
"""

import io
import sys
import unittest
from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib import colors

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
import sample
from plots import style
from plots.figures import FIGURES
from plots.load import load

GOLDEN = Path(__file__).parent / "golden"
DPI = 40
SHIFT = 0.15      # of a pixel's brightness or colour, blurred: less is another rounding of the same shape
SHARE = 0.002     # of all pixels that may be shifted more


@style.styled
def small(figure):
    """The figure as a PNG that fits in a repository."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def pixels(png):
    """Height x width x 3, 0 to 1."""
    return matplotlib.image.imread(io.BytesIO(png))[..., :3]


def blurred(image):
    """Means over 3 x 3 pixels."""
    height, width = image.shape[:2]
    return sum(image[y:height - 2 + y, x:width - 2 + x] for y in range(3) for x in range(3)) / 9


def difference(first, second):
    """The share of pixels that are visibly others; 1 if the pictures have other sizes."""
    first, second = pixels(first), pixels(second)
    if first.shape != second.shape:
        return 1.0
    return float((np.abs(blurred(first) - blurred(second)).max(axis=-1) > SHIFT).mean())


def drawn():
    """{name: PNG} of every figure."""
    results = load(sample.ALL)
    return {name: small(spec.draw(spec.frame(results))) for name, spec in FIGURES.items()}


class GoldenImages(unittest.TestCase):
    def test_every_figure_looks_as_it_did(self):
        for name, png in drawn().items():
            with self.subTest(name):
                self.assertLessEqual(difference((GOLDEN / f"{name}.png").read_bytes(), png), SHARE)

    def test_every_picture_is_of_a_figure(self):
        self.assertEqual(sorted(file.stem for file in GOLDEN.iterdir()), sorted(FIGURES))

    def test_another_colour_and_a_missing_line_are_seen(self):
        spec = FIGURES["latency"]
        frame = spec.frame(load(sample.ALL))
        before = small(spec.draw(frame))
        figure = spec.draw(frame)
        line = next(line for line in figure.axes[0].get_lines() if len(line.get_xdata()) > 2)
        line.set_color(colors.to_rgb("#ff00ff"))
        self.assertGreater(difference(before, small(figure)), SHARE)
        line.set_visible(False)
        self.assertGreater(difference(before, small(figure)), SHARE)


def update():
    GOLDEN.mkdir(exist_ok=True)
    pictures = drawn()
    for file in GOLDEN.iterdir():
        if file.stem not in pictures:
            file.unlink()
    for name, png in pictures.items():
        file = GOLDEN / f"{name}.png"
        if not file.exists() or difference(file.read_bytes(), png) > 0:
            file.write_bytes(png)


if __name__ == "__main__":
    if sys.argv[1:] == ["--update"]:
        update()
    else:
        unittest.main()
