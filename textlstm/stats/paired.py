"""The difference of two models on the same examples, with an interval over seeds and examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textlstm.stats.crossed import Pairing, check_scores, crossed_variance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean score of b minus mean score of a, in the units of the scores (shares, nats).

    Attributes:
        value: the difference.
        low: lower end of its two-sided interval; -inf where one seed or one example leaves its spread unknown.
        high: upper end; inf where `low` is -inf.
        standard_error: of `value`, over seeds and examples drawn anew; inf where unknown.
        freedom: degrees of freedom of the interval's t quantile; 0 where there is no interval.
        seeds: runs a side, the smaller number where they differ; with folds, runs a fold.
        examples: texts scored; with folds, over all folds.
        seed_share: share of the variance of `value` that more seeds alone would remove; nan where unknown.
        example_share: share that more examples alone would remove; nan where unknown.
        residual_share: share that either would remove; the three add up to 1. With folds it is 0: seeds are averaged.
        seed_correlation: of the two means a seed; 0 where one side does not vary.
        paired: whether seeds were taken as pairs.
        limit: half-width of the interval left with infinitely many seeds, at most: the spread over texts still holds
            some of what seeds bring; inf where unknown.
        text_error: standard error left with infinitely many seeds, at most; inf where unknown.
        discordant: texts on which the two differ in any seed.
        folds: number of folds whose differences made the interval; 0 without cross-validation.
    """

    value: float
    low: float
    high: float
    standard_error: float
    freedom: float
    seeds: int
    examples: int
    seed_share: float
    example_share: float
    residual_share: float
    seed_correlation: float
    paired: bool
    limit: float
    text_error: float
    discordant: int
    folds: int = 0

    @property
    def p_value(self) -> float:
        """Two-sided t p-value of no difference; 1 where there is no interval."""
        if math.isinf(self.standard_error) or self.value == 0:
            return 1.0
        if self.standard_error == 0:
            return 0.0
        from scipy.special import stdtr

        return float(2 * stdtr(self.freedom, -abs(self.value) / self.standard_error))

    def bound(self, side: Literal["lower", "upper"], alpha: float) -> float:
        """Bound the true difference from one side.

        Args:
            side: which bound.
            alpha: chance of a bound on the wrong side of the truth, between 0 and one half.

        Returns:
            The t bound; -inf or inf where there is no interval.

        Raises:
            ValueError: `alpha` is out of range.
        """
        if not 0 < alpha < 0.5:
            raise ValueError(f"a bound's alpha lies between 0 and 0.5, not {alpha}")
        reach = _quantile(self.freedom, alpha) * self.standard_error if self.freedom > 0 else math.inf
        return self.value - reach if side == "lower" else self.value + reach

    def resolution(self, alpha: float) -> float:
        """Say how far a one-sided bound would lie from the value with infinitely many seeds, at most.

        Args:
            alpha: of the bound, between 0 and one half.

        Returns:
            The distance, in the scores' units; inf where it is unknown.
        """
        if math.isinf(self.text_error):
            return math.inf
        return _quantile((self.folds or self.examples) - 1, alpha) * self.text_error

    def reversed(self) -> Difference:
        """Turn the difference around: a minus b.

        Returns:
            The same with the value and the ends of the interval mirrored.
        """
        return replace(self, value=-self.value, low=-self.high, high=-self.low)


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95, pairing: Pairing = "auto") -> Difference:
    """Compare two models on the same examples, each trained with several seeds.

    Both the seeds and the examples are taken as drawn from many: the interval is for the difference that new seeds and
    new examples of the same kind would show on average, for this training pool. See `crossed_variance` for the formula
    and its sources; the half-width is Student's t quantile times the standard error.

    One seed (or one example) shows nothing of how much the next would differ, so the interval is then unbounded. Where
    no score differs at all, as for identical models, the interval is the value itself; `simultaneous_bounds` says what
    that leaves open.

    Args:
        a: (seeds, examples) scores of one model; whole numbers, shares or nats.
        b: (seeds, examples) scores of the other on the same examples.
        confidence: the interval's coverage, between 0 and 1.
        pairing: whether the seeds of the same row share their randomness; "auto" asks the data, as `crossed_variance`.

    Returns:
        The difference b - a.

    Raises:
        ValueError: arrays that do not fit each other, a score that is not finite, or a `confidence` out of range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    check_scores(first, second, pairing)
    if first.ndim != 2:
        raise ValueError(f"scores of one model are (seeds, examples), not {first.shape}")
    seeds, examples = min(len(first), len(second)), first.shape[1]
    if min(seeds, examples) < 2:
        return _unbounded(float(second.mean() - first.mean()), seeds, examples, _discordant(first, second))
    found = crossed_variance(first, second, pairing=pairing)
    value, error, freedom = float(found.value), math.sqrt(float(found.variance)), float(found.freedom)
    residual = float(found.residual_part)
    by_seed = max(0.0, float(found.seed_part) - residual)
    by_example = max(0.0, float(found.example_part) - residual)
    whole = by_seed + by_example + residual
    shares = (by_seed / whole, by_example / whole, residual / whole) if whole > 0 else (0.0, 1.0, 0.0)
    tail = (1 - confidence) / 2
    reach = _quantile(freedom, tail) * error
    return Difference(
        value=value,
        low=value - reach,
        high=value + reach,
        standard_error=error,
        freedom=freedom,
        seeds=seeds,
        examples=examples,
        seed_share=shares[0],
        example_share=shares[1],
        residual_share=shares[2],
        seed_correlation=float(found.correlation),
        paired=bool(found.paired),
        limit=_quantile(examples - 1, tail) * math.sqrt(float(found.example_part)),
        text_error=math.sqrt(float(found.example_part)),
        discordant=_discordant(first, second),
    )


def fold_difference(
    a_by_fold: Sequence[ArrayLike],
    b_by_fold: Sequence[ArrayLike],
    *,
    confidence: float = 0.95,
    train_rows: float | None = None,
) -> Difference:
    """Compare two models under cross-validation, by the corrected resampled t test.

    Seeds are averaged inside each fold. The folds' training sets overlap, so the variance of the folds' differences is
    multiplied by 1 / J + n_test / n_train in place of 1 / J (Nadeau & Bengio 2003, Machine Learning 52), with J folds
    and J - 1 degrees of freedom.

    Args:
        a_by_fold: one (seeds, examples) array a fold; at least two folds.
        b_by_fold: the same of the other model, on the same folds.
        confidence: the interval's coverage, between 0 and 1.
        train_rows: labeled rows that a fold trained on, validation included; by default the rows of all other folds.

    Returns:
        The difference b - a, each fold counting alike. `seed_share` is what seeds bring to the folds' differences.

    Raises:
        ValueError: under two folds, unequal numbers of folds, arrays that do not fit each other, a score that is not
            finite, a `confidence` out of range, or `train_rows` that are not positive.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
    firsts = [np.asarray(fold, dtype=np.float64) for fold in a_by_fold]
    seconds = [np.asarray(fold, dtype=np.float64) for fold in b_by_fold]
    if len(firsts) != len(seconds) or len(firsts) < 2:
        raise ValueError(f"cross-validation has two folds or more on both sides, not {len(firsts)} and {len(seconds)}")
    for first, second in zip(firsts, seconds, strict=True):
        check_scores(first, second, "paired")
    folds, examples = len(firsts), sum(fold.shape[1] for fold in firsts)
    test_rows = examples / folds
    if train_rows is None:
        train_rows = examples - test_rows
    if not train_rows > 0:
        raise ValueError(f"a fold trains on at least one row, not {train_rows}")
    by_seed = [second.mean(axis=1) - first.mean(axis=1) for first, second in zip(firsts, seconds, strict=True)]
    differences = np.array([means.mean() for means in by_seed])
    seeds = min(map(len, by_seed))
    value, spread = float(differences.mean()), float(differences.var(ddof=1))
    error = math.sqrt(spread * (1 / folds + test_rows / train_rows))
    seed_share = math.nan  # one seed does not tell
    if seeds > 1:
        within = float(np.mean([means.var(ddof=1) / len(means) for means in by_seed]))
        seed_share = min(1.0, within / spread) if spread > 0 else 0.0
    reach = _quantile(folds - 1, (1 - confidence) / 2) * error
    # A seed part as large as the whole is an estimate from few seeds, and no proof that texts bring nothing.
    by_text = math.sqrt(1 - seed_share) if seed_share < 1 else 1.0
    left = [np.concatenate([fold.mean(axis=1) - fold.mean() for fold in side]) for side in (firsts, seconds)]
    scale = float(np.linalg.norm(left[0]) * np.linalg.norm(left[1]))
    return Difference(
        value=value,
        low=value - reach,
        high=value + reach,
        standard_error=error,
        freedom=folds - 1.0,
        seeds=seeds,
        examples=examples,
        seed_share=seed_share,
        example_share=1 - seed_share,
        residual_share=0.0,
        seed_correlation=float(left[0] @ left[1]) / scale if scale > 1e-24 else 0.0,
        paired=True,
        limit=math.inf if math.isnan(seed_share) else reach * by_text,
        text_error=math.inf if math.isnan(seed_share) else error * by_text,
        discordant=sum(_discordant(first, second) for first, second in zip(firsts, seconds, strict=True)),
        folds=folds,
    )


