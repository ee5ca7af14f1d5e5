"""The page of a night: what was found, how much was run, what it covers, and the scoreboard beside the last one."""

from html import escape
from pathlib import Path

import jinja2

HERE = Path(__file__).parent


def percent(share):
    return f"{100 * share:.1f} %"


def change(now, before, text="{:+,.0f}"):
    """How a figure differs from the last night's, or nothing if it does not, or there was none."""
    return "" if before is None or now == before else text.format(now - before)


def operations_per_second(fuzzed):
    """None of bytes, which have no operations."""
    per_input = fuzzed.get("operations_per_input")
    return None if per_input is None else round(fuzzed["per_second"] * per_input)


def targets_of(night, last):
    """Rows of the table of targets."""
    merged, rows = night.outcomes("merge"), []
    for name, fuzzed in sorted(night.outcomes("fuzz").items()):
        before = ((last or {}).get("done") or {}).get(f"fuzz/{name}", {})
        corpus = merged.get(name, {})
        speed, speed_before = operations_per_second(fuzzed), operations_per_second(before)
        rows.append({"name": name, "seed": fuzzed["seed"], "executions": f"{fuzzed['executions']:,}", "per_second": f"{fuzzed['per_second']:,}",
                     "per_second_change": change(fuzzed["per_second"], before.get("per_second")),
                     "operations": "–" if speed is None else f"{speed:,}", "operations_change": "" if speed is None else change(speed, speed_before),
                     "features": f"{fuzzed['features']:,}", "features_change": change(fuzzed["features"], before.get("features")),
                     "corpus": f"{corpus.get('before', 0):,} → {corpus.get('after', 0):,}", "new": corpus.get("new", 0),
                     "found": f"{fuzzed['law']}: {fuzzed['what']}" if "law" in fuzzed else ""})
    return rows


def checks_of(night):
    """Rows of replays, sweeps and storms: (target or allocator, build, said, bad)."""
    rows = [(name, build, outcome.get("fault") or f"{outcome['inputs']:,} inputs", "fault" in outcome)
            for kind in night.kinds() if kind.startswith("replay-") for build in [kind.removeprefix("replay-")]
            for name, outcome in sorted(night.outcomes(kind).items())]
    return rows + [(name, kind, outcome.get("fault") or outcome["said"], "fault" in outcome)
                   for kind in ("sweep", "storm") for name, outcome in sorted(night.outcomes(kind).items())]


def coverage_of(night, last):
    """Totals and rows of files, the least covered first; None if it was not measured."""
    found = night.state["done"].get("coverage/all")
    if not found or "files" not in found:
        return None
    before = ((last or {}).get("done") or {}).get("coverage/all", {})
    files = [{"name": name, "lines": percent(file["lines"]), "branches": percent(file["branches"]), "line_count": file["line_count"],
              "branch_count": file["branch_count"], "uncovered": file["uncovered"]}
             for name, file in sorted(found["files"].items(), key=lambda item: item[1]["lines"])]
    return {"lines": percent(found["lines"]), "branches": percent(found["branches"]), "files": files,
            "lines_change": change(100 * found["lines"], 100 * before["lines"] if before.get("lines") else None, "{:+.1f}"),
            "branches_change": change(100 * found["branches"], 100 * before["branches"] if before.get("branches") else None, "{:+.1f}")}


def missed_in(document, start):
    """Mutants whose median run from there did not find them; None if nothing was run."""
    if not document:
        return None
    runs = {mutant["id"]: mutant["median"][start] for mutant in document["scoreboard"]["mutants"] if start in mutant["median"]}
    return {name for name, median in runs.items() if median["seconds"] is None} if runs else None


def scoreboard_of(now, before, folder):
    """What the scoreboard says, in words and as a picture, beside the last one; None if nothing was run."""
    if not now or not now["scoreboard"]["mutants"]:
        return None
    from plots import style, summary, tables
    from plots.figures import FIGURES
    from plots.load import load
    spec = FIGURES["scoreboard"]
    frame = spec.frame(load([folder / name for name, there in (("scoreboard.json", now), ("last-scoreboard.json", before))
                             if there and there["scoreboard"]["mutants"]]))
    if frame.empty:
        return None
    differences = []
    for start in now["scoreboard"]["starts"]:
        missed, missed_before = missed_in(now, start), missed_in(before, start)
        if missed is None or missed_before is None:
            continue
        for names, text in ((missed - missed_before, "newly missed"), (missed_before - missed, "no longer missed")):
            if names:
                differences.append(f"from {start}, {text}: {', '.join(sorted(names))}")
    picture = style.inline_svg(style.picture(spec.draw(frame), "svg"), "scoreboard", escape(spec.title, quote=True))
    return {"statements": [said.text for said in summary.scoreboard_statements(frame)], "differences": differences,
            "picture": picture, "caption": spec.caption, "table": tables.scoreboard(frame)}


def write(path, night, scoreboard, last_scoreboard):
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    text = environment.get_template("page.html.j2").render(
        begin=night.state["begin"], arguments=night.state["arguments"], finished=night.state["finished"], faults=night.faults(),
        fuzzed=sum(outcome["cpu_seconds"] for outcome in night.outcomes("fuzz").values()) / 3600, targets=targets_of(night, night.last), checks=checks_of(night), coverage=coverage_of(night, night.last),
        scoreboard=scoreboard_of(scoreboard, last_scoreboard, path.parent))
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
