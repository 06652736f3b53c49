"""Means over seeds with intervals over seeds and texts, for every depth, size and control, and for the baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.reading import Group
from textlstm.analysis.summary import CellSummary
from textlstm.analysis.summary_beside import CalibrationSummary
from textlstm.experiment.controls import width_words
from textlstm.recipe import validate
from textlstm.results import Estimate, Run
from textlstm.stats.paired import fold_difference, paired_difference
from textlstm.stats.scores import (
    THRESHOLD,
    accuracy_scores,
    brier_scores,
    debiased_calibration_errors,
    log_loss_scores,
    macro_f1_scores,
)

Floats = NDArray[np.float64]

MEASURES = {
    "accuracy": accuracy_scores,
    "log_loss": log_loss_scores,
    "macro_f1": macro_f1_scores,
    "brier": brier_scores,
}
"""Scores whose mean over texts is the figure, each from (seeds, n, classes) probabilities and labels to (seeds, n)."""
LEARNED = 0.9
"""A run has learned when its log loss on the training rows is under this share of that of naming class frequencies."""


def measure(group: Group, name: str) -> list[Floats]:
    """Score every test text of a group.

    Args:
        group: finished runs.
        name: a key of `MEASURES`.

    Returns:
        By fold, (seeds, n) scores.
    """
    if name not in group.measured:  # every pair of depths asks again
        group.measured[name] = [MEASURES[name](fold.probabilities, fold.labels) for fold in group.folds]
    return group.measured[name]


def summarize_group(group: Group) -> CellSummary:
    """Average one depth at one size.

    Args:
        group: its finished runs.

    Returns:
        Means with their intervals.
    """
    runs = group.all_runs
    scores = {name: measure(group, name) for name in MEASURES}
    figures = {name: mean_estimate(by_fold, share=name != "log_loss") for name, by_fold in scores.items()}
    ece = [debiased_calibration_errors(fold.probabilities, fold.labels) for fold in group.folds]
    recipe = validate(runs[0].settings, origin="a run")

    def mean_of(values: Sequence[float]) -> float:
        return float(np.mean(values))

    return CellSummary(
        setting=group.setting,
        layers=group.layers,
        size=group.size,
        labels=group.labels,
        seeds=len(group.seeds),
        accuracy=figures["accuracy"],
        macro_f1=figures["macro_f1"],
        log_loss=figures["log_loss"],
        ece=mean_of([float(value.mean()) for value in ece]),
        brier=figures["brier"].value,
        by_seed=seed_means(scores["accuracy"]).tolist(),
        seed_numbers=group.seeds,
        train_accuracy=mean_of([run.metrics["train"].accuracy.value for run in runs]),
        train_log_loss=mean_of([run.metrics["train"].log_loss.value for run in runs]),
        widths=width_words(recipe),
        parameters=round(mean_of([run.cost.parameters for run in runs])),
        parameters_without_embeddings=round(mean_of([run.cost.parameters_without_embeddings for run in runs])),
        flops_per_token=round(mean_of([run.cost.flops_per_token for run in runs])),
        train_seconds=mean_of([run.cost.train_seconds for run in runs]),
        tokens_per_second=mean_of([run.cost.tokens_per_second for run in runs]),
        peak_memory_mb=mean_of([run.cost.peak_memory_mb for run in runs]),
        converged=mean_of([has_learned(run) for run in runs]),
        capped=mean_of([hit_cap(run) for run in runs]),
    )


def seed_means(by_fold: Sequence[Floats]) -> Floats:
    """Mean score of each seed over all texts, folds pooled by their number of texts: (seeds,)."""
    texts = sum(scores.shape[1] for scores in by_fold)
    return np.asarray(sum(scores.sum(axis=1) for scores in by_fold) / texts, dtype=np.float64)


def mean_estimate(by_fold: Sequence[Floats], *, share: bool = True) -> Estimate:
    """Take the mean of scores with its interval over seeds and texts.

    Args:
        by_fold: (seeds, n) scores by fold; the folds of a cross-validation count alike.
        share: whether the figure lies between 0 and 1, where the interval then ends.

    Returns:
        No interval under three seeds without folds: two say too little of their own spread.
    """
    if len(by_fold) > 1:
        found = fold_difference([np.zeros_like(scores) for scores in by_fold], by_fold)
    elif len(by_fold[0]) < 3 or by_fold[0].shape[1] < 2:
        return Estimate(value=float(by_fold[0].mean()))
    else:  # a mean is the gain over a score of nothing at all
        found = paired_difference(np.zeros_like(by_fold[0]), by_fold[0], pairing="paired")
    if not share:
        return Estimate(value=found.value, low=found.low, high=found.high)
    return Estimate(value=found.value, low=max(0.0, found.low), high=min(1.0, found.high))


def has_learned(run: Run) -> bool:
    """Whether a run fits its own training rows clearly better than the classes' frequencies do.

    Args:
        run: one finished run.

    Returns:
        False for a collapsed run. For multi-label data the frequencies are those of each label's yes and no.
    """
    train = run.metrics["train"]
    shares = np.array([label.rows for label in train.per_class], dtype=np.float64) / train.rows
    if run.data.multi_label:
        pairs = np.stack([shares, 1 - shares])
        entropy = -float(np.sum(pairs * np.log(np.where(pairs > 0, pairs, 1.0)), axis=0).mean())
    else:
        entropy = -float(np.sum(shares * np.log(np.where(shares > 0, shares, 1.0))))
    return train.log_loss.value < LEARNED * entropy


def hit_cap(run: Run) -> bool:
    """Whether the best epoch was the last one planned, so that more of them might have been better.

    Args:
        run: one finished run.

    Returns:
        Always False where a fixed number of updates is the protocol (no validation rows).
    """
    if "validation" not in run.metrics or run.stopped_early:
        return False
    return math.isclose(run.best_epoch, run.history[-1].epoch)


def calibration_of(group: Group, *, bins: int = 10) -> CalibrationSummary:
    """Set confidence against accuracy, all seeds together.

    Args:
        group: finished runs of one depth.
        bins: of equal numbers of predictions.

    Returns:
        For single-label data the confidence is that of the named class; for multi-label that of each label.
    """
    confidence: list[Floats] = []
    right: list[Floats] = []
    for fold in group.folds:
        if fold.labels.ndim == 2:
            chosen = fold.probabilities >= THRESHOLD
            confidence.append(np.where(chosen, fold.probabilities, 1 - fold.probabilities).ravel())
            right.append((chosen == fold.labels).ravel().astype(np.float64))
        else:
            confidence.append(fold.probabilities.max(axis=2).ravel())
            right.append((fold.probabilities.argmax(axis=2) == fold.labels).ravel().astype(np.float64))
    sure, hits = np.concatenate(confidence), np.concatenate(right)
    order = np.argsort(sure, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    means = [float(sure[part].mean()) for part in parts]
    shares = [float(hits[part].mean()) for part in parts]
    rows = [len(part) for part in parts]
    errors = [debiased_calibration_errors(fold.probabilities, fold.labels).mean() for fold in group.folds]
    return CalibrationSummary(
        setting=group.setting,
        layers=group.layers,
        confidence=means,
        accuracy=shares,
        rows=rows,
        ece=float(np.mean(errors)),
    )
