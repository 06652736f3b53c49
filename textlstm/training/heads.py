"""A logistic regression on an encoder's vectors: the head of a teacher, fitted on the training rows.

On the rows that it was fitted on, a head is surer than on others. What it says of those rows, and of copies of them,
therefore comes from heads that were fitted without the row's fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.text.splits import stratified_order

Floats = NDArray[np.float32]
Fit = Callable[[NDArray[Any]], NDArray[np.float64]]

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Values of C to choose from; vectors have length 1, so that large ones are not out of range."""

FOLDS = 5
_LEAST = 1e-6
_MOST_STEPS = 1000


@dataclass(frozen=True, eq=False)
class Head:
    """A fitted head.

    Attributes:
        strength: the chosen C.
        folds: parts of the rows.
        fold_of: (rows,) the part of each training row.
        whole: fitted on all rows.
        without: fitted without each part.
    """

    strength: float
    folds: int
    fold_of: NDArray[np.int64]
    whole: Fit
    without: list[Fit]

    def logits(self, vectors: Floats, owners: NDArray[np.int64]) -> Floats:
        """Score vectors.

        Args:
            vectors: (texts, width).
            owners: (texts,) position of the training row that a text is, or is a copy of; -1 for others.

        Returns:
            (texts, classes) logits: logarithms of probabilities, or log odds where a row may have several labels.
        """
        unit = _unit(vectors)
        scores = self.whole(unit)
        fold = np.where(owners >= 0, self.fold_of[np.maximum(owners, 0)], -1)
        for part in range(self.folds):
            own = np.flatnonzero(fold == part)
            if len(own):
                scores[own] = self.without[part](unit[own])
        return np.asarray(scores, dtype=np.float32)


def fit_head(vectors: Floats, labels: NDArray[Any], *, classes: int) -> Head:
    """Fit a head, its C chosen by the log loss of rows on heads that were fitted without them.

    Args:
        vectors: (rows, width), at least two rows.
        labels: (rows,) class numbers, or (rows, classes) bool.
        classes: number of classes.

    Returns:
        The head.
    """
    unit = _unit(vectors)
    rows = len(unit)
    folds = min(FOLDS, rows)
    fold_of = np.empty(rows, dtype=np.int64)
    fold_of[stratified_order(labels, rows=rows, seed=0)] = np.arange(rows) % folds
    best: tuple[float, float, list[Fit]] | None = None
    for strength in STRENGTHS:
        fits = [_fit(unit[fold_of != part], labels[fold_of != part], classes, strength) for part in range(folds)]
        loss = sum(_loss(fits[part](unit[fold_of == part]), labels[fold_of == part]) for part in range(folds))
        if best is None or loss < best[0]:
            best = loss, strength, fits
    assert best is not None  # noqa: S101 - there are strengths
    return Head(best[1], folds, fold_of, _fit(unit, labels, classes, best[1]), best[2])


def _unit(vectors: Floats) -> NDArray[np.float64]:
    """Bring vectors to length 1."""
    wide = vectors.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12))


def _fit(unit: NDArray[np.float64], labels: NDArray[Any], classes: int, strength: float) -> Fit:
    """Fit one label a row, or one regression for each of several labels."""
    if labels.ndim == 1:
        chances = _logistic(unit, labels, strength)
        present = np.unique(labels)

        def single(new: NDArray[Any]) -> NDArray[np.float64]:
            scores = np.full((len(new), classes), _LEAST)
            scores[:, present] = np.maximum(chances(new), _LEAST)
            return np.asarray(np.log(scores / scores.sum(axis=1, keepdims=True)))

        return single
    columns = [_logistic(unit, labels[:, label].astype(np.int64), strength) for label in range(classes)]
    shares = labels.mean(axis=0)

    def several(new: NDArray[Any]) -> NDArray[np.float64]:
        # A label that all rows have, or none, has one column: that of the only class seen.
        yes = [
            chances(new)[:, 1] if 0 < share < 1 else np.full(len(new), share)
            for chances, share in zip(columns, shares.tolist(), strict=True)
        ]
        clipped = np.clip(np.stack(yes, axis=1), _LEAST, 1 - _LEAST)
        return np.asarray(np.log(clipped) - np.log1p(-clipped))

    return several


def _logistic(unit: NDArray[np.float64], labels: NDArray[Any], strength: float) -> Fit:
    """Fit a regression; with one class alone, its probability is 1."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        return lambda new: np.ones((len(new), 1))
    model = LogisticRegression(C=strength, max_iter=_MOST_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # separable rows under a weak penalty settle slowly
        model.fit(unit, labels)
    return lambda new: np.asarray(model.predict_proba(new), dtype=np.float64)


def _loss(logits: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Sum of the negative log probabilities of the labels."""
    if labels.ndim == 1:
        return float(-logits[np.arange(len(labels)), labels].sum())
    signs = np.where(labels, 1.0, -1.0)
    return float(np.logaddexp(0, -signs * logits).sum())
