"""How often a grid has looked at its test split: one line for every run that set out to be scored on it.

Each look is a chance to choose by test, so the number stands below every table. The line is written before the run
begins, so that one that is cut off counts too, and counts again when it is done again; only of runs on other machines
nothing is known before they come back.

    runs/sst2/test_openings.jsonl    {"what": "layers=2/size=500/seed=3"}
"""

from __future__ import annotations

import json
import os
from pathlib import Path

OPENINGS_FILE = "test_openings.jsonl"


def note_opening(folder: Path, *, what: str) -> None:
    """Record that a test split is about to be scored.

    Args:
        folder: of the grid; made when absent.
        what: names the model that is scored, such as its folder relative to the grid's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"what": what}, ensure_ascii=False).encode() + b"\n"
    # One write to a file that is opened for appending: lines of several processes do not mix.
    handle = os.open(folder / OPENINGS_FILE, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def count_openings(folder: Path) -> int:
    """Count how often the test split was scored.

    Args:
        folder: of the grid.

    Returns:
        The number of lines; 0 where nothing was scored yet.
    """
    path = folder / OPENINGS_FILE
    return path.read_bytes().count(b"\n") if path.exists() else 0
