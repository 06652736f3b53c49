"""An inspection as files: `inspect.html` in the report's style, and `inspect.json`."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup, escape

from textlstm.analysis.diagnostics.inspected import INSPECTION_FILE, PART_WORDS, Inspection
from textlstm.analysis.diagnostics.inspected_layers import ExplainedText
from textlstm.analysis.diagnostics.inspection_sections import agreement_tables, sections_of
from textlstm.analysis.diagnostics.shading import shaded
from textlstm.analysis.figures import Section, Table
from textlstm.analysis.page import draw, render_page, write_whole
from textlstm.analysis.wording import count, duration, layers_words, percent, plain_text

PAGE_FILE = "inspect.html"
KINDS = {"act": "To change", "open": "Cannot be told", "fine": "Fine"}
"""Each kind of finding, for a reader."""


def write_inspection(found: Inspection, folder: Path) -> list[Path]:
    """Write `inspect.html` and `inspect.json`; earlier ones are replaced.

    Args:
        found: an inspection.
        folder: made when absent.

    Returns:
        The files written, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections, last = sections_of(found), _last(found)
    drawing = draw([figure for section in sections for figure in section.figures], depths=found.model.layers + 2)
    words = found.words
    explained = [] if words is None else words.texts
    links = [*sections, *([Section("words", "Words behind predictions")] if explained else []), last]
    page = render_page(
        "inspect.html.j2",
        drawing,
        styles=("shading.css", "inspect.css"),
        title=f"{found.model.source}: inside the stack",
        description=" ".join(answer(found)),
        answer=[_coded(sentence) for sentence in answer(found)],
        facts=facts(found),
        quick=found.quick,
        findings=[
            {"kind": said.kind, "part": said.part, "words": _coded(said.words), "remedy": _coded(said.remedy)}
            for said in found.statements
        ],
        kinds=KINDS,
        parts=PART_WORDS,
        sections=sections,
        links=links,
        drawn=_drawn(found),
        explained=[
            {
                "heading": _heading(text, own=found.own_texts),
                "wrong": text.true_label is not None and text.true_label != text.label,
                "shaded": Markup(shaded(text.text, text.words)),  # noqa: S704 - it escapes all that it is given
                "note": _note(text),
            }
            for text in explained
        ],
        agreement=[] if words is None else agreement_tables(words),
        last=last,
    )
    files = [folder / PAGE_FILE, folder / INSPECTION_FILE]
    write_whole(files[0], page)
    write_whole(files[1], found.model_dump_json(indent=1))
    return files


def answer(found: Inspection) -> list[str]:
    """Say the most important things first.

    Args:
        found: an inspection.

    Returns:
        A count of findings, and what to change with its remedy.
    """
    acts = [said for said in found.statements if said.kind == "act"]
    unknown = sum(said.kind == "open" for said in found.statements)
    rest = f" {unknown} cannot be told." if unknown else ""
    if not acts:
        return [f"Nothing was found that should be changed.{rest}"]
    things = "one thing" if len(acts) == 1 else f"{len(acts)} things"
    return [f"{things.capitalize()} to change.{rest}", *(f"{said.words} {said.remedy}".strip() for said in acts)]


def facts(found: Inspection) -> list[str]:
    """Name what was looked at.

    Args:
        found: an inspection.

    Returns:
        Short phrases.
    """
    model, data = found.model, found.data
    widths = "/".join(map(str, dict.fromkeys(model.widths)))
    reading = "both directions" if model.bidirectional else "one direction"
    return [
        f"{layers_words(model.layers)} of {widths or 0} units, {reading}, join {model.join}, pooling {model.pooling}",
        f"{count(model.parameters)} parameters, {len(model.label_names)} labels",
        f"{data.looked_at:,} of the {data.rows:,} texts of {data.source}, {data.split}",
        f"{percent(data.truncated)} % of them cut, {percent(data.unknown)} % of the tokens unknown",
        f"seed {found.seed}, {duration(found.seconds)}",
    ]


def _coded(text: str) -> Markup:
    """Escape a sentence, and set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(plain_text(text)))))  # noqa: S704 - escaped here


def _drawn(found: Inspection) -> str:
    if found.own_texts:
        return "The texts are those that were given."
    if not found.data.labeled:
        return "The texts were drawn at random."
    return "The surest errors stand first, then right answers drawn at random: this is no picture of the error rate."


def _heading(text: ExplainedText, *, own: bool) -> str:
    place = f"text {text.row + 1}" if own else f"row {text.row:,}"
    truth = "" if text.true_label is None else f", the data says {text.true_label}"
    return f"{place}: {text.label} with {percent(text.probability)} %{truth}"


def _note(text: ExplainedText) -> str:
    strongest = sorted(text.words, key=lambda word: -abs(word.value))[:3]
    named = ", ".join(
        f"{text.text[word.start : word.end]} {word.value:+.2f}".replace("-", "−") for word in strongest if word.value
    )
    rough = f" The values miss the score by {percent(text.gap)} %: a rough picture." if text.gap > 0.05 else ""
    return (f"Strongest: {named}." if named else "No word moves the score.") + rough


def _last(found: Inspection) -> Section:
    """What is missing, what a reader should know, and what computed it."""
    versions = Table(
        "Computed by", ["what", "version"], [list(row) for row in found.versions.items()], words=(0, 1), folded=True
    )
    parts = {"Not looked at": " ".join(found.left_out)} if found.left_out else {}
    return Section("notes", "Notes", notes=found.notes, tables=[versions], parts=parts)
