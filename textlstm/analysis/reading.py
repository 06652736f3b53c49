"""A grid's folder as groups of runs with their test predictions: what every comparison is worked out from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from textlstm.errors import RunFolderError
from textlstm.experiment.controls import control_names, setting_label
from textlstm.experiment.failures import Failure, read_failure
from textlstm.experiment.grid import BASELINE_SETTINGS
from textlstm.experiment.plan import Plan, PlannedCell, read_plan
from textlstm.results import RESULT_FILE, Run, probability_array, read_predictions, read_run

Place = tuple[str, int, int | str]
"""Setting, layers and size."""


@dataclass(frozen=True, eq=False)
class Scored:
    """Test predictions of several runs on the same rows.

    Attributes:
        rows: (n,) row numbers in the test split.
        labels: (n,) class numbers, or (n, classes) bool for multi-label.
        probabilities: (seeds, n, classes) float32.
    """

    rows: NDArray[np.int64]
    labels: NDArray[Any]
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Group:
    """All runs that differ in seed and fold only.

    Attributes:
        setting: label of the control and of other axes.
        layers: stacked layers.
        size: labeled rows, or "full".
        seeds: those with a run in every fold, rising.
        runs: by fold, one a seed, in the order of `seeds`; one fold where there is no cross-validation.
        folders: as `runs`, where each lies.
        measured: scores that were worked out already, by name (`means.measure`).
    """

    setting: str
    layers: int
    size: int | str
    seeds: list[int]
    runs: list[list[Run]]
    folders: list[list[Path]]
    measured: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    @property
    def labels(self) -> int:
        """Labels used, validation included; the mean over folds."""
        return round(float(np.mean([run.data.labels_used for fold in self.runs for run in fold])))

    @property
    def all_runs(self) -> list[Run]:
        """Every run, fold by fold."""
        return [run for fold in self.runs for run in fold]

    @cached_property
    def folds(self) -> list[Scored]:
        """Test predictions by fold."""
        return [read_scored(folders) for folders in self.folders]


@dataclass(frozen=True, eq=False)
class Grid:
    """A folder of runs.

    Attributes:
        folder: where it lies.
        plan: what was to be run.
        groups: finished runs by setting, layers and size, in the order of the plan.
        baselines: finished runs of the baselines that are the stack with other settings, by name and size.
        trials: runs of the search of the `tuned` control.
        runs: every finished run once a cell, in the order of the plan; cells of two controls may share a run.
        failures: cells without a result whose failure is on record.
        finished: runs with a result; cells that share a folder are one run.
        planned: runs of the plan.
        seconds: of training, over all finished runs.
    """

    folder: Path
    plan: Plan
    groups: dict[Place, Group]
    baselines: dict[tuple[str, int | str], Group]
    trials: list[Run]
    runs: list[Run]
    failures: list[tuple[PlannedCell, Failure]]
    finished: int
    planned: int
    seconds: float

    @cached_property
    def declared(self) -> list[str]:
        """Labels of all controls and axes that the recipe asks for; the verdict is about the first."""
        grid = self.plan.as_recipe().grid
        points = [dict(zip(grid.axes, values, strict=True)) for values in product(*grid.axes.values())]
        return [setting_label({"control": control, **axes}) for control in control_names(grid) for axes in points]

    @property
    def settings(self) -> list[str]:
        """Labels of those that have finished runs, in the recipe's order."""
        found = {setting for setting, _, _ in self.groups}
        return [setting for setting in self.declared if setting in found]

    @cached_property
    def confirmatory(self) -> tuple[str, int | str, list[int]]:
        """The setting, size and depths that the recipe's verdict is about, whatever is finished."""
        recipe = self.plan.as_recipe()
        sizes: list[int | str] = list(recipe.grid.sizes or [recipe.data.size])
        layers = sorted(set(recipe.grid.layers or [recipe.model.num_layers]))
        return self.declared[0], max(sizes, key=size_key), layers

    def depths(self, setting: str, size: int | str) -> list[Group]:
        """The groups of one setting and size, shallowest first."""
        found = [group for (s, _, n), group in self.groups.items() if s == setting and n == size]
        return sorted(found, key=lambda group: group.layers)

    def sizes(self, setting: str) -> list[int | str]:
        """The sizes of one setting, rising."""
        found = dict.fromkeys(size for s, _, size in self.groups if s == setting)
        return sorted(found, key=size_key)


