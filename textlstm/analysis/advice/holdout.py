"""Which rows a run has kept out, and which of them it got right; what the seeds' rows have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textlstm.results import probability_array, read_predictions
from textlstm.stats.scores import right_answers
from textlstm.stats.sequential import measured_overlap

Hits = tuple[NDArray[np.int64], NDArray[np.float64]]
"""(rows,) row numbers, rising, and (rows,) 1.0 where a run is right."""


def holdout_hits(folder: Path) -> Hits:
    """Read which hold-out rows a run classified rightly.

    Args:
        folder: of a run.

    Returns:
        (rows,) row numbers, rising, and (rows,) 1.0 where the label, or the whole set of labels, is right.
    """
    table = read_predictions(folder, "holdout")
    rows = table["row"].to_numpy()
    right = right_answers(probability_array(table), np.array(table["label"].to_pylist()))
    order = np.argsort(rows)
    return rows[order], right[order].astype(np.float64)


def shared_overlap(pairs: Sequence[tuple[Hits, Hits]], *, cap: float) -> float:
    """Measure what the seeds' held-out rows have in common, for one depth against another.

    Args:
        pairs: of each seed, the hits of the shallower and of the deeper stack on the same rows.
        cap: the most that it can be; taken as it is where fewer than two seeds are there.

    Returns:
        The overlap, as `sequential.measured_overlap` defines it.
    """
    if len(pairs) < 2:
        return cap
    texts = np.unique(np.concatenate([rows for (rows, _), _ in pairs]))
    differences = np.full((len(pairs), len(texts)), np.nan)
    for number, ((rows, base), (_, own)) in enumerate(pairs):
        differences[number, np.searchsorted(texts, rows)] = own - base
    return measured_overlap(differences, cap=cap)
