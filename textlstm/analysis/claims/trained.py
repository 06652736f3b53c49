"""The finished runs of a claim, by what was compared, each with the same seeds, and the scores of every text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.reading import Scored, read_scored, size_key
from textlstm.errors import TrainingError
from textlstm.experiment.controls import setting_label
from textlstm.experiment.grid import Cell
from textlstm.experiment.sweep import Sweep
from textlstm.results import Run
from textlstm.stats.scores import accuracy_scores, log_loss_scores

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """All runs that differ in their seed only.

    Attributes:
        variant: name of the settings.
        setting: label of the control, such as "fixed_width" or "tuned"; "baseline bag" and the like for baselines.
        layers: stacked layers.
        size: labeled rows, or "full".
    """

    variant: str
    setting: str
    layers: int
    size: int | str


@dataclass(frozen=True, eq=False)
class Trained:
    """Runs of a claim, each place with the same seeds.

    Attributes:
        seeds: those that are finished at every place, rising.
        runs: by place, one a seed.
        folders: by place, where each lies.
        notes: what was left out, in sentences.
    """

    seeds: list[int]
    runs: dict[Place, list[Run]]
    folders: dict[Place, list[Path]]
    notes: list[str]

    def scored(self, place: Place) -> Scored:
        """Read the test predictions of a place.

        Args:
            place: one of `runs`.

        Returns:
            The predictions of its seeds.
        """
        return read_scored(self.folders[place])

    def accuracy(self, place: Place) -> Floats:
        """Mark each answer of a place.

        Args:
            place: one of `runs`.

        Returns:
            (seeds, texts) 1 where right, else 0.
        """
        scored = self.scored(place)
        return accuracy_scores(scored.probabilities, scored.labels)

    def log_loss(self, place: Place) -> Floats:
        """Take the log loss of each answer of a place.

        Args:
            place: one of `runs`.

        Returns:
            (seeds, texts) nats.
        """
        scored = self.scored(place)
        return log_loss_scores(scored.probabilities, scored.labels)

    def sizes(self) -> list[int | str]:
        """The sizes that were run, rising."""
        return sorted({place.size for place in self.runs}, key=size_key)

    def depths(self) -> list[int]:
        """The depths that were compared, rising; baselines are none."""
        return sorted({place.layers for place in self.runs if not place.setting.startswith("baseline")})


def gather_runs(found: Sequence[tuple[str, Cell, Run]], folder: Path, done: Sweep, notes: Sequence[str]) -> Trained:
    """Group runs by place and keep the seeds that all places have.

    Args:
        found: finished cells with the names of their variants and their runs; trials of a search are left out.
        folder: of the runs.
        done: the sweep, for what failed.
        notes: what is to be said of the runs already.

    Returns:
        The runs.

    Raises:
        TrainingError: no seed is finished at every place.
    """
    by_place: dict[Place, dict[int, tuple[Run, Path]]] = defaultdict(dict)
    for name, cell, run in found:
        if "trial" not in cell.others:
            setting = f"baseline {cell.others['baseline']}" if "baseline" in cell.others else setting_label(cell.others)
            place = Place(name, setting, cell.layers, cell.size)
            by_place[place][cell.seed] = run, folder / cell.path
    shared = sorted(set.intersection(*(set(runs) for runs in by_place.values()))) if by_place else []
    if not shared:
        reason = f"; the first failure: {done.failures[0][1].reason}" if done.failures else ""
        raise TrainingError(f"A claim needs a seed whose runs all finished, and there is none{reason}")
    said = list(notes)
    if done.failures:
        said.append(f"{len(done.failures)} runs failed, and their seeds are left out everywhere.")
    return Trained(
        seeds=shared,
        runs={place: [runs[seed][0] for seed in shared] for place, runs in by_place.items()},
        folders={place: [runs[seed][1] for seed in shared] for place, runs in by_place.items()},
        notes=said,
    )
