"""Memory over a replay: every page coloured by its owner, a picture for each moment (kmemlab inspect --frames-json).

    +----+ +----+    A tile is a pageblock, its pages in lines from left to right, so that a block of the buddy
    |####| |..  |    allocator is a line, some lines, or a part of one, and its buddy lies beside or below it.
    |..##| |    |    Free blocks are pale, the larger the paler, with borders where pages are large enough to see
    +----+ +----+    them: a split draws a border, a merge takes it away.

The frame of a tile says the migrate type of the pageblock, which also tints what is free in it: stealing changes it.
Pageblocks that stay free as they were are left out, and counted. Below the tiles: the pages of each owner over all moments, and
where in it this moment is. Colours differ in lightness too, for grey prints.
"""

import io
import json

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from plots.load import InputError
from plots.units import count_text

WIDTH, HEIGHT = 932, 520  # pixels that the tiles may have
TILE_COLUMNS = 32  # pages beside each other in a pageblock of 512
MARGIN, GAP, HEAD, LINE = 14, 4, 46, 22
STRIP = 90  # height of the pages over all moments
LARGEST = 6  # caches with a colour of their own
BUSY = ("#1B0F5C", "#882255", "#0072B2", "#C44E00", "#35B597", "#E69F00")  # of the largest caches, darkest first
OTHERS, LARGE, PER_CPU, RESERVED = "#8C8C8C", "#CC79A7", "#FFD92F", "#000000"
PAGES = {"unmovable pages": "#5E1500", "movable pages": "#2F86C8", "reclaimable pages": "#4FC7A8",
         "kernel stacks": "#332288", "vmalloc": "#882255"}
BLOCK_TYPES = {"U": ("unmovable", "#A31515"), "M": ("movable", "#B9B9B9"), "R": ("reclaimable", "#2FA37C"),
               "H": ("high atomic", "#1E0E40"), "-": ("none", "#FFFFFF")}
PALE = {"U": (255, 226, 220), "M": (246, 246, 246), "R": (222, 244, 232), "H": (236, 224, 246), "-": (246, 246, 246)}
MEMBERS = {"allocator": str, "trace": str, "layer": str, "operations": int, "failures": int, "pages": int,
           "first_pfn": int, "pageblock_pages": int, "owners": list, "frames": list}


