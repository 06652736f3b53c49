"""What is written of a claim: `stated.json` before anything is measured, `claim.json` and `all.json` after."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from textlstm.analysis.claims.finding import Effect, Finding, Verdict
from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError
from textlstm.recipe import Recipe

STATED_FILE = "stated.json"
CLAIM_FILE = "claim.json"
ALL_FILE = "all.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class EffectRecord(_Record):
    """An `Effect` as JSON has it: an end that is not bounded is null."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    unit: str
    seeds: int
    note: str = ""

    @classmethod
    def of(cls, effect: Effect) -> EffectRecord:
        """Take an effect over.

        Args:
            effect: of a finding.

        Returns:
            The same in plain values.
        """
        ends = {name: getattr(effect, name) for name in ("value", "low", "high")}
        finite = {name: float(end) if math.isfinite(end) else None for name, end in ends.items()}
        return cls(name=effect.name, unit=effect.unit, seeds=effect.seeds, note=effect.note, **finite)


class Statement(_Record):
    """What was laid down before the run.

    Attributes:
        hash: over everything below and every setting that can change the result, 16 hexadecimal digits.
        fingerprint: of the settings alone: results under one fingerprint are the same results.
        statement: the claim.
        estimand: what is estimated.
        threshold: smallest effect that counts, in `unit`.
        unit: of the effect.
        seeds: which.
        preview: whether it is one, which never decides.
        when: UTC, when this was first written into the folder.
    """

    hash: str
    fingerprint: str
    statement: str
    estimand: str
    threshold: float
    unit: str
    seeds: list[int]
    preview: bool
    when: str


class ClaimReport(_Record):
    """A measured claim, as `claim.json` holds it.

    Attributes:
        version: of the format.
        name: of the claim.
        stated: before the run.
        verdict: by the threshold alone.
        answer: the verdict in sentences.
        effect: what the verdict is about.
        others: beside it.
        table: plain rows behind it.
        notes: what a reader should know.
        overturn: what would overturn the verdict.
        data: source of the texts.
        data_fingerprint: of texts and labels, so that other content under the same name is seen.
        settings: every setting that differs from its default, by dotted key.
        command: repeats it.
        seconds: that this call took; results that were there already take none.
    """

    version: Literal[1] = 1
    name: str
    stated: Statement
    verdict: Verdict
    answer: list[str]
    effect: EffectRecord
    others: list[EffectRecord]
    table: list[dict[str, Any]]
    notes: list[str]
    overturn: str
    data: str
    settings: dict[str, Any]
    command: str
    seconds: float
    data_fingerprint: str = ""


class ClaimsRow(_Record):
    """One claim of `claims/all`.

    Attributes:
        name: of the claim.
        statement: the claim.
        verdict: None where it could not be measured.
        effect: None where it could not be measured.
        threshold: smallest effect that counts.
        hash: of the statement.
        folder: of its report, relative to that of all.
        problem: why it could not be measured; empty where it was.
    """

    name: str
    statement: str
    verdict: Verdict | None
    effect: EffectRecord | None
    threshold: float | None
    hash: str
    folder: str
    problem: str = ""


class AllClaims(_Record):
    """`all.json`: the verdicts side by side."""

    version: Literal[1] = 1
    preview: bool
    data: str
    rows: list[ClaimsRow]
    command: str


def claim_hash(recipe: Recipe, *, preview: bool) -> str:
    """Hash what is stated before a claim is measured: estimand, threshold, seeds, and every setting that counts.

    Args:
        recipe: as it is carried out, its plan applied.
        preview: whether it is one.

    Returns:
        16 hexadecimal digits.
    """
    assert recipe.claim is not None  # noqa: S101 - asked of claims only
    stated = recipe.claim.model_dump(mode="json", exclude={"preview", "full"})
    whole = {"stated": stated, "seeds": recipe.seeds, "preview": preview, "settings": recipe.identity()}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def state(recipe: Recipe, *, preview: bool) -> Statement:
    """Put a statement together.

    Args:
        recipe: as it is carried out.
        preview: whether it is one.

    Returns:
        What is laid down.
    """
    claim = recipe.claim
    assert claim is not None  # noqa: S101 - asked of claims only
    return Statement(
        hash=claim_hash(recipe, preview=preview),
        fingerprint=recipe.fingerprint(),
        statement=claim.statement,
        estimand=claim.estimand,
        threshold=claim.threshold,
        unit=claim.unit,
        seeds=recipe.seeds,
        preview=preview,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def lay_down(statement: Statement, folder: Path) -> tuple[Statement, list[str]]:
    """Write a statement before anything is measured; one that stands in the folder keeps its date.

    Args:
        statement: of this run.
        folder: of the claim.

    Returns:
        The statement, with the date on which it was first written, and a sentence for each other statement that was
        laid down for the same measurements: a threshold that was moved afterwards does not go unsaid.

    Raises:
        RunFolderError: the file is damaged.
    """
    path = folder / STATED_FILE
    before = _read_statements(path)
    same = next((old for old in before if old.hash == statement.hash), None)
    if same is None:
        folder.mkdir(parents=True, exist_ok=True)
        listed = [json.loads(one.model_dump_json()) for one in (*before, statement)]
        replace_file(path, json.dumps(listed, indent=1).encode())
    others = [
        f"The same measurements were begun under another statement on {old.when} (hash {old.hash}):"
        f" {_changes(old, statement)}."
        for old in before
        if old.hash != statement.hash and old.fingerprint == statement.fingerprint
    ]
    return same or statement, others


def _changes(old: Statement, new: Statement) -> str:
    """Say in what two statements differ."""
    keys = ("statement", "estimand", "threshold", "unit", "seeds", "preview")
    changed = [
        f"{key} was {getattr(old, key)}, is {getattr(new, key)}"
        for key in keys
        if getattr(old, key) != getattr(new, key)
    ]
    return "; ".join(changed) or "other words beside them"


def _read_statements(path: Path) -> list[Statement]:
    try:
        return [Statement.model_validate(one) for one in json.loads(path.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (ValidationError, ValueError, TypeError):
        raise RunFolderError(
            f"{path} should hold what was stated before the run, and does not; it was damaged: move the folder away and"
            " run the claim again."
        ) from None


def answer_of(finding: Finding, verdict: Verdict, statement: Statement, *, large: bool, words: str) -> list[str]:
    """Say what came of a claim.

    Args:
        finding: what was measured.
        verdict: of the rule.
        statement: laid down before.
        large: whether a preview's interval lies beyond the threshold.
        words: the effect with its interval.

    Returns:
        Two sentences or three.
    """
    name = finding.effect.name[:1].upper() + finding.effect.name[1:]
    effect = f"{name}: {words}, over {finding.effect.seeds} seeds; {_threshold(statement)} counts."
    if not statement.preview:
        said = [f"{verdict[0].upper()}{verdict[1:]}.", effect]
        if verdict == "no effect beyond the threshold" and finding.effect.low < -statement.threshold:
            said.append(
                "What the claim says is ruled out. The interval reaches below the threshold on the other side, so that"
                " an effect against the claim is not."
            )
        return said
    first = "Undecided: this is a preview, which does not decide."
    if large:
        way = "as the claim says" if finding.effect.value > 0 else "against the claim"
        first = f"Undecided, but the effect looks large, {way}: this is a preview, and textlstm run --full decides."
    return [first, effect]


def _threshold(statement: Statement) -> str:
    return f"what is above {statement.threshold:g} {statement.unit}"
