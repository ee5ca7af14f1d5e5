"""All results as one HTML page that needs nothing else: figures, tables, words and data inside."""

import base64
import gzip
from dataclasses import dataclass
from html import escape
from pathlib import Path

import jinja2

from plots import answers, style, summary, tables, units
from plots.figures import FIGURES

LARGEST_SVG = 400_000    # bytes; a larger figure is embedded as PNG
LARGEST_DATA = 60_000    # bytes of compressed CSV behind one figure; beyond that rows are thinned, and the page says so


@dataclass
class Picture:
    """A figure in the page: its markup, and the data behind it as a link."""
    name: str
    anchor: str
    title: str
    caption: str
    markup: str
    is_flat: bool  # without parts that can be hidden
    data_uri: str
    data_note: str
    command: str


def markup(figure, anchor, title):
    """The figure as inline SVG, or as PNG where SVG would be too large."""
    svg = style.picture(figure, "svg")
    if len(svg) <= LARGEST_SVG:
        return style.inline_svg(svg, anchor, escape(title, quote=True))
    data = base64.b64encode(style.picture(figure, "png")).decode()
    return f'<img alt="{escape(title, quote=True)}" src="data:image/png;base64,{data}">'


def packed(frame):
    """The frame as CSV, compressed: the same bytes in every run."""
    return gzip.compress(frame.to_csv(index=False, float_format="%.10g").encode(), mtime=0)


def data_link(frame):
    """(data: URI of the frame as compressed CSV, note): large frames keep every n-th row. report.js unpacks it for who clicks."""
    data, note = packed(frame), ""
    step = -(-len(data) // LARGEST_DATA)
    if step > 1:
        data = packed(frame.iloc[::step])
        note = f"one row in {step} of {len(frame):,}; all of them are in the result file"
    return "data:application/gzip;base64," + base64.b64encode(data).decode(), note


def picture(spec, results, trace, number, paths):
    """One figure of the page, or None if the files have nothing for it."""
    frame = spec.frame(results)
    if frame.empty:
        return None
    anchor = f"{spec.name}-{number}"
    title = f"{spec.title}: {trace}" if trace else spec.title
    command = " ".join(["python3 -m plots draw", spec.name, *paths, *(["--trace", trace] if trace else []),
                        "-o", f"{spec.name}.svg"])
    uri, note = data_link(frame)
    drawn = markup(spec.draw(frame), anchor, title)
    return Picture(spec.name, anchor, spec.title, spec.caption.replace(" %", f"{units.SPACE}%"), drawn, drawn.startswith("<img"), uri, note, command)


def section(results, trace, number):
    """Everything about one trace, as the template wants it."""
    one = results.of_trace(trace)
    paths = names_of(each for each in results.sources if each.label in set(one.traces.source))
    said = summary.replay_statements(one)
    pictures = [picture(spec, one, trace, number, paths) for spec in FIGURES.values() if spec.of_trace]
    return {"trace": trace, "number": number, "statements": said,
            "summary": summary.most_telling_of_trace(said, len(results.trace_names())),
            "tables": [tables.overview(one), tables.latency(one)], "paths": tables.path_counts(one),
            "pictures": [each for each in pictures if each], "events": tables.traces(one)}


def notes_of(results, kind):
    return [note for source in results.sources if source.kind == kind for note in source.notes]


def names_of(sources):
    return [Path(source.path).name for source in sources]


def extras(results):
    """Sections of what is not of one trace: figures, what they say in words, and a table."""
    contents = {"scale": ("From 1 to 256 CPUs", summary.scale_statements, tables.scale),
                "peers": ("Pairs against other allocators",
                          lambda frame: summary.peers_statements(frame, notes_of(results, "peers")), tables.pairs),
                "kernel": ("Beside the times of a real kernel", summary.kernel_statements, tables.kernel),
                "mapping": ("Mapping memory and reaching it",
                            lambda _: summary.mapping_statements(results, notes_of(results, "mapping")), None),
                "programs": ("Real programs", lambda frame: summary.programs_statements(results.programs, notes_of(results, "programs")),
                             tables.programs),
                "micro": ("Micro benchmarks", None, None),
                "scoreboard": ("Planted bugs", summary.scoreboard_statements, tables.scoreboard)}
    found = []
    for name, (title, statements, table) in contents.items():
        specs = [spec for spec in FIGURES.values() if spec.name.split("_")[0] == name]
        paths = names_of(each for each in results.sources if each.kind == name)
        drawn = [each for each in (picture(spec, results, "", 0, paths) for spec in specs) if each]
        frame = specs[0].frame(results) if specs else getattr(results, name)
        if drawn or not specs and len(frame):
            said = statements(frame) if statements else []
            found.append({"name": name, "title": title, "pictures": drawn, "statements": said,
                          "summary": summary.most_telling(said), "tables": [table(frame)] if table else []})
    return found


def asked(results, sections, found):
    """The five questions, each with the figure of the page that shows its answer, if there is one."""
    drawn = {(section["trace"], each.name): each for section in sections for each in section["pictures"]}
    drawn |= {("", each.name): each for extra in found for each in extra["pictures"]}
    return [(question, question.answer and drawn.get((question.answer.trace, question.answer.figure)))
            for question in answers.questions(results)]


def shown(results):
    """[(series, colour)]: the allocators of the page, which the reader may hide."""
    frames = (results.allocators, results.scale, results.peers, results.micro, results.programs)
    return [(name, style.look(name)[0]) for name in dict.fromkeys(style.series(label) for frame in frames if len(frame) for label in frame.label)]


def build(results, title="Kernel memory allocators compared"):
    """The page as text."""
    sections = [section(results, trace, i + 1) for i, trace in enumerate(results.trace_names())]
    found = extras(results)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2").render(
        title=title, sources=results.sources, warnings=summary.warnings(results.sources),
        questions=asked(results, sections, found), shown=shown(results), sections=sections, extras=found, environment=tables.environment(results.sources),
        same_everywhere=tables.same_everywhere(results.sources),
        report_command=" ".join(["python3 -m plots report", *names_of(results.sources), "-o report.html"]),
        commands=[(source.label, source.context.get("command", "")) for source in results.sources])
