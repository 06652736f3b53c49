"""What a watched run leaves in its folder: reach at three moments and gradient norms by part, as one JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.analysis.diagnostics.gradients import reach_watch, watched_training
from textlstm.analysis.diagnostics.reach import Reach
from textlstm.atomic_files import replace_file
from textlstm.errors import RecipeError, RunFolderError
from textlstm.recipe import Recipe
from textlstm.results import Run
from textlstm.text.datasets import TextData
from textlstm.training.finetuning import Listener, finetune
from textlstm.training.preparation import Prepared
from textlstm.training.trained import Trained
from textlstm.training.watch import GradientRecord, Moment, TrainingWatch

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
    plain = _plain(watched.reach, watched.record, watched.watching)
    replace_file(folder / NOTES_FILE, json.dumps(plain).encode())
    return watched.trained


def finetune_watched(
    recipe: Recipe, data: TextData, *, out: Path, listener: Listener | None = None
) -> tuple[Run, float]:
    """Train one classifier and save it with its notes: `finetuning.finetune`, watched.

    Args:
        recipe: one run, of one layer or more.
        data: loaded from it.
        out: folder for model, run and `gradients.json`. A run that was interrupted is watched from where it goes on.
        listener: called after every update, and at the end.

    Returns:
        The run, and the share of the time of training that watching took.

    Raises:
        RecipeError: the stack has no layers, so that there is nothing to watch.
    """
    if recipe.model.num_layers < 1:
        raise RecipeError(
            "Watching looks at the gradients of LSTM layers, and model.num_layers is 0; leave --watch out, or train one"
            " layer or more."
        )
    made: list[TrainingWatch[Reach]] = []

    def make(prepared: Prepared) -> TrainingWatch[Reach]:
        made.append(reach_watch(recipe, prepared, bounded=True))
        return made[0]

    run = finetune(recipe, data, out=out, listener=listener, watch=make)
    (watch,) = made
    share = watch.seconds / max(run.cost.train_seconds, 1e-9)
    if os.environ.get("RANK", "0") == "0":  # of several processes that train one model together, one writes
        replace_file(out / NOTES_FILE, json.dumps(_plain(watch.seen, watch.record, share)).encode())
    return run, share


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


def _plain(seen: Mapping[Moment, Reach], record: GradientRecord, watching: float) -> dict[str, Any]:
    """Turn notes into lists and numbers; what is not known is null."""
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
            for moment, reach in seen.items()
        },
        "record": {
            "parts": list(record.parts),
            "steps": record.steps.tolist(),
            "norms": record.norms.round(6).tolist(),
            "totals": record.totals.round(6).tolist(),
            "limit": record.limit,
        },
        "watching": watching,
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
