"""What a watched run leaves in its folder: reach at three moments and gradient norms by part, as one JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.analysis.diagnostics.gradients import Watched, watched_training
from textlstm.analysis.diagnostics.reach import Reach
from textlstm.errors import RunFolderError
from textlstm.recipe import Recipe
from textlstm.results import replace_file
from textlstm.training.finetuning import Trained
from textlstm.training.preparation import Prepared
from textlstm.training.watch import GradientRecord

NOTES_FILE = "gradients.json"


@dataclass(frozen=True, eq=False)
class Notes:
    """What was seen of a run.

    Attributes:
        reach: by moment: start, middle (absent where the run ended early), end.
        record: gradient norms.
        watching: share of the time of training that watching took.
    """

    reach: dict[str, Reach]
    record: GradientRecord
    watching: float


def train_watched(recipe: Recipe, prepared: Prepared, folder: Path) -> Trained:
    """Train one cell of a grid and leave its notes in the cell's folder; `TrainCell` takes this as `train_one`.

    Args:
        recipe: one cell, of one layer or more.
        prepared: its rows.
        folder: of the cell, which exists.

    Returns:
        The run with its model.
    """
    watched = watched_training(recipe, prepared=prepared)
    replace_file(folder / NOTES_FILE, json.dumps(_plain(watched)).encode())
    return watched.trained


def read_notes(folder: Path) -> Notes:
    """Read the notes of a watched run.

    Args:
        folder: of the run.

    Returns:
        Its reach and gradient norms.

    Raises:
        RunFolderError: the folder has no notes, or they cannot be read.
    """
    try:
        tree = json.loads((folder / NOTES_FILE).read_text("utf-8"))
        record = tree["record"]
        return Notes(
            reach={moment: _reach(found) for moment, found in tree["reach"].items()},
            record=GradientRecord(
                parts=tuple(record["parts"]),
                steps=np.array(record["steps"], dtype=np.int64),
                norms=np.array(record["norms"], dtype=np.float64),
                totals=np.array(record["totals"], dtype=np.float64),
                limit=float(record["limit"]),
            ),
            watching=float(tree["watching"]),
        )
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise RunFolderError(
            f"{folder} should hold {NOTES_FILE}, which a watched run leaves, and it is absent or damaged; the run was"
            " trained without being watched: move the folder away, and it is trained again."
        ) from error


def _plain(watched: Watched) -> dict[str, Any]:
    """Turn notes into lists and numbers; what is not known is null."""
    record = watched.record
    return {
        "reach": {
            moment: {
                "directions": list(reach.directions),
                "gains": _nulls(reach.gains),
                "spread": _nulls(reach.spread),
                "texts": reach.texts.tolist(),
                "fewest": reach.fewest,
                "cut": reach.cut,
            }
            for moment, reach in watched.reach.items()
        },
        "record": {
            "parts": list(record.parts),
            "steps": record.steps.tolist(),
            "norms": record.norms.round(6).tolist(),
            "totals": record.totals.round(6).tolist(),
            "limit": record.limit,
        },
        "watching": watched.watching,
    }


def _reach(tree: dict[str, Any]) -> Reach:
    """Make a map of what a file holds; null becomes NaN."""
    return Reach(
        directions=tuple(tree["directions"]),
        gains=np.array(tree["gains"], dtype=np.float64),
        spread=np.array(tree["spread"], dtype=np.float64),
        texts=np.array(tree["texts"], dtype=np.int64),
        fewest=int(tree["fewest"]),
        cut=int(tree["cut"]),
    )


def _nulls(values: np.ndarray) -> Any:  # noqa: ANN401 - nested lists
    """Nested lists with None for what is not a number, which JSON does not know."""
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
