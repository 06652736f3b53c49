"""Scores of many runs on the same examples, as (seeds, examples) arrays that differences are taken of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOG_LOSS_FLOOR = float(np.finfo(np.float32).eps)
"""Smallest probability a log is taken of, as where runs are evaluated: one row costs at most 15.9 nats."""
THRESHOLD = 0.5
"""A label of multi-label data is given from this probability on."""
CALIBRATION_BINS = 15


def right_answers(probabilities: NDArray[Any], labels: NDArray[Any]) -> Bools:
    """Say which examples are answered rightly: the label of highest probability, or the whole set of labels.

    Args:
        probabilities: (..., examples, classes).
        labels: (examples,) class ids, or (examples, classes) bools for multi-label data.

    Returns:
        (..., examples).
    """
    if labels.ndim == 1:
        return np.asarray(probabilities.argmax(axis=-1) == labels)
    return np.asarray(((probabilities >= THRESHOLD) == labels.astype(bool)).all(axis=-1))


def accuracy_scores(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Mark each answer right (1) or wrong (0).

    Args:
        probabilities: (seeds, examples, classes), the rows in the same order for every seed.
        labels: (examples,) class ids, or (examples, classes) bools for multi-label data.

    Returns:
        (seeds, examples) 0 or 1; for multi-label data 1 where the whole label set is right.

    Raises:
        ValueError: shapes that do not fit each other, no rows, a class id out of range, or a probability that is not
            between 0 and 1. So for each function here.
    """
    chances, truth = _checked(probabilities, labels)
    return right_answers(chances, truth).astype(np.float64)


