"""Logits to probabilities to labels, in numpy alone, so that every way of running a model decides alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
"""A multi-label model gives every label whose probability is at least this."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text.

    Attributes:
        labels: the most probable label; for a multi-label model every label from probability 0.5 on, the most probable
            first, and possibly none.
        score: probability of the most probable label, given or not.
        probabilities: by label name, in the order of the model's outputs.
        truncated: whether the text was longer than the model reads, and was cut at its end.
    """

    labels: tuple[str, ...]
    score: float
    probabilities: dict[str, float]
    truncated: bool = False

    @property
    def label(self) -> str | None:
        """The first of `labels`; None when a multi-label model gives none."""
        return self.labels[0] if self.labels else None


def probabilities_from_logits(logits: NDArray[Any], *, multi_label: bool) -> NDArray[np.float32]:
    """Turn logits into probabilities: softmax over the classes, or a sigmoid for each label.

    Args:
        logits: (rows, classes).
        multi_label: whether each label is a decision of its own.

    Returns:
        (rows, classes) float32, computed in float64; NaN where a logit is not finite.
    """
    exact = np.asarray(logits, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # infinite minus infinite; the caller sees NaN
        if multi_label:
            small = np.exp(-np.abs(exact))  # never overflows
            chances = np.where(exact >= 0, 1, small) / (1 + small)
        else:
            raised = np.exp(exact - exact.max(axis=1, keepdims=True, initial=-np.inf))
            chances = raised / raised.sum(axis=1, keepdims=True)
    return np.asarray(chances, dtype=np.float32)


def decide(
    probabilities: NDArray[np.float32], label_names: Sequence[str], *, multi_label: bool, cut_rows: NDArray[np.int64]
) -> list[Prediction]:
    """Name the labels that the probabilities stand for.

    Args:
        probabilities: (rows, classes).
        label_names: names in the order of the columns.
        multi_label: whether a row may have any number of labels.
        cut_rows: numbers of the rows whose text was cut.

    Returns:
        One prediction a row; of equally probable labels the first counts.
    """
    cut = set(cut_rows.tolist())
    predictions = []
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    for row, (order, chances) in enumerate(zip(ranked.tolist(), probabilities.tolist(), strict=True)):
        given = [k for k in order if chances[k] >= THRESHOLD] if multi_label else order[:1]
        predictions.append(
            Prediction(
                labels=tuple(label_names[k] for k in given),
                score=chances[order[0]],
                probabilities=dict(zip(label_names, chances, strict=True)),
                truncated=row in cut,
            )
        )
    return predictions