def read_grid(folder: Path) -> Grid:
    """Read a folder of runs by its plan.

    Args:
        folder: what `textlstm run --out` wrote; it need not be finished.

    Returns:
        The grid.

    Raises:
        RunFolderError: there is no plan or no finished run, or one is damaged.
    """
    plan = read_plan(folder)
    runs: dict[str, Run] = {}
    found: dict[Place, dict[tuple[int, int], tuple[Run, Path]]] = defaultdict(dict)
    baselines: dict[tuple[str, int | str], dict[tuple[int, int], tuple[Run, Path]]] = defaultdict(dict)
    trials: list[Run] = []
    failures: list[tuple[PlannedCell, Failure]] = []
    every: list[Run] = []
    for cell in plan.cells:
        path = folder / cell.path
        if cell.path not in runs:
            if not (path / RESULT_FILE).exists():
                if (failure := read_failure(path)) is not None:
                    failures.append((cell, failure))
                continue
            runs[cell.path] = read_run(path)
        where = cell.coordinates
        run = runs[cell.path].model_copy(update={"cell": where})
        every.append(run)
        place = where.get("fold", 0), where["seed"]
        if "trial" in where:
            trials.append(run)
        elif where.get("baseline") in BASELINE_SETTINGS:
            baselines[where["baseline"], where["size"]][place] = run, path
        else:
            found[setting_label(where), where["layers"], where["size"]][place] = run, path
    if not found:
        raise RunFolderError(
            f"{folder} holds a plan of {len(plan.cells)} runs and none that is finished; run the recipe into it first."
        )
    folds = plan.recipe["grid"].get("folds") or 1
    return Grid(
        folder=folder,
        plan=plan,
        groups={key: group for key, members in found.items() if (group := _group(key, members, folds))},
        baselines={
            (name, size): group
            for (name, size), members in baselines.items()
            if (group := _group((name, 0 if name == "bag" else 1, size), members, folds))
        },
        trials=trials,
        runs=every,
        failures=failures,
        finished=len(runs),
        planned=len({cell.path for cell in plan.cells}),
        seconds=sum(run.cost.train_seconds for run in runs.values()),
    )


def size_key(size: int | str) -> float:
    """Order sizes, "full" last."""
    return float("inf") if isinstance(size, str) else size


def read_scored(folders: list[Path]) -> Scored:
    """Read the test predictions of runs on the same rows.

    Args:
        folders: one a seed.

    Returns:
        The predictions side by side.

    Raises:
        RunFolderError: two runs were scored on different rows.
    """
    stacked = []
    first: pa.Table | None = None
    for folder in folders:
        table = read_predictions(folder, "test")
        first = table if first is None else first
        if not table["row"].equals(first["row"]) or not table["label"].equals(first["label"]):
            raise RunFolderError(
                f"Runs that are compared are scored on the same test rows, and {folder} and {folders[0]} are not;"
                " runs of different data were put into one folder: move one of them away."
            )
        stacked.append(probability_array(table))
    assert first is not None  # noqa: S101 - a group has a run
    labels = np.array(first["label"].to_pylist())
    return Scored(first["row"].to_numpy(), labels, np.stack(stacked))


def _group(key: Place, members: dict[tuple[int, int], tuple[Run, Path]], folds: int) -> Group | None:
    """Put a group together from the seeds that are finished in every fold; None where there is none yet."""
    seeds = sorted({seed for _, seed in members})
    whole = [seed for seed in seeds if all((fold, seed) in members for fold in range(folds))]
    if not whole:
        return None
    setting, layers, size = key
    return Group(
        setting=setting,
        layers=layers,
        size=size,
        seeds=whole,
        runs=[[members[fold, seed][0] for seed in whole] for fold in range(folds)],
        folders=[[members[fold, seed][1] for seed in whole] for fold in range(folds)],
    )