def _discordant(first: Floats, second: Floats) -> int:
    """Count the examples on which two models differ; without pairs of seeds, on which any two runs do."""
    if first.shape == second.shape:
        return int((first != second).any(axis=0).sum())
    runs = np.concatenate([first, second])
    return int((runs != runs[0]).any(axis=0).sum())


def _unbounded(value: float, seeds: int, examples: int, discordant: int) -> Difference:
    unknown = math.nan
    return Difference(
        value=value,
        low=-math.inf,
        high=math.inf,
        standard_error=math.inf,
        freedom=0.0,
        seeds=seeds,
        examples=examples,
        seed_share=unknown,
        example_share=unknown,
        residual_share=unknown,
        seed_correlation=0.0,
        paired=False,
        limit=math.inf,
        text_error=math.inf,
        discordant=discordant,
    )


def _quantile(freedom: float, alpha: float) -> float:
    return float(quantiles(np.asarray(freedom, dtype=np.float64), alpha))


def quantiles(freedom: Floats, alpha: float) -> Floats:
    """Find upper quantiles of Student's t.

    Args:
        freedom: degrees of freedom; inf is the normal distribution's.
        alpha: chance beyond the quantile.

    Returns:
        As many quantiles.
    """
    from scipy.special import stdtrit

    # scipy's stdtrit loses digits far above this, where t and normal agree to seven.
    return np.asarray(stdtrit(np.minimum(freedom, 1e7), 1 - alpha))
