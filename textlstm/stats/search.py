"""The best score that a random search of k trials is expected to find, as a function of k or of its compute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import RunFolderError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SearchCurve:
    """The expected score of the best of k random trials.

    Attributes:
        name: whose search it is, such as "2 layers".
        trials: number of trials run.
        budgets: k = 1 to `trials`.
        compute: mean compute of k trials, in the unit of the costs; None where no costs were given.
        best: expected validation score of the best of k.
        low: lower end of its band; None beyond half of the trials, where resampling says nothing about a maximum.
        high: upper end of its band, None likewise.
        confidence: pointwise coverage aimed at.
    """

    name: str
    trials: int
    budgets: list[int]
    compute: list[float] | None
    best: list[float]
    low: list[float | None]
    high: list[float | None]
    confidence: float


def expected_best(values: Floats) -> Floats:
    """Average the best of k trials over all subsets of size k, for every k: an unbiased estimate.

    The i-th smallest of n values is the largest of C(i-1, k-1) of the C(n, k) subsets (Tang et al. 2020, ACL, arXiv
    2004.13705). The plug-in estimate of Dodge et al. 2019 (arXiv 1909.03004) draws with replacement, and is too low.

    Args:
        values: (trials,) validation scores of independent random trials; higher is better.

    Returns:
        (trials,) expected best of 1, 2, ... trials; non-decreasing.

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    _check(values)
    return np.asarray(_weights(values.size) @ np.sort(values), dtype=np.float64)


def expected_chosen(validation: Floats, scores: Floats) -> Floats:
    """Average what the configuration scores that is chosen from k trials, over all subsets of size k, for every k.

    Chosen is the trial with the best validation score; what it scores elsewhere, on test, is averaged with the weights
    of `expected_best` (Tang et al. 2020, ACL, arXiv 2004.13705). Unlike that, it need not rise with k.

    Args:
        validation: (..., trials) figures that trials are chosen by; higher is better, and of equals a later one wins.
        scores: (..., trials) what the same trials score.

    Returns:
        (..., trials) expected score of the one that is chosen from 1, 2, ... trials.

    Raises:
        ValueError: shapes differ, there are no trials, or a figure is not finite.
    """
    if validation.shape != scores.shape or not (np.isfinite(validation).all() and np.isfinite(scores).all()):
        raise ValueError("validation and scores are one finite figure a trial each")
    if validation.ndim == 0 or validation.shape[-1] == 0:
        raise ValueError("a search has one trial or more")
    order = np.argsort(validation, axis=-1, kind="stable")
    weights = _weights(validation.shape[-1])
    return np.asarray(np.take_along_axis(scores, order, axis=-1) @ weights.T, dtype=np.float64)


def search_curve(
    validation: Floats,
    *,
    name: str,
    sampler: str,
    costs: Floats | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> SearchCurve:
    """Estimate what a random search finds by budget, with a bootstrap band over trials for the drawing.

    A trial that failed belongs in the search: give it the score of chance, and its cost. The band draws trials with
    replacement and takes percentiles (Efron & Tibshirani 1993, chapter 13); from few trials it is too narrow, and
    nothing is to be decided by it.

    Args:
        validation: (trials,) validation scores of independent random trials; higher is better.
        name: whose search it is.
        sampler: how the trials were drawn; only "random" will do, since a sampler that learns from earlier trials
            makes the later ones better than a fresh search of that size would be.
        costs: (trials,) compute of each trial, in seconds or operations; k trials cost k times the mean.
        confidence: pointwise coverage aimed at, between 0 and 1.
        resamples: number of draws.
        seed: of the draws.

    Returns:
        The curve for 1, 2, ... trials.

    Raises:
        RunFolderError: the trials are not of a random search.
        ValueError: a score or cost is missing or not finite, lengths differ, or a cost is below 0.
    """
    if sampler != "random":
        raise RunFolderError(
            "The expected best score by search budget was asked for, which needs trials of a random search; these were "
            f"drawn by {sampler!r}, whose later trials build on the earlier ones. Search again with sampler 'random'."
        )
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
    best = expected_best(validation)
    trials = validation.size
    drawn = np.random.default_rng(seed).integers(0, trials, size=(resamples, trials))
    weights = _weights(trials)
    low, high = _band(np.sort(validation[drawn], axis=1) @ weights.T, confidence)
    return SearchCurve(
        name=name,
        trials=trials,
        budgets=list(range(1, trials + 1)),
        compute=None if costs is None else _compute(costs, trials),
        best=best.tolist(),
        low=low,
        high=high,
        confidence=confidence,
    )


def _weights(trials: int) -> Floats:
    """C(i-1, k-1) / C(n, k) in row k, column i; each from its right-hand neighbor, so no factorial grows large."""
    size = np.arange(1, trials + 1)
    # Column n holds k / n; going left, column i is column i+1 times (i + 1 - k) / i.
    ratio = np.clip(size[:-1] + 1 - size[:, None], 0, None) / size[:-1]
    steps = np.concatenate([ratio, size[:, None] / trials], axis=1)
    return np.asarray(np.cumprod(steps[:, ::-1], axis=1)[:, ::-1], dtype=np.float64)


def _band(resampled: Floats, confidence: float) -> tuple[list[float | None], list[float | None]]:
    trials = resampled.shape[1]
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    shown = trials // 2
    blank: list[float | None] = [None] * (trials - shown)
    return [*low[:shown].tolist(), *blank], [*high[:shown].tolist(), *blank]


def _compute(costs: Floats, trials: int) -> list[float]:
    if costs.shape != (trials,) or not np.isfinite(costs).all() or (costs < 0).any():
        raise ValueError(f"costs are {trials} figures of 0 or more, one a trial")
    return [float(k * costs.mean()) for k in range(1, trials + 1)]


def _check(values: Floats) -> None:
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError("scores are one finite figure a trial; a trial that failed counts with the score of chance")
