"""What leaving unsure texts without a label would give: how many are still labeled, and how often that is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Coverage:
    """One point of the curve (risk and coverage, El-Yaniv & Wiener 2010).

    Attributes:
        abstain_below: texts whose most probable label has less probability than this get none.
        coverage: share of the texts that still get a label.
        answered: how many these are.
        accuracy: share of them whose label is right; None where none is left.
        low: where the 95 % interval of the accuracy begins (Wilson).
        high: where it ends.
    """

    abstain_below: float
    coverage: float
    answered: int
    accuracy: float | None
    low: float | None
    high: float | None


def coverage_curve(
    probabilities: NDArray[Any], labels: NDArray[Any], *, thresholds: Sequence[float] = THRESHOLDS
) -> list[Coverage]:
    """Work out accuracy and coverage for thresholds of `--abstain-below`.

    Args:
        probabilities: (rows, classes) of a model that gives one label a text.
        labels: (rows,) class ids.
        thresholds: of the probability.

    Returns:
        One point a threshold.
    """
    from textlstm.stats.intervals import wilson_interval

    best, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    points = []
    for threshold in thresholds:
        given = sure >= np.float32(threshold)
        answered, right = int(given.sum()), int((best[given] == labels[given]).sum())
        share = wilson_interval(right, answered) if answered else None
        points.append(
            Coverage(
                abstain_below=threshold,
                coverage=answered / max(1, len(labels)),
                answered=answered,
                accuracy=None if share is None else share.value,
                low=None if share is None else share.low,
                high=None if share is None else share.high,
            )
        )
    return points


def format_coverage(curve: Sequence[Coverage]) -> str:
    """Show a curve as a table.

    Args:
        curve: of `coverage_curve`.

    Returns:
        A line a point.
    """
    lines = ["--abstain-below   texts labeled   accuracy among them (95 % interval)"]
    for point in curve:
        right = "-"
        if point.accuracy is not None and point.low is not None and point.high is not None:
            right = f"{100 * point.accuracy:5.1f} % ({100 * point.low:.1f} to {100 * point.high:.1f})"
        lines.append(f"{point.abstain_below:15.2f}   {100 * point.coverage:11.1f} %   {right}")
    return "\n".join(lines)
