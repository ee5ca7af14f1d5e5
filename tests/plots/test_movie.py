"""The movie: what is planted in its frames stands where it must, in the colours of the legend."""

import io
import json
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

import sample
from plots import movie
from plots.load import InputError
from test_command import run

FREE, SLAB, KEPT, SECOND = 0, 1, 2, 3
OWNERS = [{"kind": "free", "name": "free", "order": 9}, {"kind": "slab", "name": "filp"},
          {"kind": "per_cpu", "name": "on a CPU's list"}, {"kind": "slab", "name": "dentry"},
          {"kind": "free", "name": "free", "order": 3}]


def frame(operation, runs, pageblocks="MM"):
    return {"operation": operation, "time_s": 0.0, "pageblocks": pageblocks, "runs": runs}


def planted():
    """Two pageblocks. First all is free; then there are slabs of eight pages, a free block beside them, a page of a CPU, and
    the first pageblock is stolen."""
    after = [SLAB, 8, 2, 4, 8, 1, SECOND, 1, 1, KEPT, 1, 7, SLAB, 8, 60, FREE, 512, 1]
    return {"movie": {"allocator": "slub", "trace": "planted", "layer": "objects", "operations": 10, "failures": 0, "first_pfn": 0,
                      "pages": 1024, "pageblock_pages": 512, "owners": OWNERS,
                      "frames": [frame(0, [FREE, 512, 2]), frame(10, after, "UM")]}}


def grey(rgb):
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


