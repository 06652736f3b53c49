"""Trains what a claim compares: the recipe's grid under several settings, as one sweep, with every text's scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.claims.trained import Trained, gather_runs
from textlstm.errors import RecipeError
from textlstm.experiment.campaign import Campaign, prepare_campaign
from textlstm.experiment.capacity import workers_for
from textlstm.experiment.cells import TrainCell, TrainOne
from textlstm.experiment.executors import Processes
from textlstm.experiment.failures import Failure
from textlstm.experiment.grid import Cell, plan_cells, plan_tuned
from textlstm.experiment.sweep import Sweep, run_grid
from textlstm.experiment.tuned import chosen_trials, keep_choice
from textlstm.recipe import Recipe, validate
from textlstm.results import Run
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data

Floats = NDArray[np.float64]
Variants = Mapping[str, Mapping[str, Any]]
"""Settings that are compared: name to recipe keys by dotted name."""

OWN = "as it stands"
"""Name of the variant that changes nothing."""


def claim_campaign(
    recipe: Recipe, variants: Variants | None = None, *, loaded: TextData | None = None
) -> tuple[Campaign, list[tuple[str, Cell]]]:
    """Lay out a claim's runs.

    Args:
        recipe: with its grid.
        variants: settings that are compared; the recipe's own where None.
        loaded: the recipe's data, where they are read already.

    Returns:
        The recipe's campaign with its data, and every cell with the name of its variant, all of one seed before the
        next.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: a variant does not fit the recipe, or it asks for folds.
    """
    if recipe.grid.folds:
        raise RecipeError("A claim is measured on one test split, and grid.folds asks for several; leave it out.")
    campaign = prepare_campaign(recipe.model_copy(update={"claim": None}), loaded)
    return campaign, plan_variants(recipe, campaign, variants or {OWN: {}})


def plan_variants(recipe: Recipe, campaign: Campaign, variants: Variants) -> list[tuple[str, Cell]]:
    """Lay out a grid under several settings.

    Args:
        recipe: with its grid.
        campaign: of the recipe, for what planning needs to know of the data.
        variants: settings that are compared.

    Returns:
        Every cell with the name of its variant, all of one seed before the next.

    Raises:
        RecipeError: a variant does not fit the recipe.
    """
    plain = recipe.model_copy(update={"claim": None})
    cells: list[tuple[str, Cell]] = []
    for name, changes in variants.items():
        if touched := [key for key in changes if key.startswith(("data.", "grid."))]:
            raise RecipeError(
                f"A variant is trained on the recipe's own grid and data, and {name!r} sets {touched[0]}; take it"
                " out of the variant, or run the recipe once for each."
            )
        planned = plan_cells(plain.override(dict(changes)), campaign.facts)
        cells += [(name, replace(cell, path=_folder_of(name) / cell.path)) for cell in planned]
    order = {seed: number for number, seed in enumerate(recipe.seeds)}
    cells.sort(key=lambda item: order.get(item[1].seed, 0))
    return cells


def planned_data(recipe: Recipe) -> TextData:
    """Read data for planning alone; the plans of all claims on the same data read it once.

    Args:
        recipe: its `data:` part is read.

    Returns:
        All splits, as they were when this was first asked.

    Raises:
        DataError: the data cannot be read.
    """
    return _data_of(recipe.data.model_dump_json())


def data_mark(recipe: Recipe) -> str:
    """Give the fingerprint of a recipe's data; the texts are let go again, since each measurement reads its own.

    Args:
        recipe: its `data:` part is read.

    Returns:
        The fingerprint, as it was when this was first asked.

    Raises:
        DataError: the data cannot be read.
    """
    return _mark_of(recipe.data.model_dump_json())


@lru_cache(maxsize=12)
def _mark_of(part: str) -> str:
    return _read(part).fingerprint


@lru_cache(maxsize=12)  # recall at each distance, two of listops, and the user's
def _data_of(part: str) -> TextData:
    return _read(part)


def _read(part: str) -> TextData:
    return load_recipe_data(validate({"name": "plan", "data": json.loads(part)}, origin="the recipe"))


def grid_work(recipe: Recipe, variants: Variants) -> tuple[list[float], int]:
    """Estimate what a claim's grid takes.

    Args:
        recipe: with its grid.
        variants: settings that are compared.

    Returns:
        Seconds of each run, those included that follow a search; and how many go side by side, as `train_cells` has it.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: a variant does not fit the recipe.
    """
    campaign, cells = claim_campaign(recipe, variants, loaded=planned_data(recipe))
    runs = {cell.path: cell.work for _, cell in cells}
    if "tuned" in recipe.grid.controls:
        searched = [cell for _, cell in cells if cell.others.get("trial") == 0]
        runs |= {cell.path / str(seed): cell.work for cell in searched for seed in recipe.seeds}
    return list(runs.values()), workers_for(recipe, [cell for _, cell in cells], campaign.facts)[0]


def train_variants(
    recipe: Recipe,
    folder: Path,
    *,
    tell: Callable[[str], None],
    variants: Variants | None = None,
    train_one: TrainOne | None = None,
) -> Trained:
    """Train what is not finished yet.

    Args:
        recipe: with its grid.
        folder: of the runs; finished ones in it are kept.
        tell: is told how it goes.
        variants: settings that are compared; the recipe's own where None.
        train_one: trains one cell, as `TrainCell` takes it; the plain way where None.

    Returns:
        The runs.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: a variant does not fit the recipe.
        RunFolderError: the folder holds runs with other settings or of other data.
        TrainingError: no seed is finished at every place.
    """
    campaign, cells = claim_campaign(recipe, variants)
    names = {cell.path: name for name, cell in cells}
    finished, done = train_cells(recipe, folder, campaign, [cell for _, cell in cells], tell=tell, train_one=train_one)
    if "tuned" in recipe.grid.controls:
        tuned = _tuned_cells(recipe, campaign, folder, variants or {OWN: {}}, finished)
        tell(f"The search is done; {len(tuned)} runs with the settings that it chose follow.")
        names |= {cell.path: name for name, cell in tuned}
        more, final = train_cells(recipe, folder, campaign, [cell for _, cell in tuned], tell=tell, train_one=train_one)
        finished += more
        done = Sweep(done.runs + final.runs, done.failures + final.failures)
    return gather_runs([(names[cell.path], cell, run) for cell, run in finished], folder, done, campaign.notes)


def train_cells(
    recipe: Recipe,
    folder: Path,
    campaign: Campaign,
    cells: Sequence[Cell],
    *,
    tell: Callable[[str], None],
    train_one: TrainOne | None = None,
) -> tuple[list[tuple[Cell, Run]], Sweep]:
    """Train the cells that are not finished yet, side by side where there are processors.

    Args:
        recipe: whose threads and device the cells have.
        folder: of the runs.
        campaign: with the data.
        cells: of one plan.
        tell: is told how it goes.
        train_one: trains one cell, as `TrainCell` takes it; the plain way where None.

    Returns:
        The cells that have a run, each with it, and the sweep with what failed.

    Raises:
        RunFolderError: the folder holds runs with other settings or of other data.
    """
    workers, note = workers_for(recipe, cells, campaign.facts)
    for sentence in [*campaign.notes, *([note] if note else [])]:
        tell(sentence)
    work = {cell.path: cell.work for cell in cells}
    tell(f"{len(work)} runs, about {sum(work.values()) / workers / 60:.0f} minutes.")
    counter = _Counter(len(work), tell)
    with TrainCell(campaign.data, root=folder, train_one=train_one) as run_cell:
        done = run_grid(
            recipe,
            folder,
            run_cell=run_cell,
            executor=Processes(workers),
            cells=cells,
            data_fingerprint=campaign.data.fingerprint,
            listener=counter.done,
            on_failure=counter.failed,
            on_wait=tell,
        )
    failed = {cell.path for cell, _ in done.failures}
    return list(zip([cell for cell in cells if cell.path not in failed], done.runs, strict=True)), done


def _tuned_cells(
    recipe: Recipe, campaign: Campaign, folder: Path, variants: Variants, finished: Sequence[tuple[Cell, Run]]
) -> list[tuple[str, Cell]]:
    """Plan the runs with the settings that each variant's own search chose, so that all are equally tuned."""
    plain = recipe.model_copy(update={"claim": None})
    cells: list[tuple[str, Cell]] = []
    for name, changes in variants.items():
        own = folder / _folder_of(name)
        trials = [
            run for cell, run in finished if "trial" in cell.others and cell.path.is_relative_to(_folder_of(name))
        ]
        chosen = chosen_trials(own, trials)
        own.mkdir(parents=True, exist_ok=True)
        keep_choice(own, chosen)
        planned = plan_tuned(plain.override(dict(changes)), campaign.facts, chosen)
        cells += [(name, replace(cell, path=_folder_of(name) / cell.path)) for cell in planned]
    return cells


def _folder_of(variant: str) -> Path:
    """Where a variant's runs lie, below the claim's folder."""
    if variant == OWN:
        return Path("own")
    return Path("variant-" + "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in variant))


class _Counter:
    """Says how far a sweep is, about ten times."""

    def __init__(self, total: int, tell: Callable[[str], None]) -> None:
        self.total, self.tell, self.seen = total, tell, set[Path]()

    def done(self, cell: Cell, run: Run, no_time: bool) -> None:
        """Count a run."""
        if cell.path in self.seen:
            return
        self.seen.add(cell.path)
        if len(self.seen) % max(1, self.total // 10) == 0 or len(self.seen) == self.total:
            self.tell(f"  {len(self.seen)} of {self.total} runs")

    def failed(self, cell: Cell, failure: Failure, again: bool) -> None:
        """Say why a run failed."""
        if not again:
            self.tell(f"  {cell.path.as_posix()} failed: {failure.reason}")
