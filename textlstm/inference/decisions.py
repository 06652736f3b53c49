"""Logits to probabilities to labels, in numpy alone, so that every way of running a model decides alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import RecipeError
from textlstm.stats.scores import THRESHOLD


@dataclass(frozen=True)
class Prediction:
    """What a model says of one text.

    Attributes:
        labels: the most probable label, or none where the model was told to abstain; for a multi-label model every
            label from its threshold on (0.5 unless calibrated), the most probable first, and possibly none.
        score: probability of the most probable label, given or not.
        probabilities: by label name, in the order of the model's outputs.
        truncated: whether the text was longer than the model reads: it was cut at its end, or read in windows.
    """

    labels: tuple[str, ...]
    score: float
    probabilities: dict[str, float]
    truncated: bool = False

    @property
    def label(self) -> str | None:
        """The first of `labels`; None when there is none."""
        return self.labels[0] if self.labels else None

    def top(self, count: int) -> list[tuple[str, float]]:
        """Give the most probable labels, given or not.

        Args:
            count: how many, at most.

        Returns:
            Labels and probabilities, the most probable first; of equally probable labels the first counts.
        """
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]


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


def given_labels(
    probabilities: NDArray[np.float32],
    *,
    multi_label: bool,
    thresholds: float | NDArray[np.float32] = THRESHOLD,
    abstain_below: float = 0.0,
) -> NDArray[np.bool_]:
    """Say which labels are given; every way of predicting decides here.

    Args:
        probabilities: (rows, classes).
        multi_label: whether a row may have any number of labels.
        thresholds: for a multi-label model the probability from which a label is given, one or (classes,).
        abstain_below: for a single-label model the probability below which no label is given.

    Returns:
        (rows, classes); of equally probable labels the first counts.
    """
    if multi_label:
        return np.asarray(probabilities >= thresholds)
    first = np.zeros(probabilities.shape, dtype=bool)
    if probabilities.size:
        rows = np.arange(len(probabilities))
        best = probabilities.argmax(axis=1)
        first[rows, best] = probabilities[rows, best] >= abstain_below
    return first


def decide(
    probabilities: NDArray[np.float32],
    label_names: Sequence[str],
    *,
    multi_label: bool,
    cut_rows: NDArray[np.int64],
    thresholds: float | NDArray[np.float32] = THRESHOLD,
    abstain_below: float = 0.0,
) -> list[Prediction]:
    """Name the labels that the probabilities stand for.

    Args:
        probabilities: (rows, classes).
        label_names: names in the order of the columns.
        multi_label: whether a row may have any number of labels.
        cut_rows: numbers of the rows whose text was longer than the model reads.
        thresholds: as `given_labels` takes them.
        abstain_below: as `given_labels` takes it.

    Returns:
        One prediction a row; of equally probable labels the first counts.
    """
    cut = set(cut_rows.tolist())
    predictions = []
    given = given_labels(probabilities, multi_label=multi_label, thresholds=thresholds, abstain_below=abstain_below)
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    for row, (order, chances) in enumerate(zip(ranked.tolist(), probabilities.tolist(), strict=True)):
        predictions.append(
            Prediction(
                labels=tuple(label_names[k] for k in order if given[row, k]),
                score=chances[order[0]],
                probabilities=dict(zip(label_names, chances, strict=True)),
                truncated=row in cut,
            )
        )
    return predictions


def check_decision(multi_label: bool, *, threshold: float | None, abstain_below: float) -> None:
    """Refuse ways of deciding that are out of range or would do nothing.

    Args:
        multi_label: whether a text may get any number of labels.
        threshold: the probability from which a label is given; None where nobody asked for one.
        abstain_below: the probability below which no label is given.

    Raises:
        RecipeError: such a way.
    """
    if threshold is not None and not multi_label:
        raise RecipeError(
            "A threshold decides for each label of a multi-label model, and this model gives exactly one; use"
            " --abstain-below to leave unsure texts without a label."
        )
    if abstain_below and multi_label:
        raise RecipeError(
            "A multi-label model abstains by its thresholds; use --threshold in place of --abstain-below."
        )
    for name, value in (("threshold", threshold), ("abstain-below", abstain_below)):
        if value is not None and not 0.0 <= value <= 1.0:
            raise RecipeError(f"--{name} is a probability between 0 and 1, and {value} was found.")
