"""Measuring a claim from its recipe to its page: what is stated first, the measurement, the verdict, the files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textlstm.analysis.claims.effects import written
from textlstm.analysis.claims.finding import Finding, looks_large, verdict
from textlstm.analysis.claims.pages import write_all_page, write_claim_page
from textlstm.analysis.claims.record import (
    ALL_FILE,
    CLAIM_FILE,
    AllClaims,
    ClaimReport,
    ClaimsRow,
    EffectRecord,
    Statement,
    answer_of,
    lay_down,
    state,
)
from textlstm.errors import RecipeError, TextLSTMError
from textlstm.experiment.failures import failure_from
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe
from textlstm.results import replace_file

Tell = Callable[[str], None]
Measure = Callable[..., Finding]
"""`measure(recipe, folder, *, seeds, preview, tell)`."""

CLAIMS = ("cost", "data-hunger", "gradients", "long-range", "overfitting", "representations")
"""Those that can be measured, in the order in which `claims/all` measures them."""
_COST_MINUTES = 0.3
"""Of one repeat of the cost claim, about."""
_OF_THE_OLD_DATA = ("mirror", "config", "revision", "text_columns", "label_column", "label_names", "label_separator")


@dataclass(frozen=True)
class ClaimPlan:
    """What a claim would measure.

    Attributes:
        recipe: as it is carried out.
        statement: what would be laid down.
        runs: models that would be trained, at most.
        minutes: estimated time of that on this machine.
        notes: what was fitted to the data.
    """

    recipe: Recipe
    statement: Statement
    runs: int
    minutes: float
    notes: list[str]


def planned_recipe(
    recipe: Recipe, *, full: bool, settings: Mapping[str, Any] | None = None
) -> tuple[Recipe, list[str]]:
    """Apply a claim's plan, and then what the user has set, which wins.

    Args:
        recipe: of a claim.
        full: whether `full` is the plan, else `preview`.
        settings: recipe keys by dotted name; "data" stands for "data.source", and another source takes nothing over
            that belongs to the recipe's own.

    Returns:
        The recipe as it is carried out, and sentences on what was fitted to the data.

    Raises:
        RecipeError: the recipe puts no claim to the test, or a setting does not fit.
        DataError: the user's data cannot be read.
    """
    if recipe.claim is None:
        raise RecipeError(
            f"{recipe.name} has no `claim:` part, so there is nothing to put to the test; run a claims/ recipe."
        )
    chosen = recipe.planned(recipe.claim.full if full else recipe.claim.preview)
    changes = dict(settings or {})
    source = changes.pop("data", changes.pop("data.source", None))
    notes: list[str] = []
    if source is not None and recipe.claim.keeps_data:
        notes.append(f"{recipe.name} is measured on its own generated data, {recipe.data.source}, not on {source}.")
        changes = {key: value for key, value in changes.items() if not key.startswith("data.")}
    elif source is not None:
        changes = {"data.source": source, **{f"data.{key}": None for key in _OF_THE_OLD_DATA}, **changes}
    chosen = chosen.override(changes)
    if source is not None and not recipe.claim.keeps_data and "grid.sizes" not in changes:
        chosen = _fit_sizes(chosen, notes)
    return chosen, notes


def _fit_sizes(recipe: Recipe, notes: list[str]) -> Recipe:
    """Leave out the sizes that the user's data cannot give."""
    from textlstm.text.protocol import load_recipe_data, with_test_split

    if not any(isinstance(size, int) for size in recipe.grid.sizes or []):
        return recipe
    rows = len(with_test_split(load_recipe_data(recipe)).splits["train"])
    sizes = list(recipe.grid.sizes or [])
    kept = [size for size in sizes if isinstance(size, str) or size <= rows]
    if kept == sizes:
        return recipe
    notes.append(
        f"{recipe.data.source} has {rows:,} training rows, so that the sizes are {kept or ['full']}, not {sizes}."
    )
    return recipe.override({"grid.sizes": kept or ["full"]})


def plan_claim(recipe: Recipe, *, full: bool, settings: Mapping[str, Any] | None = None) -> ClaimPlan:
    """Say what a claim would measure, without measuring it.

    Args:
        recipe: of a claim.
        full: whether `full` is the plan, else `preview`.
        settings: as `planned_recipe` takes them.

    Returns:
        Plan, statement and minutes; trials of a search are counted, and runs that follow it.

    Raises:
        RecipeError: the recipe puts no claim to the test, or a setting does not fit.
        DataError: the data cannot be read, or a size does not fit it.
    """
    from textlstm.analysis.claims.grids import OWN, claim_campaign
    from textlstm.experiment.capacity import choose_workers

    chosen, notes = planned_recipe(recipe, full=full, settings=settings)
    assert chosen.claim is not None  # noqa: S101 - planned_recipe has refused it
    statement = state(chosen, preview=not full)
    if chosen.claim.name == "cost":  # trains nothing to an end
        return ClaimPlan(chosen, statement, 0, _COST_MINUTES * len(chosen.seeds), notes)
    _, cells = claim_campaign(chosen, {OWN: {}, **chosen.claim.variants})
    runs = {cell.path: cell.work for _, cell in cells}
    if "tuned" in chosen.grid.controls:
        searched = [cell for _, cell in cells if cell.others.get("trial") == 0]
        runs |= {cell.path / str(seed): cell.work for cell in searched for seed in chosen.seeds}
    workers = choose_workers(threads=chosen.threads, device=chosen.device)[0]
    return ClaimPlan(chosen, statement, len(runs), sum(runs.values()) / workers / 60, notes)


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
        command: repeats this; made from the recipe's name when empty.

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
        settings={key: value for key, value in chosen.identity().items() if value is not None},
        command=command or f"textlstm run {recipe.name}{' --full' if full else ''}",
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
            command=command or f"textlstm run {recipe.name}{' --full' if full else ''}",
        )
        # After each, so that an interrupted round has its table too.
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / ALL_FILE, claims.model_dump_json(indent=1).encode())
        write_all_page(claims, folder)
    return claims


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
