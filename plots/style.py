"""One look for all figures: the same allocator has the same colour, marker and dash everywhere.

The colours of the models are those of Okabe and Ito, which people with any of the common deficiencies of colour
vision tell apart; the mallocs, which are compared with them, have darker ones. Marker and dash say the same once
more, for grey prints. A name that is not in the table gets a look by its hash: the same in every run.
"""

import functools
import io
import math
import os
import re
import textwrap
import zlib
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from plots.load import InputError

SOLID, DASHED, DOTTED, DASH_DOT = "-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))
LOOKS = {  # colour, marker, dash
    "slub": ("#0072B2", "o", SOLID),
    "slab": ("#E69F00", "s", SOLID),
    "slob": ("#009E73", "^", DASH_DOT),
    "slub-sheaves": ("#56B4E9", "D", DASHED),
    "buddy": ("#D55E00", "o", SOLID),
    "vmalloc": ("#CC79A7", "v", SOLID),
    "malloc": ("#000000", "X", DASHED),
    "glibc": ("#000000", "X", DASHED),  # libc malloc by its other name
    "jemalloc": ("#882255", "P", DASHED),
    "mimalloc": ("#8A8A00", "<", DASH_DOT),
    "tcmalloc": ("#332288", ">", DOTTED),
    "floor": ("#767676", "_", DOTTED),
}
ROLES = {  # who maps, and what is mapped (kmemlab mapping)
    "host": ("#0072B2", "o", SOLID),
    "soft": ("#CC79A7", "v", SOLID),
    "mmap": ("#009E73", "^", SOLID),
    "bare": ("#767676", "s", SOLID),
    "direct-4k": ("#D55E00", "o", SOLID),
    "direct-2m": ("#E69F00", "s", DASH_DOT),
    "vmalloc-4k": ("#0072B2", "v", DASHED),
    "vmalloc-2m": ("#56B4E9", "D", DOTTED),
    "lines": ("#767676", "_", DOTTED),
    "direct": ("#D55E00", "o", SOLID),
    "vmap": ("#0072B2", "v", SOLID),
    "vmap-uncached": ("#56B4E9", "D", DASHED),
    "dynamic": ("#009E73", "^", SOLID),
    "clear": ("#767676", "s", DOTTED),
    "soft-4k": ("#D55E00", "o", SOLID),
    "soft-2m": ("#E69F00", "s", DASH_DOT),
    "fault": ("#E69F00", "X", SOLID),
    "populate": ("#000000", "P", SOLID),
}
SPARE_COLOURS = ("#117733", "#AA4499", "#6699CC", "#AA4466", "#994F00", "#44AA99")
SPARE_MARKERS = ("h", "p", "*", "d", "8", "H")
RC = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"], "font.size": 10,
    "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 10,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "axes.edgecolor": "#555555", "grid.color": "#dddddd", "grid.linewidth": 0.7, "lines.linewidth": 1.8,
    "legend.frameon": False, "legend.fontsize": 10, "figure.dpi": 100, "savefig.dpi": 144,
    "svg.fonttype": "none", "svg.hashsalt": "kmemlab", "figure.facecolor": "white",
}
VARIANTS = {"-call": DASHED, "-kmalloc": DASH_DOT, "-rseq": DOTTED, "-1cpu": DOTTED, "-eager": DASHED, "-scattered": DOTTED}  # the same allocator, called in another way
SERIES = "series:"  # begins ids that are marks
WIDTH = 9.0  # inches: what a page of the report has room for


def base_name(label):
    """The allocator in a label such as `slub (before)`."""
    return label.split(" ")[0]


def series(label):
    """What is shown and hidden together in the report: an allocator of one file, in whatever way it is called."""
    name, _, file = label.partition(" ")
    name = functools.reduce(str.removesuffix, VARIANTS, name)
    return f"{name} {file}" if file else name


def gid(label):
    """The mark of everything in a figure that is of this label alone (`data-series` in the SVG file)."""
    return f"{SERIES}{series(label)}"


