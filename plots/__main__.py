"""The command: python3 -m plots list | draw NAME FILE... -o figure.svg | report FILE... -o report.html | compare A B |
trend FILE... | movie FRAMES -o memory.gif

The folder itself can be run too, from anywhere: python3 /usr/local/share/kmemlab/plots list. `kmemlab compare` and
`kmemlab inspect` do so.

Exit status 0: written. 2: the files or options cannot be used; one line on stderr names the file and what was
expected, and nothing is written.
"""

import argparse
import os
import re
import sys

if not __package__:
    # The folder was run: what is imported as plots.NAME lies beside it, and nothing comes from the caller's folder.
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Parser(argparse.ArgumentParser):
    """argparse with errors of one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


TURNS = 10  # how often a command of compare --run is started, if nobody says


def count(text):
    """A number of repetitions."""
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"expected 1..1000, found {text}")
    return int(text)


def pattern(text):
    """A regular expression."""
    try:
        re.compile(text)
    except re.error:
        raise argparse.ArgumentTypeError(f"'{text}' is no regular expression") from None
    return text


def parser():
    top = Parser(prog="python3 -m plots", description="Figures and a report from kmemlab's result files "
                                                      "(docs/results.md).")
    top.add_argument("--program", default="plots", help=argparse.SUPPRESS)  # who complains
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="name the figures", description="Names every figure and what it shows.")
    draw = commands.add_parser("draw", help="draw one figure", description="Draws one figure; `list` names them.")
    draw.add_argument("name", metavar="NAME", help="a figure that `list` names")
    draw.add_argument("files", nargs="+", metavar="FILE", help="results of replay, scale, peers, mapping, ci/programs, the scoreboard or a micro benchmark")
    draw.add_argument("--trace", metavar="TRACE", help="which trace, if the files replay several")
    draw.add_argument("-o", "--output", required=True, metavar="FILE", help="a name that ends in .svg, .png or .csv "
                                                                          "(the data behind the figure)")
    report = commands.add_parser("report", help="write one HTML page", description="Writes one self-contained page.")
    report.add_argument("files", nargs="+", metavar="FILE", help="results of replay, scale, peers, mapping, ci/programs, the scoreboard or a micro benchmark")
    report.add_argument("-o", "--output", default="report.html", metavar="FILE", help="default: report.html")
    report.add_argument("--title", default="Kernel memory allocators compared", help="title of the page")
    compare_ = commands.add_parser("compare", help="tell which rows of a second run are slower or faster",
                                   description="Compares the rows of two runs of the same benchmarks: the ratio of the medians with its 95 %% interval, "
                                               "Mann and Whitney's p raised for the number of rows, the effect (in which share of the pairs B is slower), "
                                               "and a verdict where interval and p agree.")
    compare_.add_argument("files", nargs="*", metavar="FILE", help="A and B; with --self-check any number")
    compare_.add_argument("--names", nargs=2, metavar="NAME", help="what A and B are called (default: as their files)")
    compare_.add_argument("--run", nargs=2, metavar="COMMAND", help="instead of files: start two commands in turns, each with --json FILE "
                                                                     "behind it (or FILE in the place of a {}), and compare the medians of the runs")
    compare_.add_argument("--repetitions", type=count, default=TURNS, metavar="N", help="of --run (default: %(default)s)")
    compare_.add_argument("--force", action="store_true", help="compare runs of different environments too")
    compare_.add_argument("--self-check", action="store_true", help="compare each file with itself: nothing may differ, and a delay of 5 %% must be found; status 1 otherwise")
    compare_.add_argument("--fail-if-slower", action="store_true", help="status 1 if a row of B is slower")
    compare_.add_argument("--markdown", action="store_true", help="a table for a page or a comment")
    compare_.add_argument("-o", "--output", metavar="FILE", help="also draw the ratios: a name that ends in .svg or .png")
    trend = commands.add_parser("trend", help="tell when rows changed over many runs",
                                description="Many runs of the same benchmarks, by their dates: which rows changed for good, when, and by how much.")
    trend.add_argument("files", nargs="+", metavar="FILE", help="result files, a run each")
    trend.add_argument("--filter", type=pattern, default="", metavar="REGEX", help="only rows whose name this finds")
    trend.add_argument("--fail-if-slower", action="store_true", help="status 1 if a row became slower")
    trend.add_argument("-o", "--output", metavar="FILE", help="also draw the rows, those that changed first: a name that ends in .svg or .png")
    movie_ = commands.add_parser("movie", help="draw memory over a replay", description="Draws every page by its owner, a picture for each moment.")
    movie_.add_argument("file", metavar="FILE", help="of kmemlab inspect --frames-json")
    movie_.add_argument("-o", "--output", required=True, metavar="FILE", help="a name that ends in .gif, or in .png for the last moment")
    return top


def chosen(results, spec, trace):
    """The results that a figure of one trace is drawn from."""
    from plots.load import InputError
    names = results.trace_names()
    if not spec.of_trace or not names:
        return results
    if trace is None and len(names) > 1:
        raise InputError(f"{spec.name}: the files replay several traces, expected --trace and one of {', '.join(names)}")
    if trace is not None and trace not in names:
        raise InputError(f"--trace {trace}: expected one of {', '.join(names)}")
    return results.of_trace(trace or names[0])


def draw(arguments):
    from plots import style
    from plots.figures import FIGURES
    from plots.load import InputError, load
    spec = FIGURES.get(arguments.name)
    if spec is None:
        raise InputError(f"{arguments.name}: expected a figure, one of {', '.join(FIGURES)}")
    form = arguments.output.rpartition(".")[2].lower()
    if form not in ("svg", "png", "csv"):
        raise InputError(f"{arguments.output}: expected a name that ends in .svg, .png or .csv")
    frame = spec.frame(chosen(load(arguments.files), spec, arguments.trace))
    if frame.empty:
        raise InputError(f"{', '.join(arguments.files)}: expected results that the figure {spec.name} can be drawn from")
    style.write(arguments.output, frame.to_csv(index=False).encode() if form == "csv"
                else style.picture(spec.draw(frame), form))


def report(arguments):
    from plots import style
    from plots.load import load
    from plots.report import build
    style.write(arguments.output, build(load(arguments.files), arguments.title).encode())


def check_picture(name):
    from plots.load import InputError
    if name and not name.lower().endswith((".svg", ".png")):
        raise InputError(f"{name}: expected a name that ends in .svg or .png")


def compare(arguments):
    from plots import compare as comparison
    check_picture(arguments.output)
    return comparison.run(arguments)


def trend(arguments):
    from plots import trend as trends
    check_picture(arguments.output)
    return trends.run(arguments)


def movie(arguments):
    from plots import style
    from plots.load import InputError
    from plots.movie import draw as drawn
    form = arguments.output.rpartition(".")[2].lower()
    if form not in ("gif", "png"):
        raise InputError(f"{arguments.output}: expected a name that ends in .gif or .png")
    style.write(arguments.output, drawn(arguments.file, form))


def list_figures(_):
    from plots.figures import FIGURES
    for spec in FIGURES.values():
        print(f"{spec.name:14} {spec.title}")


def run(arguments):
    """The exit status of a command; what it cannot use is one line."""
    try:
        from plots.load import InputError
        try:
            commands = {"list": list_figures, "draw": draw, "report": report, "compare": compare, "trend": trend, "movie": movie}
            status = commands[arguments.command](arguments)
            sys.stdout.flush()
            return status or 0
        except InputError as error:
            why = error
        except OSError as error:
            # What is still buffered would complain again at the end.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")
            why = f"cannot write {error.filename or 'standard output'}: {error.strerror}"
    except ImportError as error:
        why = f"expected Debian's python3-{error.name.lower()} to be installed"
    except KeyboardInterrupt:
        return 130
    print(f"{arguments.program}: {' '.join(str(why).split())}", file=sys.stderr)
    return 2


def main(words=None):
    return run(parser().parse_args(words))


if __name__ == "__main__":
    sys.exit(main())
