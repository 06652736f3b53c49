"""The grid: a recipe's controls x layers x sizes x seeds as cells, in the order that gives a full picture early."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from textlstm.errors import RecipeError
from textlstm.experiment.controls import PLACES, control_names, control_settings, tuning_draws
from textlstm.experiment.fold_models import with_models_of_fold
from textlstm.experiment.run_time import run_seconds
from textlstm.recipe import Recipe
from textlstm.recipe_grid import GridSection
from textlstm.results import Run
from textlstm.text.protocol import validation_rows

MOST_CELLS = 200_000
"""Runs that a grid may have: more are a slip of the pen, and would fill the memory before one of them has run."""

TUNING_SEED = 1_000_000
"""Seed of all trials of a search, far from the seeds of a grid: the chosen settings are then scored on fresh ones."""

BASELINE_SETTINGS: dict[str, dict[str, Any]] = {
    "bag": {"model.num_layers": 0, "model.pooling": "mean"},
    "one_directional": {"model.num_layers": 1, "model.bidirectional": False},
}
"""Baselines that are the same model with other settings."""

_LONGEST_WORD = 150  # of a folder's name; file systems end names at 255 bytes


@dataclass(frozen=True)
class DataFacts:
    """What planning needs to know of the data.

    Attributes:
        num_labels: outputs of the classifier.
        train_rows: rows of the training split.
        mean_tokens: tokens of a text, cut to the recipe's length.
        given_validation: whether the data has a validation split of its own, which runs on all rows use.
    """

    num_labels: int = 2
    train_rows: int = 10_000
    mean_tokens: float = 20.0
    given_validation: bool = False


@dataclass(frozen=True)
class Cell:
    """One run of a grid.

    Attributes:
        layers: stacked layers.
        size: labeled rows, or "full".
        seed: of everything random in the run.
        recipe: with the cell's settings in place.
        path: the cell's folder, relative to the grid's; cells of two controls that are the same run share one.
        work: estimated seconds of training, for the order of magnitude.
        others: coordinates beside layers, size and seed: control, fold, baseline, trial, and axes by dotted key.
    """

    layers: int
    size: int | Literal["full"]
    seed: int
    recipe: Recipe
    path: Path
    work: float = 1.0
    others: Mapping[str, Any] = field(default_factory=dict)

    @property
    def coordinates(self) -> dict[str, Any]:
        """The cell's place in the grid, as its run records it."""
        return {"layers": self.layers, "size": self.size, "seed": self.seed, **self.others}


RunCell = Callable[[Cell, Path], Run]
"""Runs one cell, writes it into its folder and gives it back."""


def plan_cells(recipe: Recipe, facts: DataFacts | None = None) -> list[Cell]:
    """Lay out a recipe's grid, but for what waits for the outcome of a search (`plan_tuned`).

    Args:
        recipe: with its `grid:` part.
        facts: of the data; typical ones when None.

    Returns:
        Cells, all depths, sizes and controls of one seed before the next seed, so that a grid cut short is a smaller
        grid. The trials of the `tuned` control come after the first seed.

    Raises:
        RecipeError: a control cannot be met, two points of an axis are the same run, or there are more runs than a
            grid may have.
    """
    if (count := recipe.grid_points) > MOST_CELLS:
        raise RecipeError(
            f"A grid has {MOST_CELLS:,} runs at most, and the axes of {recipe.name} make {count:,}; leave out seeds or"
            " other points."
        )
    planner = _Planner(recipe, facts or DataFacts())
    if "tuned" in planner.controls and not any(map(planner.has_validation, planner.sizes)):
        raise RecipeError(
            "The tuned control chooses settings on validation rows, and none of the sizes"
            f" {', '.join(map(str, planner.sizes))} has any (from 500 labels on some are held out, and `full` has those"
            " of the data); name a larger size, or leave tuned out of grid.controls."
        )
    cells = list(planner.cells())
    _refuse_same_runs(cells, recipe)
    return cells


def plan_tuned(recipe: Recipe, facts: DataFacts | None, chosen: Mapping[str, int]) -> list[Cell]:
    """Plan the cells of the `tuned` control from the outcome of its search.

    Args:
        recipe: with its `grid:` part.
        facts: of the data.
        chosen: number of the best trial by `place_key`, of `tuned.chosen_trials`.

    Returns:
        For every depth, size and fold that has a choice, one cell a seed with the settings of that trial.
    """
    return list(_Planner(recipe, facts or DataFacts()).tuned(chosen))