class Movie(unittest.TestCase):
    def setUp(self):
        scratch = sample.scratch()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def picture(self, document):
        return movie.Picture(movie.load(sample.write(self.folder, document)))

    def pixel(self, picture, image, page):
        """Of the middle of a page of the first pageblock."""
        layout = picture.layout
        row, column = divmod(page, layout.columns)
        x, y = layout.corner(0)
        half = layout.cell // 2 + movie.GAP // 2
        return image.getpixel((movie.MARGIN + x + column * layout.cell + half, picture.map_top + y + row * layout.cell + half))

    def tile(self, picture, number):
        """The first pageblock at a moment: colours, borders to the left, borders above."""
        moment = picture.moments[number]
        return movie.tile_image(moment.types[0], moment.owners(), moment.blocks(), picture.legend, picture.layout, 0)

    def test_owners_have_the_colours_of_the_legend_where_they_are(self):
        picture = self.picture(planted())
        colours = {name: shade for name, shade, _ in picture.legend.entries}
        self.assertEqual(list(colours), ["filp", "dentry", "on a CPU's list"])  # the largest first
        image = picture.draw(1)
        for page, name in ((0, "filp"), (15, "filp"), (24, "dentry"), (25, "on a CPU's list"), (31, "on a CPU's list"), (32, "filp")):
            self.assertEqual(self.pixel(picture, image, page), colours[name], page)
        free = self.pixel(picture, image, 20)
        self.assertEqual(free, tuple(int(v) for v in movie.free_shade("U", 3)))
        self.assertEqual(self.pixel(picture, picture.draw(0), 0), tuple(int(v) for v in movie.free_shade("M", 9)))

    def test_a_pageblock_that_nobody_touches_is_left_out_and_told(self):
        picture = self.picture(planted())
        self.assertEqual((list(picture.layout.shown), picture.layout.left_out), ([0], 1))
        self.assertIn("stay free: 1", picture.progress(10))

    def test_a_free_pageblock_that_is_split_off_is_shown(self):
        document = planted()
        owners = document["movie"]["owners"] = OWNERS + [{"kind": "free", "name": "free", "order": 10}]
        document["movie"]["frames"][0]["runs"] = [len(owners) - 1, 1024, 1]
        self.assertEqual(list(self.picture(document).layout.shown), [0, 1])

    def test_a_long_title_is_cut(self):
        document = planted()
        document["movie"]["trace"] = "x" * 500
        picture = self.picture(document)
        self.assertLess(picture.bold.getlength(picture.title()), picture.width)

    def test_the_line_of_progress_has_room(self):
        document = planted()
        document["movie"].update(operations=10**12, failures=10**12)
        picture = self.picture(document)
        self.assertLess(picture.font.getlength(picture.progress(10**12)), picture.width - 2 * movie.MARGIN)

    def test_the_frame_of_a_tile_tells_its_migrate_type(self):
        picture = self.picture(planted())
        for number, letter in ((0, "M"), (1, "U")):
            corner = picture.draw(number).getpixel((movie.MARGIN, picture.map_top))
            self.assertEqual(corner, movie.colour(movie.BLOCK_TYPES[letter][1]))

    def test_blocks_have_borders_and_the_inside_of_one_has_none(self):
        picture = self.picture(planted())
        _, left, above = self.tile(picture, 1)
        self.assertEqual(list(np.flatnonzero(left[0])), [8, 16, 24, *range(25, 32)])
        self.assertTrue(above[1].all())
        self.assertFalse(self.tile(picture, 0)[1].any())

    def test_counts_of_the_legend_are_those_of_the_runs(self):
        moment = self.picture(planted()).moments[1]
        self.assertEqual(moment.counts.tolist(), [512, 16 + 480, 7, 1, 8])

    def test_a_gif_has_all_moments_and_a_png_the_last(self):
        document = planted()
        document["movie"]["frames"] *= 4
        for number, entry in enumerate(document["movie"]["frames"]):
            document["movie"]["frames"][number] = dict(entry, operation=number)
        path = sample.write(self.folder, document)
        self.assertEqual(run("movie", path, "-o", self.folder / "m.gif"), (0, "", ""))
        with Image.open(self.folder / "m.gif") as film:
            self.assertEqual(film.n_frames, 8)
        self.assertEqual(run("movie", path, "-o", self.folder / "m.png"), (0, "", ""))
        last = Image.open(self.folder / "m.png").convert("RGB")
        drawn = self.picture(document).draw(7)
        self.assertEqual(last.size, film.size)
        self.assertLess(np.abs(np.asarray(last, int) - np.asarray(drawn, int)).max(), 24)  # of the palette

    def test_colours_differ_in_lightness(self):
        shades = sorted(grey(movie.colour(text)) for text in movie.BUSY)
        self.assertGreater(min(np.diff(shades)), 12)
        self.assertEqual([grey(movie.colour(text)) for text in movie.BUSY], shades)
        mobilities = [grey(movie.colour(movie.PAGES[f"{name} pages"])) for name in ("unmovable", "movable", "reclaimable")]
        self.assertGreater(min(np.diff(mobilities)), 30)
        frames = sorted(grey(movie.colour(shade)) for _, shade in movie.BLOCK_TYPES.values())
        self.assertGreater(min(np.diff(frames)), 30)
        palest = grey(movie.free_shade("U", 0))
        self.assertGreater(palest, shades[-1] + 12)

    def test_more_caches_than_colours_share_one(self):
        document = planted()
        owners = document["movie"]["owners"] = OWNERS + [{"kind": "slab", "name": f"c{i}"} for i in range(9)]
        runs = [number for i in range(len(OWNERS), len(owners)) for number in (i, 1, 40 - i)]
        rest = 1024 - sum(runs[2::3])
        document["movie"]["frames"] = [frame(1, runs + [KEPT, 1, rest])]
        entries = self.picture(document).legend.entries
        self.assertEqual([name for name, _, _ in entries][:7], ["c0", "c1", "c2", "c3", "c4", "c5", "5 other caches"])

    def test_an_arena_that_begins_within_a_pageblock_is_shifted(self):
        document = planted()
        document["movie"].update(first_pfn=256, pages=768)
        document["movie"]["frames"] = [frame(1, [SLAB, 8, 32, FREE, 512, 1])]
        picture = self.picture(document)
        image = picture.draw(0)
        self.assertEqual(self.pixel(picture, image, 255), (255, 255, 255))
        self.assertEqual(self.pixel(picture, image, 256), movie.colour(movie.BUSY[0]))

    def test_files_that_are_no_movie_are_named(self):
        def changed(**members):
            document = planted()
            document["movie"].update(members)
            return json.dumps(document)

        cases = {"": "JSON", "[1]": "movie", "{}": "movie", "[" * 100_000: "JSON", changed(pages="many"): "movie.pages",
                 changed(frames=[]): "movie.frames", changed(frames=[1]): "movie.frames[0]",
                 changed(frames=[frame(1, [0, 1])]): "frames[0].runs", changed(frames=[frame(1, [9, 512, 2])]): "frames[0].runs",
                 changed(frames=[frame(1, [0, 512, 1])]): "1024 pages", changed(frames=[frame(1, [0, 512, 2], "M")]): "2 letters",
                 changed(pageblock_pages=0): "pageblock_pages", changed(owners=[1] * 5): "owners[0]",
                 changed(owners=[{"kind": "free", "name": "free"}]): "order", changed(pageblock_pages=33): "power of two",
                 changed(frames=[frame(1, [0, 512, 2], "M?")]): "letters"}
        for content, naming in cases.items():
            with self.subTest(naming):
                path = sample.write(self.folder, content, "bad.json")
                with self.assertRaises(InputError) as caught:
                    movie.load(path)
                self.assertIn(naming, str(caught.exception))
                self.assertNotIn("\n", str(caught.exception))
                self.assertIn("bad.json", str(caught.exception))

    def test_the_command_says_in_one_line_what_it_cannot_do(self):
        path = sample.write(self.folder, planted())
        for words, naming in (((path, "-o", self.folder / "m.mp4"), ".gif"), ((self.folder / "absent", "-o", self.folder / "m.gif"), "absent"),
                              ((sample.REPLAY, "-o", self.folder / "m.gif"), "movie"), ((path,), "--output")):
            status, out, err = run("movie", *words)
            self.assertEqual((status, out, err.count("\n")), (2, "", 1))
            self.assertIn(naming, err)
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_the_same_frames_give_the_same_bytes(self):
        path = sample.write(self.folder, planted())
        self.assertEqual(movie.draw(path, "gif"), movie.draw(path, "gif"))
        self.assertTrue(Image.open(io.BytesIO(movie.draw(path, "png"))).size)


if __name__ == "__main__":
    unittest.main()
