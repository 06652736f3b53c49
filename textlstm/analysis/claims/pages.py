"""The pages of claims: `claim.html` for one, `all.html` for the nine side by side, in the style of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textlstm.analysis.claims.effects import number, written
from textlstm.analysis.claims.finding import Effect, Finding, looks_large
from textlstm.analysis.claims.record import AllClaims, ClaimReport, ClaimsRow, EffectRecord
from textlstm.analysis.figures import Section, Table
from textlstm.analysis.wording import duration

CLAIM_PAGE = "claim.html"
ALL_PAGE = "all.html"
_PREVIEW = "It measures less, in a few minutes, and never decides; --full gives a verdict."


def write_claim_page(report: ClaimReport, finding: Finding, folder: Path) -> Path:
    """Write `claim.html`, and its pictures as SVG and PNG in `charts/`.

    Args:
        report: of the claim.
        finding: its charts are drawn.
        folder: of the claim.

    Returns:
        The file.
    """
    from textlstm.analysis.charts.effects import effects_figure
    from textlstm.analysis.page import draw, render_page, write_pictures, write_whole
    from textlstm.analysis.report_markdown import CHARTS_FOLDER

    stated = report.stated
    alike = [effect for effect in (finding.effect, *finding.others) if effect.unit == finding.effect.unit]
    picture = effects_figure(alike, threshold=stated.threshold)
    first = Section(
        "effect", "The effect", figures=[picture], tables=[_effects_table([finding.effect, *finding.others])]
    )
    sections = [
        Section("pictures", "What was measured", figures=list(finding.charts), tables=_rows_table(finding.table)),
        Section("notes", "Notes", notes=report.notes),
        Section("overturn", "What would overturn it", notes=[report.overturn] if report.overturn else []),
        Section("settings", "Settings", tables=[_settings_table(report.settings)]),
        Section("again", "Repeat it", notes=["What is finished is kept and not measured again."], code=report.command),
    ]
    kept = [section for section in sections if not section.is_empty()]
    drawing = draw([picture, *finding.charts], depths=_colors(finding))
    page = render_page(
        "claim.html.j2",
        drawing,
        pictures_folder=CHARTS_FOLDER,
        title=f"Stacking more LSTM layers: {report.name}",
        about=stated.statement,
        answer=report.answer,
        preview=_PREVIEW if stated.preview else "",
        stated={
            "Estimated": stated.estimand,
            "Threshold": f"{stated.threshold:g} {stated.unit}",
            "Seeds": f"{len(stated.seeds)} ({', '.join(map(str, stated.seeds))})",
            "Stated": f"{stated.when}, before the run; hash {stated.hash}",
        },
        facts=[
            f"verdict: {report.verdict}",
            f"data: {report.data} ({report.data_fingerprint})",
            f"{duration(report.seconds)} in this call",
        ],
        first=first,
        sections=kept,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / CLAIM_PAGE, page)
    write_pictures(drawing.vectors, folder / CHARTS_FOLDER)
    return folder / CLAIM_PAGE


def write_all_page(claims: AllClaims, folder: Path) -> Path:
    """Write `all.html`.

    Args:
        claims: the verdicts side by side.
        folder: of all claims.

    Returns:
        The file.
    """
    from textlstm.analysis.page import draw, render_page, write_whole

    measured = [row for row in claims.rows if row.verdict is not None]
    table = Table(
        "The claims",
        ["claim", "verdict", "effect", "threshold", "report"],
        [
            [
                f"{row.name}\n{row.statement}",
                _verdict_words(row, preview=claims.preview),
                _ends(row.effect) if row.effect else "–",
                f"{row.threshold:g}" if row.threshold is not None else "–",
                f"{row.folder}/{CLAIM_PAGE}" if row.verdict else "–",
            ]
            for row in claims.rows
        ],
        words=(0, 1, 2, 4),
    )
    first = Section("claims", "The claims and their verdicts", tables=[table])
    page = render_page(
        "claim.html.j2",
        draw([], depths=1),
        title="What is said of stacking LSTM layers, measured",
        about=f"On {claims.data}.",
        answer=[f"{len(measured)} of {len(claims.rows)} claims were measured."],
        preview=_PREVIEW if claims.preview else "",
        stated={},
        facts=[f"{verdict}: {count}" for verdict, count in _counts(claims).items()],
        first=first,
        sections=[
            Section(
                "again", "Repeat it", notes=["What is finished is kept and not measured again."], code=claims.command
            )
        ],
    )
    write_whole(folder / ALL_PAGE, page)
    return folder / ALL_PAGE


def claims_table_rows(claims: AllClaims) -> list[list[str]]:
    """Lay the verdicts out for a terminal.

    Args:
        claims: the verdicts side by side.

    Returns:
        Rows of claim, verdict, effect with interval, and threshold.
    """
    return [
        [
            row.name,
            _verdict_words(row, preview=claims.preview),
            _ends(row.effect) if row.effect else "–",
            "–" if row.threshold is None else f"{row.threshold:g}",
        ]
        for row in claims.rows
    ]


def _verdict_words(row: ClaimsRow, *, preview: bool) -> str:
    """Write a verdict; a preview, which never decides, says where its effect looks large."""
    if row.verdict is None:
        return f"not measured: {row.problem}"
    if preview and row.effect is not None and row.threshold is not None:
        effect = _of_record(row.effect)
        if looks_large(effect, row.threshold):
            return f"{row.verdict}; looks large, {'as the claim says' if effect.value > 0 else 'against the claim'}"
    return row.verdict


def _ends(effect: EffectRecord) -> str:
    """Write a stored effect."""
    return written(_of_record(effect))


def _of_record(effect: EffectRecord) -> Effect:
    """Give a stored effect its numbers back; an end that is null is not bounded."""
    value = math.nan if effect.value is None else effect.value
    low = -math.inf if effect.low is None else effect.low
    high = math.inf if effect.high is None else effect.high
    return Effect(effect.name, value, low, high, effect.unit, effect.seeds)


def _counts(claims: AllClaims) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in claims.rows:
        word = row.verdict or "not measured"
        counts[word] = counts.get(word, 0) + 1
    return counts


def _effects_table(effects: Sequence[Effect]) -> Table:
    rows = [[f"{one.name}\n{one.note}" if one.note else one.name, written(one), str(one.seeds)] for one in effects]
    return Table("Effects", ["effect", "estimate and 95 % interval", "seeds"], rows, words=(0, 1))


def _rows_table(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """Lay plain rows out under their keys."""
    if not rows:
        return []
    heads = list(rows[0])
    words = tuple(
        place for place, head in enumerate(heads) if place == 0 or any(isinstance(row.get(head), str) for row in rows)
    )
    return [Table("Figures", heads, [[_cell(row.get(head)) for head in heads] for row in rows], words=words)]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return number(value).removeprefix("+") if math.isfinite(value) else "–"
    return str(value)


def _settings_table(settings: dict[str, Any]) -> Table:
    rows = [[key, str(value)] for key, value in settings.items()]
    return Table("Settings that differ from the defaults", ["key", "value"], rows, words=(0, 1), folded=True)


def _colors(finding: Finding) -> int:
    """How many colors the charts ask for: depths of the table, or lines of one chart."""
    depths = len({row["layers"] for row in finding.table if "layers" in row})
    lines = [len({row[0] for row in figure.data.rows}) for figure in finding.charts]
    return max(1, depths, *lines)
