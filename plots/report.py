"""All results as one HTML page that needs nothing else: figures, tables, words and data inside."""

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path

import jinja2

from plots import answers, style, summary, tables, units
from plots.figures import FIGURES

LARGEST_SVG = 400_000    # bytes; a larger figure is embedded as PNG
LARGEST_DATA = 150_000   # bytes of CSV behind one figure; beyond that rows are thinned, and the page says so


@dataclass
class Picture:
    """A figure in the page: its markup, and the data behind it as a link."""
    name: str
    anchor: str
    title: str
    caption: str
    markup: str
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


def data_link(frame):
    """(data: URI of the frame as CSV, note): large frames keep every n-th row."""
    text = frame.to_csv(index=False, float_format="%.10g")
    step = -(-len(text) // LARGEST_DATA)
    note = ""
    if step > 1:
        text = frame.iloc[::step].to_csv(index=False, float_format="%.10g")
        note = f"every {step}th row of {len(frame):,}; all of it is in the result file"
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(text.encode()).decode(), note


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
    return Picture(spec.name, anchor, spec.title, spec.caption.replace(" %", f"{units.SPACE}%"), markup(spec.draw(frame), anchor, title), uri, note, command)


def section(results, trace, number, paths):
    """Everything about one trace, as the template wants it."""
    one = results.of_trace(trace)
    pictures = [picture(spec, one, trace, number, paths) for spec in FIGURES.values() if spec.of_trace]
    return {"trace": trace, "number": number, "statements": summary.replay_statements(one),
            "tables": [tables.overview(one), tables.latency(one)], "paths": tables.path_counts(one),
            "pictures": [each for each in pictures if each], "events": tables.traces(one)}


def notes_of(results, kind):
    return [note for source in results.sources if source.kind == kind for note in source.notes]


def extras(results, paths):
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
    paths = [Path(source.path).name for source in results.sources]
    sections = [section(results, trace, i + 1, paths) for i, trace in enumerate(results.trace_names())]
    found = extras(results, paths)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True,
                                     trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("report.html.j2").render(
        title=title, sources=results.sources, warnings=summary.warnings(results.sources),
        questions=asked(results, sections, found), shown=shown(results), sections=sections, extras=found, environment=tables.environment(results.sources),
        report_command=" ".join(["python3 -m plots report", *paths, "-o report.html"]),
        commands=[(source.label, source.context.get("command", "")) for source in results.sources])
