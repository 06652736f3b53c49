"""What a claim would measure: its plan and the user's settings applied, and how long that takes, for `--dry-run`.

Seconds are those of an idle processor. Trainings of a grid go side by side; what one process does alone (probes, timed
steps) is told apart, since a second processor does not shorten it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textlstm.analysis.claims.record import Statement, state
from textlstm.analysis.wording import setting_words
from textlstm.errors import RecipeError
from textlstm.recipe import Recipe

if TYPE_CHECKING:
    from textlstm.text.datasets import TextData

_OF_THE_OLD_DATA = ("mirror", "config", "revision", "text_columns", "label_column", "label_names", "label_separator")
_START_SECONDS = 5.0  # of a process: importing torch and transformers, reading the data
_PROBE_SECONDS = 0.8  # of one fact at one level, its control task included
_TRANSFER_SECONDS = 4.0  # of the probes of one stack, an untrained one and the mean of embeddings, for every penalty


@dataclass(frozen=True)
class Work:
    """What a claim takes.

    Attributes:
        runs: seconds of each training that goes beside others.
        alone: seconds of what one process does by itself.
        trained_alone: models that are trained in that.
        workers: trainings that go side by side, as processors and memory allow.
    """

    runs: list[float]
    alone: float = 0.0
    trained_alone: int = 0
    workers: int = 1


@dataclass(frozen=True)
class ClaimPlan:
    """What a claim would measure.

    Attributes:
        recipe: as it is carried out.
        statement: what would be laid down.
        cells: what is crossed with what, in words.
        runs: models that would be trained, at most.
        processor_minutes: estimated time of one idle processor.
        minutes: the same on this machine, where trainings go side by side.
        notes: what was fitted to the data.
    """

    recipe: Recipe
    statement: Statement
    cells: str
    runs: int
    processor_minutes: float
    minutes: float
    notes: list[str]


def planned_recipe(
    recipe: Recipe,
    *,
    full: bool,
    settings: Mapping[str, Any] | None = None,
    read: Callable[[Recipe], TextData] | None = None,
) -> tuple[Recipe, list[str]]:
    """Apply a claim's plan, and then what the user has set, which wins.

    Args:
        recipe: of a claim.
        full: whether `full` is the plan, else `preview`.
        settings: recipe keys by dotted name; "data" stands for "data.source", and another source takes nothing over
            that belongs to the recipe's own.
        read: reads the data that sizes are fitted to; `load_recipe_data` when None.

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
        chosen = _fit_sizes(chosen, notes, read)
    return chosen, notes


def _fit_sizes(recipe: Recipe, notes: list[str], read: Callable[[Recipe], TextData] | None) -> Recipe:
    """Leave out the sizes that the user's data cannot give."""
    from textlstm.text.protocol import load_recipe_data, with_test_split

    if not any(isinstance(size, int) for size in recipe.grid.sizes or []):
        return recipe
    rows = len(with_test_split((read or load_recipe_data)(recipe)).splits["train"])
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
    from textlstm.analysis.claims.grids import planned_data

    chosen, notes = planned_recipe(recipe, full=full, settings=settings, read=planned_data)
    statement = state(chosen, preview=not full)
    work = _work(chosen)
    workers = work.workers if work.runs else 0
    started = work.alone + _START_SECONDS
    return ClaimPlan(
        recipe=chosen,
        statement=statement,
        cells=_cells(chosen),
        runs=len(work.runs) + work.trained_alone,
        processor_minutes=(started + sum(work.runs) + workers * _START_SECONDS) / 60,
        minutes=(started + (_side_by_side(work.runs, workers) + _START_SECONDS if workers else 0.0)) / 60,
        notes=notes,
    )


def _side_by_side(seconds: list[float], workers: int) -> float:
    """Time until the last worker is done, each taking the next run when it is free."""
    free = [0.0] * workers
    for run in seconds:
        free[free.index(min(free))] += run
    return max(free)


def _cells(recipe: Recipe) -> str:
    """Say what is crossed with what."""
    from textlstm.analysis.claims.grids import OWN

    claim, grid = recipe.claim, recipe.grid
    assert claim is not None  # noqa: S101 - planned_recipe has refused it
    parts: dict[str, list[Any]] = {"layers": grid.layers or [recipe.model.num_layers]}
    if claim.name not in ("cost", "capacity"):  # neither trains on labels of the data
        parts["labels"] = [f"{size:,}" if isinstance(size, int) else size for size in grid.sizes or [recipe.data.size]]
    if len(grid.controls) > 1:
        parts["controls"] = [setting_words(name) for name in grid.controls]
    if claim.variants:
        parts["settings"] = [OWN, *claim.variants]
    parts |= {key.replace("_", " "): value for key, value in claim.options.items() if isinstance(value, list)}
    parts |= {key.replace("_", " "): [value] for key, value in claim.options.items() if type(value) is int}
    parts["seeds"] = recipe.seeds
    return "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in parts.items())


def _work(recipe: Recipe) -> Work:
    """Estimate what a claim takes."""
    from textlstm.analysis.claims.grids import OWN, grid_work, planned_data

    claim = recipe.claim
    assert claim is not None  # noqa: S101 - planned_recipe has refused it
    match claim.name:
        case "cost":
            from textlstm.analysis.claims.cost import planned_seconds

            return Work([], planned_seconds(recipe))
        case "capacity":
            from textlstm.analysis.claims.capacity import planned_work

            seconds, workers = planned_work(recipe)
            return Work(seconds, workers=workers)
        case "long-range":
            from textlstm.analysis.claims.long_range import planned_work

            seconds, workers = planned_work(recipe)
            return Work(seconds, workers=workers)
        case "tuning":
            from textlstm.analysis.claims.tuning import planned_work

            seconds, workers = planned_work(recipe)
            return Work(seconds, workers=workers)
        case "data-hunger":
            from textlstm.analysis.claims.data_hunger import check_curves

            check_curves(sorted(set(recipe.grid.layers or [])), recipe.grid.sizes or [])
    runs, workers = grid_work(recipe, {OWN: {}, **claim.variants})
    if claim.name == "hierarchy":  # each is probed at every level beside an untrained stack
        from textlstm.analysis.claims.hierarchy import probing_workers

        facts = 7 if recipe.data.source.startswith("listops") else 4
        probes = 2 * facts * (recipe.model.num_layers + 1) * _PROBE_SECONDS
        workers, _ = probing_workers(recipe, planned_data(recipe))
        return Work([seconds + probes for seconds in runs], workers=workers)
    if claim.name == "representations":
        from textlstm.analysis.claims.transfer import halving_problem

        if claim.options.get("transfer") is None and halving_problem(planned_data(recipe)):
            return Work(runs, workers=workers)  # transfer is left out
        learned, _ = grid_work(recipe.override({"grid.controls": ["matched_parameters"]}), {OWN: {}})
        alone = sum(learned) + len(learned) * _TRANSFER_SECONDS
        return Work(runs, alone, trained_alone=len(learned), workers=workers)
    return Work(runs, workers=workers)