def load(path):
    """The member `movie` of a file. InputError, one line, for what is not as docs/results.md says."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: expected JSON of kmemlab inspect --frames-json") from None
    movie = document.get("movie") if isinstance(document, dict) else None
    if not isinstance(movie, dict):
        raise InputError(f"{path}: expected a file of kmemlab inspect --frames-json, with a member movie")
    for name, kind in MEMBERS.items():
        if not isinstance(movie.get(name), kind):
            raise InputError(f"{path}: movie.{name}: expected {kind.__name__}")
    if movie["pages"] < 1 or movie["pageblock_pages"] < 1:
        raise InputError(f"{path}: movie.pages and movie.pageblock_pages: expected at least one")
    if movie["pageblock_pages"] & movie["pageblock_pages"] - 1:
        raise InputError(f"{path}: movie.pageblock_pages: expected a power of two")
    for number, owner in enumerate(movie["owners"]):
        if not isinstance(owner, dict) or not all(isinstance(owner.get(name), str) for name in ("kind", "name")):
            raise InputError(f"{path}: movie.owners[{number}]: expected kind and name")
        if owner["kind"] == "free" and owner.get("order") not in range(11):
            raise InputError(f"{path}: movie.owners[{number}].order: expected 0..10")
    if not movie["frames"]:
        raise InputError(f"{path}: movie.frames: expected at least one")
    for number, frame in enumerate(movie["frames"]):
        check_frame(f"{path}: movie.frames[{number}]", frame, movie)
    return movie


def check_frame(place, frame, movie):
    if not isinstance(frame, dict) or not isinstance(frame.get("operation"), int) or not isinstance(frame.get("pageblocks"), str):
        raise InputError(f"{place}: expected operation, pageblocks and runs")
    try:
        runs = np.array(frame["runs"], dtype=np.int64).reshape(-1, 3)
    except (KeyError, ValueError, TypeError, OverflowError):
        raise InputError(f"{place}.runs: expected numbers by three: owner, pages of a block, blocks") from None
    if (runs < 0).any() or (runs[:, 0] >= len(movie["owners"])).any() or (runs[:, 1] * runs[:, 2]).sum() != movie["pages"]:
        raise InputError(f"{place}.runs: expected owners below {len(movie['owners'])} and {movie['pages']} pages in all")
    tiles = -(-(movie["first_pfn"] % movie["pageblock_pages"] + movie["pages"]) // movie["pageblock_pages"])
    if len(frame["pageblocks"]) != tiles or not set(frame["pageblocks"]) <= set(BLOCK_TYPES):
        raise InputError(f"{place}.pageblocks: expected {tiles} letters of {''.join(BLOCK_TYPES)}")


def colour(text):
    return tuple(int(text[i:i + 2], 16) for i in (1, 3, 5))


class Moment:
    """What every page is at one moment. Pages are told one by one only when they are asked for: there may be millions."""

    def __init__(self, movie, frame):
        self.runs = np.array(frame["runs"], dtype=np.int64).reshape(-1, 3)
        self.counts = np.bincount(self.runs[:, 0], self.runs[:, 1] * self.runs[:, 2], len(movie["owners"])).astype(np.int64)
        self.types = frame["pageblocks"]

    def owners(self):
        """Of each page."""
        return np.repeat(self.runs[:, 0], self.runs[:, 1] * self.runs[:, 2])

    def blocks(self):
        """The number of the block that each page is in."""
        sizes = np.repeat(self.runs[:, 1], self.runs[:, 2])
        return np.repeat(np.arange(len(sizes)), sizes)


class Legend:
    """Which owners have which colour: [(name, colour, numbers of owners)], in the order in which they are told."""

    def __init__(self, movie, moments):
        owners = movie["owners"]
        most = np.max([moment.counts for moment in moments], axis=0)
        of_kind = lambda kind: [i for i, owner in enumerate(owners) if owner["kind"] == kind]
        slabs = sorted(of_kind("slab"), key=lambda i: (-most[i], i))
        self.entries = [(owners[i]["name"], colour(BUSY[place]), [i]) for place, i in enumerate(slabs[:LARGEST])]
        if slabs[LARGEST:]:
            self.entries.append((f"{len(slabs) - LARGEST} other caches", colour(OTHERS), slabs[LARGEST:]))
        self.entries += [(owners[i]["name"], colour(PAGES.get(owners[i]["name"], OTHERS)), [i]) for i in of_kind("pages")]
        for kind, name, shade in (("large", "objects of whole pages", LARGE), ("per_cpu", "on a CPU's list", PER_CPU),
                                  ("reserved", "reserved", RESERVED)):
            if of_kind(kind):
                self.entries.append((name, colour(shade), of_kind(kind)))
        self.free = of_kind("free")
        self.tables = {letter: self.table(owners, letter) for letter in BLOCK_TYPES}

    def table(self, owners, letter):
        """The colour of each owner in a pageblock of that migrate type."""
        table = np.full((len(owners), 3), 255.0)
        for _, shade, numbers in self.entries:
            table[numbers] = shade
        for number in self.free:
            table[number] = free_shade(letter, owners[number]["order"])
        return table


class Layout:
    """Where each page of the arena is drawn; tiles of pageblocks that stay free throughout are left out."""

    def __init__(self, movie, moments, legend):
        self.block = movie["pageblock_pages"]
        self.first = movie["first_pfn"] % self.block  # pages of the first tile that the arena has not
        self.pages = movie["pages"]
        tiles = -(-(self.first + self.pages) // self.block)
        tile_of = (np.arange(self.pages) + self.first) // self.block
        touched = np.zeros(tiles, dtype=bool)
        before = moments[0].owners()
        for moment in moments:
            owners = moment.owners()
            touched[tile_of[~np.isin(owners, legend.free) | (owners != before)]] = True
        if not touched.any():
            touched[0] = True
        self.shown = np.flatnonzero(touched)
        self.left_out = tiles - len(self.shown)
        self.columns = min(TILE_COLUMNS, self.block)
        self.rows = self.block // self.columns
        most = max(1, min(len(self.shown), WIDTH // (self.columns + GAP)))
        self.cell, self.beside = max((self.largest_cell(beside), beside) for beside in range(1, most + 1))
        self.below = -(-len(self.shown) // self.beside)
        self.tile = (self.columns * self.cell + GAP, self.rows * self.cell + GAP)  # with its frame

    def largest_cell(self, beside):
        """Pixels of a page, if so many tiles are beside each other; at least one."""
        below = -(-len(self.shown) // beside)
        return int(np.clip(min((WIDTH // beside - GAP) // self.columns, (HEIGHT // below - GAP) // self.rows), 1, 14))

    def size(self):
        return self.beside * self.tile[0], self.below * self.tile[1]

    def corner(self, place):
        """Of the tile that is drawn at this place, its frame included."""
        return place % self.beside * self.tile[0], place // self.beside * self.tile[1]


def free_shade(letter, order):
    """The larger the paler: single pages are darkest."""
    return np.array(PALE[letter]) * (0.80 + 0.20 * min(order, 9) / 9)


def tile_image(letter, owners, blocks, legend, layout, tile):
    """(rows, columns, 3) colours of the pages of one pageblock, and where blocks begin: to the left, above."""
    inside = tile * layout.block - layout.first + np.arange(layout.block)
    there = (inside >= 0) & (inside < layout.pages)
    image = np.full((layout.block, 3), 255.0)
    image[there] = legend.tables[letter][owners[inside[there]]]
    block = np.full(layout.block, -1)
    block[there] = blocks[inside[there]]
    block = block.reshape(layout.rows, layout.columns)
    left = np.diff(block, axis=1, prepend=block[:, :1]) != 0
    above = np.diff(block, axis=0, prepend=block[:1]) != 0
    return image.reshape(layout.rows, layout.columns, 3), left, above


def map_image(moment, legend, layout):
    """The tiles, as an array of colours."""
    width, height = layout.size()
    image = np.full((height, width, 3), 255, dtype=np.uint8)
    owners, blocks = moment.owners(), moment.blocks()
    edge, cell = GAP // 2, layout.cell
    for place, tile in enumerate(layout.shown):
        letter = moment.types[tile]
        shades, left, above = tile_image(letter, owners, blocks, legend, layout, tile)
        drawn = shades.repeat(cell, axis=0).repeat(cell, axis=1)
        if cell >= 4:  # a border fits in
            lines = np.zeros(drawn.shape[:2], dtype=bool)
            lines[::cell] |= above.repeat(cell, axis=1)
            lines[:, ::cell] |= left.repeat(cell, axis=0)
            dark = drawn[lines].mean(axis=-1, keepdims=True) < 80
            drawn[lines] = 0.62 * drawn[lines] + np.where(dark, 60, 0)
        x, y = layout.corner(place)
        image[y:y + layout.tile[1] - 1, x:x + layout.tile[0] - 1] = colour(BLOCK_TYPES[letter][1])
        image[y + edge:y + edge + drawn.shape[0], x + edge:x + edge + drawn.shape[1]] = drawn
    return image


def strip_image(moments, legend, width):
    """Pages of each owner over all moments, in the order of the legend from below; what is free is white."""
    image = np.full((STRIP, width, 3), 255, dtype=np.uint8)
    free = np.array([moment.counts[legend.free].sum() for moment in moments])
    total = moments[0].counts.sum()
    scale = STRIP * 0.95 / max(1, (total - free).max())
    for x in range(width):
        moment = moments[x * len(moments) // width]
        y = float(STRIP)
        for _, shade, owners in legend.entries:
            top = y - moment.counts[owners].sum() * scale
            image[round(top):round(y), x] = shade
            y = top
    return image


class Picture:
    """Draws the moments of one film, all of one size."""

    def __init__(self, movie):
        self.movie = movie
        self.moments = [Moment(movie, frame) for frame in movie["frames"]]
        self.legend = Legend(movie, self.moments)
        self.layout = Layout(movie, self.moments, self.legend)
        folder = matplotlib.get_data_path() + "/fonts/ttf/"
        self.font = ImageFont.truetype(folder + "DejaVuSans.ttf", 15)
        self.bold = ImageFont.truetype(folder + "DejaVuSans-Bold.ttf", 16)
        width, self.map_height = self.layout.size()
        longest = self.font.getlength(self.progress(self.movie["operations"]))
        self.width = max(width, 640, int(longest) + 1) + 2 * MARGIN
        self.strip = strip_image(self.moments, self.legend, self.width - 2 * MARGIN)
        self.map_top = MARGIN + HEAD
        self.legend_top = self.map_top + self.map_height + 8
        rows = len(self.legend_cells())
        self.strip_top = self.legend_top + rows * LINE + 26
        self.height = self.strip_top + STRIP + MARGIN

    def legend_cells(self):
        """[[(draw, x)]] by rows: swatches and words, as many beside each other as there is room for."""
        cells = [(name, shade, None, owners) for name, shade, owners in self.legend.entries]
        cells.append(("free, the larger the paler", None, "free", self.legend.free))
        cells += [(f"pageblock of {BLOCK_TYPES[letter][0]} pages", colour(BLOCK_TYPES[letter][1]), "frame", None)
                  for letter in "UMRH" if any(letter in moment.types for moment in self.moments)]
        rows, x = [[]], self.width
        for cell in cells:
            most = "" if cell[3] is None else "  " + count_text(int(max(moment.counts[cell[3]].sum() for moment in self.moments)))
            room = 26 + (50 if cell[2] == "free" else 0) + int(self.font.getlength(cell[0] + most)) + 22
            if rows[-1] and x + room > self.width - MARGIN:
                rows.append([])
            x = x + room if rows[-1] else MARGIN + room
            rows[-1].append((cell, x - room))
        return rows

    def draw(self, number):
        """One moment as an image."""
        moment, frame = self.moments[number], self.movie["frames"][number]
        image = Image.new("RGB", (self.width, self.height), "white")
        pen = ImageDraw.Draw(image)
        pen.text((MARGIN, MARGIN - 3), self.title(), fill="black", font=self.bold)
        pen.text((MARGIN, MARGIN + 19), self.progress(frame["operation"]), fill="#333333", font=self.font)
        image.paste(Image.fromarray(map_image(moment, self.legend, self.layout)), (MARGIN, self.map_top))
        for row, cells in enumerate(self.legend_cells()):
            for cell, x in cells:
                self.draw_cell(pen, moment, cell, x, self.legend_top + row * LINE)
        self.draw_strip(image, pen, number)
        return image

    def title(self):
        """Of one line: names of made traces may be long."""
        title = f"{self.movie['allocator']}, {self.movie['trace']}"
        while self.bold.getlength(title) > self.width - 2 * MARGIN:
            title = title[:-2].rstrip("…") + "…"
        return title

    def progress(self, operation):
        parts = [f"after {count_text(operation)} of {count_text(self.movie['operations'])} operations",
                 f"{count_text(self.movie['pages'])} pages"]
        if self.layout.left_out:
            parts.append(f"pageblocks left out, because they stay free: {count_text(self.layout.left_out)}")
        if self.movie["failures"]:
            parts.append(f"requests that got nothing: {count_text(self.movie['failures'])}")
        return "; ".join(parts)

    def draw_cell(self, pen, moment, cell, x, y):
        name, shade, kind, owners = cell
        words = name if owners is None else f"{name}  {count_text(int(moment.counts[owners].sum()))}"
        if kind == "free":
            for step, order in enumerate((0, 5, 9)):
                pen.rectangle((x + 24 * step, y + 3, x + 24 * step + 18, y + 16), outline="#777777",
                              fill=tuple(int(v) for v in free_shade("M", order)))
            x += 50
        elif kind == "frame":
            pen.rectangle((x, y + 3, x + 18, y + 16), outline=shade, width=3)
        else:
            pen.rectangle((x, y + 3, x + 18, y + 16), fill=shade)
        pen.text((x + 25, y), words, fill="black", font=self.font)

    def draw_strip(self, image, pen, number):
        pen.text((MARGIN, self.strip_top - 21), "pages in use over all moments", fill="#333333", font=self.font)
        image.paste(Image.fromarray(self.strip), (MARGIN, self.strip_top))
        wide = self.width - 2 * MARGIN
        pen.rectangle((MARGIN - 1, self.strip_top - 1, MARGIN + wide, self.strip_top + STRIP), outline="#999999")
        x = MARGIN + (2 * number + 1) * wide // (2 * len(self.moments))
        pen.line((x, self.strip_top - 5, x, self.strip_top + STRIP), fill="white", width=3)
        pen.line((x, self.strip_top - 5, x, self.strip_top + STRIP), fill="black", width=1)


def gif(picture):
    """All moments, in about 12 seconds, each for a tenth of a second to a whole one; the last one stays."""
    frames = [picture.draw(number) for number in range(len(picture.moments))]
    # One palette for all, so that what stays the same is not stored again. Of the middle and the end: it has all colours.
    sample = Image.new("RGB", (picture.width, 3 * picture.height))
    for place, number in enumerate((0, len(frames) // 2, len(frames) - 1)):
        sample.paste(frames[number], (0, place * picture.height))
    palette = sample.quantize(128, dither=Image.Dither.NONE)
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    each = min(1000, max(100, 12000 // len(frames)))
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], loop=0, optimize=False,
                   duration=[each] * (len(frames) - 1) + [2500])
    return buffer.getvalue()


def png(picture):
    """The last moment."""
    buffer = io.BytesIO()
    picture.draw(len(picture.moments) - 1).quantize(128, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def draw(path, form):
    """The bytes of a "gif" or "png" file."""
    picture = Picture(load(path))
    return gif(picture) if form == "gif" else png(picture)
