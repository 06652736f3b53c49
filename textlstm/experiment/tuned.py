"""The outcome of the search of the `tuned` control: the best trial at each place, written down once.

    runs/sst2/tuned.json    {"version": 1, "trials": {"control='tuned', layers=2, size='full'": 5}}

A trial that failed may be finished by a later sweep, and could then be the better one; but the runs with the chosen
settings are there by then, so a choice that was made stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError
from textlstm.experiment.grid import Cell, place_key
from textlstm.results import Run

TUNED_FILE = "tuned.json"


class _Choice(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    trials: dict[str, NonNegativeInt]


def chosen_trials(folder: Path, trials: Sequence[Run], *, needed: int = 1) -> dict[str, int]:
    """Tell which trial is the chosen one at each place.

    Args:
        folder: of the grid; a choice that is written there holds.
        trials: finished runs of trial cells, in the order of the plan.
        needed: finished trials that a place must have for a new choice; the number of all of them while the search may
            still go on.

    Returns:
        Number of the trial by `grid.place_key`.

    Raises:
        RunFolderError: the file is damaged.
    """
    by_place: dict[str, list[Run]] = {}
    for run in trials:
        by_place.setdefault(_place(run.cell), []).append(run)
    new = {place: max(runs, key=_figure) for place, runs in by_place.items() if len(runs) >= needed}
    return {**{place: int(run.cell["trial"]) for place, run in new.items()}, **_read(folder)}


def keep_choice(folder: Path, chosen: dict[str, int]) -> None:
    """Write a choice down.

    Args:
        folder: of the grid, which exists.
        chosen: of `chosen_trials`, so that what was written before is in it.
    """
    if chosen != _read(folder):
        replace_file(folder / TUNED_FILE, _Choice(trials=chosen).model_dump_json(indent=1).encode())


def searched_place(trial: Cell) -> str:
    """Name the place that a trial is for, as `chosen_trials` does.

    Args:
        trial: a cell of the search.

    Returns:
        Its `grid.place_key`.
    """
    return _place(trial.coordinates)


def _place(coordinates: Mapping[str, Any]) -> str:
    return place_key({key: value for key, value in coordinates.items() if key not in ("seed", "trial")})


def _read(folder: Path) -> dict[str, int]:
    path = folder / TUNED_FILE
    try:
        return _Choice.model_validate_json(path.read_text("utf-8")).trials
    except FileNotFoundError:
        return {}
    except (ValidationError, UnicodeDecodeError):
        raise RunFolderError(
            f"{path} should hold the choice of a search and does not; it was damaged or written by another version:"
            " restore it, or move it and the runs below control=tuned away."
        ) from None


def _figure(run: Run) -> float:
    """The validation figure that a trial is judged by, the larger the better; of equals `max` takes the first."""
    metrics = run.metrics["validation"]
    choose_by = run.settings["training"]["choose_by"]
    return -metrics.log_loss.value if choose_by == "log_loss" else float(getattr(metrics, choose_by).value)
