"""What a claim would measure: its plan and the user's settings applied, and how long that takes, for `--dry-run`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textlstm.analysis.claims.record import Statement, state
from textlstm.errors import RecipeError
from textlstm.recipe import Recipe

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
    from textlstm.experiment.capacity import choose_workers

    chosen, notes = planned_recipe(recipe, full=full, settings=settings)
    statement = state(chosen, preview=not full)
    seconds = _work(chosen)
    workers = choose_workers(threads=chosen.threads, device=chosen.device)[0]
    return ClaimPlan(chosen, statement, len(seconds), sum(seconds) / workers / 60, notes)


def _work(recipe: Recipe) -> list[float]:
    """Estimated seconds of each training of a claim."""
    from textlstm.analysis.claims.grids import OWN, grid_work

    claim = recipe.claim
    assert claim is not None  # noqa: S101 - planned_recipe has refused it
    match claim.name:
        case "cost":  # trains nothing to an end
            return []
        case "capacity":
            from textlstm.analysis.claims.capacity import planned_work

            return planned_work(recipe)
        case "long-range":
            from textlstm.analysis.claims.long_range import planned_work

            return planned_work(recipe)
        case "tuning":
            from textlstm.analysis.claims.tuning import planned_work

            return planned_work(recipe)
    return grid_work(recipe, {OWN: {}, **claim.variants})
