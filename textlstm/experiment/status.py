"""How far a sweep is, read from its folder alone: no driver is asked, and nothing is written."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from textlstm.experiment.failures import Failure, read_failure
from textlstm.experiment.locks import CellLocks, Holder
from textlstm.experiment.openings import count_openings
from textlstm.experiment.plan import read_plan
from textlstm.results import RESULT_FILE

_SHOWN = 12  # running and failed cells that the terminal lists


@dataclass(frozen=True)
class CellStatus:
    """Where one cell stands.

    Attributes:
        path: its folder, relative to the grid's.
        coordinates: its place in the grid; for cells that are one run, of the first of them.
        state: what came of it so far.
        work: its planned work.
        seconds: training time of a finished cell.
        holder: who runs it.
        failure: why it failed.
    """

    path: str
    coordinates: dict[str, Any]
    state: Literal["done", "running", "failed", "waiting"]
    work: float
    seconds: float | None = None
    holder: Holder | None = None
    failure: Failure | None = None


@dataclass(frozen=True)
class SweepStatus:
    """Where a sweep stands.

    Attributes:
        cells: all runs of the plan, in its order.
        remaining_minutes: until the waiting and running cells are done, by as many as run now; None where none has been
            finished to judge by.
        openings: times that the test split was scored.
    """

    cells: list[CellStatus]
    remaining_minutes: float | None
    openings: int

    def count(self, state: str) -> int:
        """Count the cells in one state."""
        return sum(cell.state == state for cell in self.cells)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: counts, the estimate, and every cell."""
        counts = {state: self.count(state) for state in ("done", "running", "failed", "waiting")}
        cells = [{key: value for key, value in asdict(cell).items() if value is not None} for cell in self.cells]
        return {
            **counts,
            "remaining_minutes": self.remaining_minutes,
            "test_openings": self.openings,
            "cells": cells,
        }


def sweep_status(folder: Path) -> SweepStatus:
    """Look how far a sweep is.

    Args:
        folder: of the grid, while it is run or after.

    Returns:
        Every cell's state and an estimate of the time left.

    Raises:
        RunFolderError: the folder has no plan, or a damaged one.
    """
    cells: dict[str, CellStatus] = {}
    for planned in read_plan(folder).cells:
        if planned.path not in cells:
            cells[planned.path] = _look(folder, planned.path, planned.coordinates, planned.work)
    found = list(cells.values())
    return SweepStatus(found, _remaining_minutes(found), count_openings(folder))


def format_status(status: SweepStatus) -> str:
    """Word a sweep's state for a terminal.

    Args:
        status: of `sweep_status`.

    Returns:
        Lines without a final newline: counts, time left, who runs what, what failed and why.
    """
    total = len(status.cells)
    parts = [f"{status.count('done')} of {total} runs done"]
    parts += [f"{count} {state}" for state in ("running", "failed", "waiting") if (count := status.count(state))]
    lines = [", ".join(parts)]
    if status.count("running") + status.count("waiting"):
        if status.remaining_minutes is None:
            lines.append("time left: not known before the first run is done")
        elif status.count("running"):
            lines.append(f"time left: about {_minutes(status.remaining_minutes)}")
        else:
            lines.append(f"nothing runs now; one worker would need about {_minutes(status.remaining_minutes)} more")
    lines.append(f"the test split was scored {status.openings} {'time' if status.openings == 1 else 'times'}")
    for state in ("running", "failed"):
        shown = [cell for cell in status.cells if cell.state == state]
        if shown:
            lines += ["", f"{state}:"]
            lines += [f"  {_line(cell)}" for cell in shown[:_SHOWN]]
            if len(shown) > _SHOWN:
                lines.append(f"  and {len(shown) - _SHOWN} more")
    return "\n".join(lines)


def _look(folder: Path, path: str, coordinates: dict[str, Any], work: float) -> CellStatus:
    """Find out one cell's state."""
    cell = folder / path
    if (seconds := _seconds(cell)) is not None:
        return CellStatus(path, coordinates, "done", work, seconds=seconds)
    if (holder := CellLocks().holder(cell)) is not None:
        return CellStatus(path, coordinates, "running", work, holder=holder)
    if (failure := read_failure(cell)) is not None:
        return CellStatus(path, coordinates, "failed", work, failure=failure)
    return CellStatus(path, coordinates, "waiting", work)


def _seconds(cell: Path) -> float | None:
    """Training time of a finished cell; None for another. A damaged result is for the next sweep to complain of."""
    try:
        return float(json.loads((cell / RESULT_FILE).read_bytes())["cost"]["train_seconds"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return 0.0


def _remaining_minutes(cells: list[CellStatus]) -> float | None:
    """What is left of the work, at the pace of what is done, shared by as many as run now; failed cells are not."""
    left = [cell for cell in cells if cell.state in ("running", "waiting")]
    if not left:
        return 0.0
    done = [(cell.seconds, cell.work) for cell in cells if cell.seconds]
    work = sum(amount for _, amount in done)
    if work <= 0:
        return None
    pace = sum(seconds for seconds, _ in done) / work
    now = datetime.now().timestamp()
    seconds = 0.0
    for cell in left:
        spent = 0.0 if cell.holder is None else max(0.0, now - cell.holder.since)
        seconds += max(0.0, pace * cell.work - spent)
    side_by_side = max(1, sum(cell.state == "running" for cell in left))
    return seconds / side_by_side / 60


def _line(cell: CellStatus) -> str:
    """One running or failed cell."""
    if cell.holder is not None:
        since = datetime.fromtimestamp(cell.holder.since).strftime("%Y-%m-%d %H:%M:%S")
        return f"{cell.path}  by process {cell.holder.pid} on {cell.holder.host} since {since}"
    assert cell.failure is not None  # noqa: S101 - one or the other
    tries = f"{cell.failure.attempts} {'try' if cell.failure.attempts == 1 else 'tries'}"
    return f"{cell.path}  {cell.failure.kind.replace('_', ' ')} after {tries}: {cell.failure.reason}"


def _minutes(minutes: float) -> str:
    """A length of time in the unit that suits it."""
    if minutes < 1.5:
        return "a minute" if minutes > 0.5 else "half a minute or less"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
