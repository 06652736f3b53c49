"""Measuring a claim from its recipe to its page: what is stated first, the measurement, the verdict, the files."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textlstm.analysis.claims.effects import written
from textlstm.analysis.claims.finding import Finding, looks_large, verdict
from textlstm.analysis.claims.grids import data_mark
from textlstm.analysis.claims.pages import write_all_page, write_claim_page
from textlstm.analysis.claims.planning import planned_recipe
from textlstm.analysis.claims.record import (
    ALL_FILE,
    CLAIM_FILE,
    AllClaims,
    ClaimReport,
    ClaimsRow,
    EffectRecord,
    answer_of,
    lay_down,
    state,
)
from textlstm.atomic_files import replace_file
from textlstm.errors import RecipeError, TextLSTMError
from textlstm.experiment.failures import failure_from
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe, write_override

Tell = Callable[[str], None]
Measure = Callable[..., Finding]
"""`measure(recipe, folder, *, seeds, preview, tell)`."""

CLAIMS = (
    "hierarchy",
    "capacity",
    "representations",
    "long-range",
    "overfitting",
    "cost",
    "tuning",
    "gradients",
    "data-hunger",
)
"""In the order in which `claims/all` measures them."""


def run_claim(
    recipe: Recipe,
    folder: Path,
    *,
    full: bool,
    tell: Tell,
    settings: Mapping[str, Any] | None = None,
    command: str = "",
) -> ClaimReport:
    """Put a claim to the test: state, measure, judge, write `claim.json` and `claim.html`.

    Args:
        recipe: of a claim.
        folder: of the claim; `preview` or `full` below it takes the files, and what is measured already is kept.
        full: whether `full` is the plan, else `preview`, which never decides.
        tell: is told how it goes.
        settings: as `planned_recipe` takes them.
        command: repeats this; made from what is given when empty.

    Returns:
        What came of it.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: the recipe puts no claim to the test that is known, or a setting does not fit.
        RunFolderError: the folder holds results of other data.
        TrainingError: nothing could be trained.
    """
    started = time.monotonic()
    chosen, notes = planned_recipe(recipe, full=full, settings=settings)
    assert chosen.claim is not None  # noqa: S101 - planned_recipe has refused it
    measure = _measure_of(chosen.claim.name)
    read = data_mark(chosen)
    own = folder / ("full" if full else "preview")
    statement, moved = lay_down(state(chosen, preview=not full), own)
    for sentence in [*notes, *moved]:
        tell(sentence)
    seeds = len(chosen.seeds)
    tell(
        f"{chosen.claim.name}: {seeds} seeds, threshold {statement.threshold:g} {statement.unit}, hash {statement.hash}"
    )
    # One folder a fingerprint: what was measured with other settings stays, and is not mistaken for this.
    finding = measure(chosen, own / f"runs-{statement.fingerprint}", seeds=seeds, preview=not full, tell=tell)
    word = verdict(finding.effect, statement.threshold, preview=not full)
    large = looks_large(finding.effect, statement.threshold)
    report = ClaimReport(
        name=chosen.claim.name,
        stated=statement,
        verdict=word,
        answer=answer_of(finding, word, statement, large=large, words=written(finding.effect)),
        effect=EffectRecord.of(finding.effect),
        others=[EffectRecord.of(effect) for effect in finding.others],
        table=[dict(row) for row in finding.table],
        notes=[*finding.notes, *notes, *moved],
        overturn=finding.overturn,
        data=chosen.data.source,
        data_fingerprint=read,
        settings={key: value for key, value in chosen.identity().items() if value is not None},
        command=command or repeat_command(recipe, folder, full=full, settings=settings),
        seconds=round(time.monotonic() - started, 1),
    )
    replace_file(own / CLAIM_FILE, report.model_dump_json(indent=1).encode())
    write_claim_page(report, finding, own)
    return report


def run_all_claims(
    recipe: Recipe,
    folder: Path,
    *,
    full: bool,
    tell: Tell,
    settings: Mapping[str, Any] | None = None,
    command: str = "",
) -> AllClaims:
    """Put every claim to the test, one after another; one that fails does not stop the others.

    Args:
        recipe: `claims/all`.
        folder: each claim takes the folder of its name below it.
        full: as in `run_claim`.
        tell: is told how it goes.
        settings: as in `run_claim`, for every claim.
        command: repeats this; made from the recipe's name when empty.

    Returns:
        The verdicts, which also lie in `all.json` and `all.html`.
    """
    rows: list[ClaimsRow] = []
    data = str((settings or {}).get("data", (settings or {}).get("data.source", "the recipes' own data")))
    for number, name in enumerate(CLAIMS, start=1):
        tell(f"[{number}/{len(CLAIMS)}] {name}")
        rows.append(_one_of_all(name, folder, full=full, tell=tell, settings=settings))
        claims = AllClaims(
            preview=not full,
            data=data,
            rows=rows,
            command=command or repeat_command(recipe, folder, full=full, settings=settings),
        )
        # After each, so that an interrupted round has its table too.
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / ALL_FILE, claims.model_dump_json(indent=1).encode())
        write_all_page(claims, folder)
    return claims


def repeat_command(recipe: Recipe, folder: Path, *, full: bool, settings: Mapping[str, Any] | None) -> str:
    """Write the command that goes on with a claim, or repeats it: on the same data, with the same settings.

    Args:
        recipe: of a claim.
        folder: of the claim.
        full: whether `full` is the plan.
        settings: as `planned_recipe` takes them.

    Returns:
        A line for the shell.
    """
    words = ["textlstm", "run", recipe.name, *(["--full"] if full else [])]
    for key, value in (settings or {}).items():
        words += ["--set", write_override(key, value)]
    return shlex.join([*words, "--out", str(folder)])


def _one_of_all(name: str, folder: Path, *, full: bool, tell: Tell, settings: Mapping[str, Any] | None) -> ClaimsRow:
    """Measure one claim, and make a row of whatever comes of it."""
    statement, place = "", f"{name}/{'full' if full else 'preview'}"
    try:
        recipe = load_recipe(f"claims/{name}")
        statement = recipe.claim.statement if recipe.claim else ""
        report = run_claim(recipe, folder / name, full=full, tell=tell, settings=settings)
    # Torch and BLAS raise RuntimeError for lack of memory; a claim that fails must not take the others along.
    except (TextLSTMError, MemoryError, OSError, RuntimeError, ValueError) as error:
        reason = failure_from(error).reason
        tell(f"{name} could not be measured: {reason}")
        return ClaimsRow(
            name=name,
            statement=statement,
            verdict=None,
            effect=None,
            threshold=None,
            hash="",
            folder=place,
            problem=reason,
        )
    for sentence in report.answer:
        tell(f"  {sentence}")
    return ClaimsRow(
        name=name,
        statement=statement,
        verdict=report.verdict,
        effect=report.effect,
        threshold=report.stated.threshold,
        hash=report.stated.hash,
        folder=place,
    )


def _measure_of(name: str) -> Measure:
    """Look up what measures a claim; imported here, since some need torch."""
    match name:
        case "cost":
            from textlstm.analysis.claims.cost import measure as cost

            return cost
        case "data-hunger":
            from textlstm.analysis.claims.data_hunger import measure as data_hunger

            return data_hunger
        case "hierarchy":
            from textlstm.analysis.claims.hierarchy import measure as hierarchy

            return hierarchy
        case "capacity":
            from textlstm.analysis.claims.capacity import measure as capacity

            return capacity
        case "tuning":
            from textlstm.analysis.claims.tuning import measure as tuning

            return tuning
        case "gradients":
            from textlstm.analysis.claims.gradients import measure as gradients

            return gradients
        case "long-range":
            from textlstm.analysis.claims.long_range import measure as long_range

            return long_range
        case "overfitting":
            from textlstm.analysis.claims.overfitting import measure as overfitting

            return overfitting
        case "representations":
            from textlstm.analysis.claims.representations import measure as representations

            return representations
    raise RecipeError(f"claim.name should be one of {', '.join(CLAIMS)}, and is {name!r}.")