def plan_notes(recipe: Recipe, facts: DataFacts) -> list[str]:
    """Say what a plan leaves out although the recipe asks for it.

    Args:
        recipe: with its `grid:` part.
        facts: of the data.

    Returns:
        A sentence for each size that the `tuned` control cannot have.
    """
    planner = _Planner(recipe, facts)
    if "tuned" not in planner.controls:
        return []
    return [
        f"The tuned control leaves out {size if size == 'full' else f'{size:,} labels'}: without validation rows, which"
        " are held out from 500 labels on, there is nothing to choose settings by."
        for size in planner.sizes
        if not planner.has_validation(size)
    ]


class _Planner:
    """Walks over a recipe's axes; knows which cells are the same run."""

    def __init__(self, recipe: Recipe, facts: DataFacts) -> None:
        self.grid, self.facts, self.recipe = recipe.grid, facts, recipe
        self.base = recipe.model_copy(update={"grid": GridSection(), "claim": None})
        self.layers = sorted(set(recipe.grid.layers or [recipe.model.num_layers]))
        self.sizes = sorted(set(recipe.grid.sizes or [recipe.data.size]), key=lambda size: (size == "full", size))
        self.seeds = list(dict.fromkeys(recipe.seeds))
        self.folds = range(recipe.grid.folds) if recipe.grid.folds else [None]
        self.controls = control_names(recipe.grid)
        self.widths = dict(zip(recipe.grid.layers or [], recipe.grid.widths or [], strict=False))
        names, values = list(recipe.grid.axes), list(recipe.grid.axes.values())
        self.settings = [dict(zip(names, point, strict=True)) for point in product(*values)]
        self._paths: dict[str, Path] = {}
        self._control_settings: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}

    def cells(self) -> Iterator[Cell]:
        """All cells that are known before anything is trained."""
        for number, seed in enumerate(self.seeds):
            for fold, size, axes in product(self.folds, self.sizes, self.settings):
                for control in self.controls:
                    if control != "tuned":
                        for layers in self.layers:
                            yield self._cell(layers, size, seed, fold, axes, control=control)
            for fold, size in product(self.folds, self.sizes):
                for baseline in self.grid.baselines:
                    if baseline in BASELINE_SETTINGS:
                        yield self._baseline(baseline, size, seed, fold)
            if number == 0 and "tuned" in self.controls:
                yield from self._trials()

    def _trials(self) -> Iterator[Cell]:
        """The search of the `tuned` control; it never opens the test split."""
        draws = tuning_draws(self.grid, seed=TUNING_SEED)
        for fold, size, axes in product(self.folds, self.sizes, self.settings):
            if self.has_validation(size):
                for trial, draw in enumerate(draws):
                    for layers in self.layers:
                        changes = {**draw, "data.score_test": False}
                        others = {"control": "tuned", "trial": trial}
                        yield self._cell(layers, size, TUNING_SEED, fold, axes, changes=changes, **others)

    def has_validation(self, size: int | Literal["full"]) -> bool:
        """Whether runs of a size have rows to choose by."""
        return (size == "full" and self.facts.given_validation) or validation_rows(self._rows(size)) > 0

    def tuned(self, chosen: Mapping[str, int]) -> Iterator[Cell]:
        """The cells of the `tuned` control on fresh seeds."""
        draws = tuning_draws(self.grid, seed=TUNING_SEED)
        for seed in self.seeds:
            for fold, size, axes in product(self.folds, self.sizes, self.settings):
                for layers in self.layers:
                    others = {"control": "tuned", **_fold(fold), **axes}
                    trial = chosen.get(place_key({"layers": layers, "size": size, **others}))
                    if trial is not None and trial < len(draws):
                        yield self._cell(layers, size, seed, fold, axes, changes=draws[trial], control="tuned")

    def _baseline(self, baseline: str, size: int | Literal["full"], seed: int, fold: int | None) -> Cell:
        """A baseline that is the same model with other settings."""
        changes = dict(BASELINE_SETTINGS[baseline])
        layers = int(changes["model.num_layers"])
        if isinstance(self.base.model.hidden_size, list):  # of another number of layers
            changes["model.hidden_size"] = self.base.model.hidden_size[0]
        return self._cell(layers, size, seed, fold, {}, changes=changes, baseline=baseline)

    def _cell(
        self,
        layers: int,
        size: int | Literal["full"],
        seed: int,
        fold: int | None,
        axes: Mapping[str, Any],
        *,
        changes: Mapping[str, Any] | None = None,
        **others: Any,  # noqa: ANN401 - coordinates are of any plain type
    ) -> Cell:
        """Put one cell together."""
        settings = {"model.num_layers": layers, "data.size": size, "seed": seed, **axes}
        if fold is not None:
            settings |= {"data.folds": self.grid.folds, "data.fold": fold}
        if layers in self.widths:
            settings["model.hidden_size"] = self.widths[layers]
        if "control" in others:
            settings |= self._settings_of(others["control"], axes)[layers]
        recipe = self.base.override({**settings, **(changes or {})})
        if fold is not None:
            recipe = with_models_of_fold(recipe, fold)
        coordinates = {**others, **_fold(fold), **axes}
        own = _path(layers, size, seed, coordinates)
        path = self._paths.setdefault(recipe.fingerprint(), own)
        return Cell(layers, size, seed, recipe, path, self._work(recipe), coordinates)

    def _settings_of(self, control: str, axes: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
        """What a control sets at each depth, worked out once."""
        key = control, place_key(axes)
        if key not in self._control_settings:
            base = self.base.override(dict(axes))
            self._control_settings[key] = control_settings(
                base, control, layers=self.layers, num_labels=self.facts.num_labels
            )
        return self._control_settings[key]

    def _work(self, recipe: Recipe) -> float:
        labels, facts = self._rows(recipe.data.size), self.facts
        return run_seconds(recipe, labels=labels, mean_tokens=facts.mean_tokens, num_labels=facts.num_labels)

    def _rows(self, size: int | Literal["full"]) -> int:
        return round((1 - self.recipe.data.holdout) * (self.facts.train_rows if size == "full" else size))


def _fold(fold: int | None) -> dict[str, int]:
    return {} if fold is None else {"fold": fold}


def place_key(coordinates: Mapping[str, Any]) -> str:
    """Name a place of the grid, whatever the order of its coordinates.

    Args:
        coordinates: of a cell, without those in which the cells of one place differ (seed and trial).

    Returns:
        Such as "control='tuned', layers=2, size='full'".
    """
    return ", ".join(f"{key}={value!r}" for key, value in sorted(coordinates.items()))


def _refuse_same_runs(cells: Sequence[Cell], recipe: Recipe) -> None:
    """See that no axis is without effect: its points would be one run, and be compared as if they were several."""
    seen: dict[tuple[Path, str], Cell] = {}
    for cell in cells:
        place = {key: value for key, value in cell.coordinates.items() if key in PLACES}
        twin = seen.setdefault((cell.path, place_key(place)), cell)
        if twin is not cell:
            points = [" ".join(f"{key}={one.others[key]}" for key in recipe.grid.axes) for one in (twin, cell)]
            raise RecipeError(
                f"Every point of an axis should be a run of its own, and at {place_key(place)} the points {points[0]}"
                f" and {points[1]} are the same run; the key is set elsewhere in the grid, or a value is given twice."
            )


def _path(layers: int, size: int | str, seed: int, others: Mapping[str, Any]) -> Path:
    """The cell's own folder; the plain comparison needs no word for its control."""
    words = [
        f"{key}={_word(value)}"
        for key, value in others.items()
        if (key, value) != ("control", "fixed_width") and key not in ("fold", "trial")
    ]
    inner = [f"{key}={others[key]}" for key in ("trial", "fold") if key in others]
    return Path(*words, f"layers={layers}", f"size={size}", *inner, f"seed={seed}")


def _word(value: object) -> str:
    """Write a value so that it can be part of a folder's name: no separators, and no longer than file systems allow."""
    quoted = quote(str(value), safe="")
    if len(quoted) <= _LONGEST_WORD:
        return quoted
    return f"{quoted[: _LONGEST_WORD // 2]}-{hashlib.sha256(quoted.encode()).hexdigest()[:16]}"