def look(label):
    """(colour, marker, dash) of an allocator, by its name alone."""
    name = base_name(label)
    for suffix, dash in VARIANTS.items():
        if name.endswith(suffix):
            colour, marker, _ = look(name.removesuffix(suffix))
            return colour, marker, dash
    number = zlib.crc32(name.encode())
    return LOOKS.get(name) or ROLES.get(name) or (SPARE_COLOURS[number % 6], SPARE_MARKERS[number // 6 % 6],
                               (SOLID, DASHED, DASH_DOT)[number // 36 % 3])


def looks(labels):
    """{label: {color, marker, linestyle, gid}}; a second file's line of the same allocator differs by its dash."""
    result, used = {}, {}
    for label in labels:
        colour, marker, dash = look(label)
        turn = used.get(base_name(label), 0)
        used[base_name(label)] = turn + 1
        dashes = [dash, *(other for other in (DASHED, DOTTED, DASH_DOT, SOLID) if other != dash)]
        result[label] = {"color": colour, "marker": marker, "linestyle": dashes[turn % 4], "gid": gid(label)}
    return result


def styled(draw):
    """Decorates a figure function: everything inside is drawn in this style."""
    @functools.wraps(draw)
    def inside(*args, **kwargs):
        with matplotlib.rc_context(RC):
            return draw(*args, **kwargs)
    return inside


def panels(rows, columns, panel_height, legend_rows=1, **options):
    """(figure, axes as a list of lists) with room for a legend above all panels.

    `panel_height` in inches; `options` go to Figure.subplots.
    """
    head = 0.12 + 0.24 * legend_rows
    height = head + rows * panel_height
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - head / height), w_pad=0.08, h_pad=0.06)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def legend_rows(labels):
    """How many rows a legend of these labels takes: as wide as the figure, and at most seven beside each other."""
    inches = sum(0.75 + 0.08 * len(label) for label in labels)
    return max(math.ceil(inches / WIDTH), math.ceil(len(labels) / 7))


def legend_above(figure, handles):
    """One legend above all panels, outside of the data."""
    if handles:
        rows = legend_rows([handle.get_label() for handle in handles])
        legend = figure.legend(handles=handles, loc="upper center", ncol=math.ceil(len(handles) / rows),
                               borderaxespad=0.3, handlelength=2.6, columnspacing=1.6)
        # The legend draws copies, which lack the marks.
        lines = [handle for handle in handles if isinstance(handle, Line2D)]
        for handle, copy in [*zip(lines, legend.get_lines()), *zip(handles, legend.get_texts())]:
            copy.set_gid(handle.get_gid())


def handles_of(labels):
    """Legend entries of allocators."""
    return [Line2D([], [], label=label, markersize=6, **options) for label, options in looks(labels).items()]


def row_labels(axis, labels):
    """One row per allocator, the first one above."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.5, -0.5)
    for text, label in zip(axis.get_yticklabels(), labels):
        text.set_gid(gid(label))


def title(axis, text, columns):
    """A title that is no wider than one of so many panels beside each other."""
    axis.set_title(wrapped(text, 84 // columns))


def wrapped(text, letters):
    """In lines of so many letters."""
    return textwrap.fill(text, letters, break_long_words=False)


MOST_LINES = 7  # of one panel


def parts(labels):
    """The labels in groups, about equal, of as many as one panel may have lines."""
    labels = list(labels)
    count = max(1, math.ceil(len(labels) / MOST_LINES))
    each = math.ceil(len(labels) / count)
    return [labels[i:i + each] for i in range(0, len(labels), each)]


def grid_of(count, widest=3):
    """(rows, columns) for so many panels."""
    columns = min(count, widest) if count != 4 else 2
    return -(-count // columns), columns


def bar_label(text, white, rows):
    """Beside a colour bar as high as so many rows of panels; one row has no room for what white means, which captions tell too."""
    return f"{text}; white: {white}" if rows > 1 else text


def unit_axis(axis, text):
    """Labels of a linear axis by one of the functions of units."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def log_axis(axis, text, decades):
    """A log axis with labels such as `10 ns` on at most so many decades, and small ticks at 2 and 5 between them."""
    axis.set_major_locator(LogLocator(base=10, numticks=decades))
    axis.set_minor_locator(LogLocator(base=10, subs=(2, 5), numticks=99))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def ramp(name):
    """A map of matplotlib's from light to dark without its palest part; white stands for "none" below it."""
    part = colormaps[name](np.linspace(0.14, 1, 256))
    return ListedColormap(part).with_extremes(under="white", bad="white")


@styled
def picture(figure, form):
    """The figure as bytes of an "svg" or "png" file, the same in every run."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, metadata={"Date": None, "Creator": None} if form == "svg"
                   else {"Software": None})
    return marked(rounded(with_short_paths(buffer.getvalue()))) if form == "svg" else buffer.getvalue()


def rounded(svg):
    """The SVG file with two digits behind the point: a hundredth of a point cannot be seen, and half is saved."""
    return re.sub(rb"(?<![\w#/+])(\d+\.\d\d)\d+(?=[\s\"',)LMZz])", rb"\1", svg)


def with_short_paths(svg):
    """The SVG file with its straight paths told by steps of whole tenths of a point: a third of the size, and not to be told apart."""
    return re.sub(rb' d="((?:[ML] -?[\d.]+ -?[\d.]+ ?\n)+)(z\n)?"', lambda path: b' d="%s%s"' % (steps_of(path[1]), b"z" if path[2] else b""), svg)


def steps_of(path):
    """`M 10.04 5 L 12.2 5 L 12.2 4 ` as `M10 5h2.2v-1`."""
    text, x, y = "", 0, 0  # in tenths, as they are drawn: what is rounded does not add up
    for command, *place in re.findall(rb"([ML]) (\S+) (\S+)", path):
        to_x, to_y = (round(10 * float(number)) for number in place)
        if command == b"M":
            text += f"M{to_x / 10:g} {to_y / 10:g}"
        elif to_y == y:
            text += f"h{(to_x - x) / 10:g}"
        elif to_x == x:
            text += f"v{(to_y - y) / 10:g}"
        else:
            text += f"l{(to_x - x) / 10:g} {(to_y - y) / 10:g}"
        x, y = to_x, to_y
    return text.encode()


def marked(svg):
    """The SVG file with the marks of `gid` as attributes of their own: many elements have the same, which ids may not."""
    return svg.replace(f' id="{SERIES}'.encode(), b' data-series="')


def inline_svg(data, prefix, title):
    """An SVG file as an element of an HTML page: named for screen readers, ids unique by `prefix`."""
    text = data.decode()
    text = text[text.index("<svg"):]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in referred else "", text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    width = re.search(r'<svg[^>]*? width="([\d.]+)pt"', text)[1]
    text = re.sub(r'(<svg[^>]*?) height="[\d.]+pt"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) width="[\d.]+pt"', r"\1", text, count=1)
    return text.replace("<svg", f'<svg role="img" aria-label="{title}" style="max-width:{float(width):.0f}pt"', 1)


def write(path, data):
    """Bytes to a file: under a temporary name first, so that nobody finds half a file. Pipes are written straight."""
    target = Path(os.path.realpath(path))
    straight = target.exists() and not target.is_file() and not target.is_dir()
    temporary = target if straight else target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        if not straight:
            temporary.replace(target)
    except OSError as error:
        if not straight and temporary.is_file():
            temporary.unlink()
        raise InputError(f"{path}: expected a place to write: {error.strerror}") from None