def log_loss_scores(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Take the negative log probability of the true class; lower is better.

    Args:
        probabilities: as in `accuracy_scores`.
        labels: as in `accuracy_scores`.

    Returns:
        (seeds, examples) nats, 0 to 15.9; for multi-label data the mean over the label decisions.
    """
    chances, truth = _checked(probabilities, labels)
    if truth.ndim == 1:
        return _surprise(chances[:, np.arange(len(truth)), truth])
    return np.asarray(_surprise(np.where(truth, chances, 1 - chances)).mean(axis=2))


def brier_scores(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Take the squared distance between the probabilities and the truth (Brier 1950, Mon. Weather Rev. 78).

    Args:
        probabilities: as in `accuracy_scores`.
        labels: as in `accuracy_scores`.

    Returns:
        (seeds, examples), lower is better: the sum over classes, 0 to 2; for multi-label data the mean over the label
        decisions, 0 to 1.
    """
    chances, truth = _checked(probabilities, labels)
    if truth.ndim == 2:
        return np.asarray(((chances - truth) ** 2).mean(axis=2))
    own = chances[:, np.arange(len(truth)), truth]
    return np.asarray((chances**2).sum(axis=2) - 2 * own + 1)


def macro_f1_scores(probabilities: ArrayLike, labels: ArrayLike) -> Floats:
    """Spread each seed's macro-F1 over the examples as jackknife pseudo-values (Tukey 1958; Efron & Stein 1981).

    Macro-F1 is no mean over examples, yet nearly one: F + (n - 1) (F - F without the example) is what the example
    brings, and the spread of these values is that of F (Miller 1974, Biometrika 61). They are shifted by the
    jackknife's estimate of bias, of order 1/n, so that their mean is the macro-F1 itself. Leaving out one example
    changes the counts of its own and its given class by one, so n leave-outs are look-ups in a table of classes.

    Args:
        probabilities: as in `accuracy_scores`.
        labels: as in `accuracy_scores`.

    Returns:
        (seeds, examples) of any sign and size; each row's mean is the macro-F1 of that seed, over the classes that the
        examples have or the model gives.

    Raises:
        ValueError: under two examples, or as in `accuracy_scores`.
    """
    chances, truth = _checked(probabilities, labels)
    seeds, n, classes = chances.shape
    if n < 2:
        raise ValueError("a macro-F1 is spread over two examples or more")
    single = truth.ndim == 1
    if single:
        winner = chances.argmax(axis=2)
        offset = np.arange(seeds)[:, None] * classes
        given = np.bincount((winner + offset).ravel(), minlength=seeds * classes).reshape(seeds, classes)
        had = np.broadcast_to(np.bincount(truth, minlength=classes), (seeds, classes))
        right = winner == truth
        hits = np.bincount((winner + offset)[right], minlength=seeds * classes).reshape(seeds, classes)
    else:
        chosen = chances >= THRESHOLD
        given, had = chosen.sum(axis=1), np.broadcast_to(truth.sum(axis=0), (seeds, classes))
        hits = (chosen & truth).sum(axis=1)

    whole, counted = _f1(hits, given + had)
    # What a class's F1, and its being counted, change by when one example is left out that ...
    both = [after - before for after, before in zip(_f1(hits - 1, given + had - 2), (whole, counted), strict=True)]
    one = [after - before for after, before in zip(_f1(hits, given + had - 1), (whole, counted), strict=True)]
    if single:
        seed = np.arange(seeds)[:, None]
        # ... is a hit of its class, or is missed by its own class and wrongly given to another.
        changes = [
            np.where(right, b[seed, truth], o[seed, truth] + o[seed, winner]) for b, o in zip(both, one, strict=True)
        ]
    else:
        hit, other = (chosen & truth).astype(np.float64), (chosen ^ truth).astype(np.float64)
        changes = [
            np.einsum("snc,sc->sn", hit, b) + np.einsum("snc,sc->sn", other, o) for b, o in zip(both, one, strict=True)
        ]
    total, classes_in = whole.sum(axis=1, keepdims=True), counted.sum(axis=1, keepdims=True)
    macro = total / np.maximum(classes_in, 1)
    without = (total + changes[0]) / np.maximum(classes_in + changes[1], 1)
    influence = (n - 1) * (macro - without)
    return np.asarray(macro + influence - influence.mean(axis=1, keepdims=True))


def debiased_calibration_errors(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = CALIBRATION_BINS) -> Floats:
    """Measure each seed's calibration error without the plain estimate's upward bias.

    The root mean squared gap between confidence and accuracy over bins of equal mass, debiased (Kumar, Liang & Ma 2019,
    NeurIPS, section 4; Bröcker 2012, Clim. Dyn. 39): the noise of a bin's accuracy p adds p (1 - p) / (rows - 1) to its
    squared gap, and as much is taken off, which leaves the mean squared gap without bias. Its sign is kept through the
    root, so that figures of calibrated models scatter around 0 and can be averaged over seeds. The usual mean absolute
    gap has no such estimate: at 300 rows a calibrated model's plain error is 7 points, and half of that stays after
    the correction for its noise. Equal confidences share a bin, and the order of rows changes nothing.

    Args:
        probabilities: as in `accuracy_scores`.
        labels: as in `accuracy_scores`; for multi-label data every label decision counts as a row, its confidence being
            max(p, 1 - p).
        bins: number of bins; a bin of one row, whose noise is unknown, adds nothing.

    Returns:
        (seeds,) shares; below 0 where the gaps are smaller than their noise.

    Raises:
        ValueError: `bins` is below one, or as in `accuracy_scores`.
    """
    if bins < 1:
        raise ValueError(f"calibration needs at least one bin, not {bins}")
    chances, truth = _checked(probabilities, labels)
    seeds = len(chances)
    if truth.ndim == 1:
        confidence, right = chances.max(axis=2), chances.argmax(axis=2) == truth
    else:
        confidence = np.maximum(chances, 1 - chances).reshape(seeds, -1)
        right = ((chances >= THRESHOLD) == truth).reshape(seeds, -1)
    order = np.argsort(confidence, axis=1)
    confidence, right = np.take_along_axis(confidence, order, 1), np.take_along_axis(right, order, 1)
    rows = confidence.shape[1]
    # A row's place is the place of the first row of equal confidence.
    new = np.diff(confidence, axis=1, prepend=-1.0) > 0
    place = np.maximum.accumulate(np.where(new, np.arange(rows), 0), axis=1)
    which = place * bins // rows + np.arange(seeds)[:, None] * bins

    def sums(values: NDArray[Any]) -> Floats:
        return (
            np.bincount(which.ravel(), weights=values.ravel(), minlength=seeds * bins)
            .reshape(seeds, bins)
            .astype(np.float64)
        )

    count = sums(np.ones_like(confidence))
    filled = np.maximum(count, 1)
    accuracy = sums(right) / filled
    squared = (accuracy - sums(confidence) / filled) ** 2 - accuracy * (1 - accuracy) / np.maximum(count - 1, 1)
    mean = (count / rows * np.where(count > 1, squared, 0)).sum(axis=1)
    return np.asarray(np.sign(mean) * np.sqrt(np.abs(mean)))


def _f1(hits: NDArray[np.int64], spent: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """F1 by class, 0 where nothing was spent, and whether the class counts; `spent` is given plus had."""
    counts = spent > 0
    f1 = np.divide(2.0 * hits, spent, out=np.zeros(spent.shape), where=counts)
    return f1, counts.astype(np.float64)


def _surprise(chances: Floats) -> Floats:
    """Negative log probability in nats, clipped; adding zero turns the -0.0 of a sure answer into 0.0."""
    return np.asarray(-np.log(np.clip(chances, LOG_LOSS_FLOOR, 1.0)) + 0.0)


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[Any]]:
    """Give probabilities as floats, and labels as ids or as bools."""
    chances, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if chances.ndim != 3 or truth.shape not in (chances.shape[1:], chances.shape[1:2]) or chances.size == 0:
        raise ValueError(
            "probabilities are (seeds, examples, classes) and labels (examples,) or (examples, classes), not"
            f" {chances.shape} and {truth.shape}"
        )
    if not ((chances >= 0) & (chances <= 1 + 1e-6)).all():  # NaN fails too
        raise ValueError("a probability lies between 0 and 1, and some here do not")
    if truth.ndim == 2:
        return chances, truth.astype(bool)
    if not ((truth >= 0) & (truth < chances.shape[2])).all():
        raise ValueError(f"a class id lies between 0 and {chances.shape[2] - 1}, and some here do not")
    return chances, truth.astype(np.int64)
