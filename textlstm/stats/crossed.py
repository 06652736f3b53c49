"""The variance of a mean over seeds and examples that are crossed: every seed scored every example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Pairing = Literal["auto", "paired", "unpaired"]

PAIRED_FROM = 0.2
"""Seed correlation from which seeds count as pairs."""
_ROUNDING = 1e-12  # spread below this share of the largest score is rounding


@dataclass(frozen=True)
class CrossedVariance:
    """The mean difference of two score arrays, with its variance; each field has the arrays' leading axes.

    Attributes:
        value: mean of b minus a over seeds and examples.
        variance: of `value`, over seeds and examples drawn anew.
        freedom: Satterthwaite's degrees of freedom of `variance`.
        seed_part: variance over examples' means of each seed, over the number of seeds.
        example_part: variance over seeds' means of each example, over the number of examples.
        residual_part: residual mean square over both numbers: what the two parts above both contain.
        correlation: of the two arrays' means a seed; 0 where one of them does not vary.
        paired: whether seeds were taken as pairs.
    """

    value: Floats
    variance: Floats
    freedom: Floats
    seed_part: Floats
    example_part: Floats
    residual_part: Floats
    correlation: Floats
    paired: NDArray[np.bool_]


def crossed_variance(a: ArrayLike, b: ArrayLike, *, pairing: Pairing = "auto") -> CrossedVariance:
    """Estimate the variance of a mean paired difference under two crossed random factors, seeds and examples.

    With D = b - a, the variance of the mean of D is that of a two-way random model without replication (Searle, Casella
    & McCulloch 1992, Variance Components, chapter 4; for classifiers: Gallas 2006, Acad. Radiol. 13):
    V = V_seed + V_example - V_residual, because each of the first two contains the residual once. V is floored at the
    larger of the first two, which no negative estimate of a component can then undercut. Degrees of freedom:
    Satterthwaite 1946, Biometrics Bull. 2, over the mean squares.

    Unpaired: the seeds of a and b are independent, so their seed and residual parts are estimated apart and added, and
    bring twice the degrees of freedom; examples stay paired. Choosing between the two forms by the data would pick the
    smaller variance too often (simulated coverage down to 92 % where seeds are independent), so "auto" takes the larger
    of the two variances whenever it does not pair; `benchmarks/interval_coverage.py` measures what comes of it.

    Args:
        a: (..., seeds, examples) scores of one model; leading axes are separate studies, worked out at once.
        b: the same of the other; the same examples, and the same seeds in the same order where they are pairs.
        pairing: "auto" pairs the seeds where the correlation of the two means a seed is at least 0.2, and there are as
            many of a as of b.

    Returns:
        The mean difference and its variance, in the scores' units.

    Raises:
        ValueError: under two seeds or examples, shapes that do not fit each other, or a score that is not finite.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    check_scores(first, second, pairing)
    if min(first.shape[-2], second.shape[-2], first.shape[-1]) < 2:
        raise ValueError("a variance needs at least two seeds and two examples")
    return _crossed_variance(first, second, pairing)


def check_scores(first: Floats, second: Floats, pairing: Pairing) -> None:
    """Refuse score arrays that cannot be compared.

    Args:
        first: (..., seeds, examples).
        second: (..., seeds, examples).
        pairing: as in `crossed_variance`.

    Raises:
        ValueError: shapes that do not fit each other, no scores, or a score that is not finite.
    """
    if (
        first.ndim < 2
        or second.ndim < 2
        or first.shape[:-2] + first.shape[-1:] != second.shape[:-2] + second.shape[-1:]
    ):
        raise ValueError(f"scores are (seeds, examples) over the same examples, not {first.shape} and {second.shape}")
    if first.size == 0 or second.size == 0:
        raise ValueError("a difference needs at least one seed and one example")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("scores are finite numbers, and some here are not; leave out a run without a score")
    if pairing == "paired" and first.shape != second.shape:
        raise ValueError(f"paired seeds are as many on both sides, not {first.shape[-2]} and {second.shape[-2]}")


@dataclass(frozen=True)
class _Table:
    """Mean squares of one two-way table."""

    rows: Floats  # (..., seeds) mean of each seed, about the mean of all
    columns: Floats  # (..., examples) mean of each example, about the mean of all
    seed_part: Floats
    residual_part: Floats

    @classmethod
    def of(cls, scores: Floats) -> _Table:
        seeds, examples = scores.shape[-2:]
        centered = scores - scores.mean(axis=(-2, -1), keepdims=True)
        rows, columns = centered.mean(axis=-1), centered.mean(axis=-2)
        # Rounding must not look like spread: it would decide the sign of a correlation.
        limit = _ROUNDING * np.abs(scores).max(axis=(-2, -1))
        rows = np.where(np.abs(rows).max(axis=-1) <= limit, 0.0, rows.T).T
        columns = np.where(np.abs(columns).max(axis=-1) <= limit, 0.0, columns.T).T
        left = (centered**2).sum(axis=(-2, -1)) - examples * _squares(rows) - seeds * _squares(columns)
        residual = np.maximum(left, 0.0) / ((seeds - 1) * (examples - 1))
        return cls(rows, columns, _squares(rows) / ((seeds - 1) * seeds), residual / (seeds * examples))


def _crossed_variance(first: Floats, second: Floats, pairing: Pairing) -> CrossedVariance:
    value = np.asarray(second.mean(axis=(-2, -1)) - first.mean(axis=(-2, -1)))
    examples = first.shape[-1]
    alike = first.shape == second.shape
    one, other = _Table.of(first), _Table.of(second)
    correlation = _correlation(one.rows, other.rows) if alike else np.zeros_like(value)
    columns = other.columns - one.columns
    example_part = _squares(columns) / ((examples - 1) * examples)
    apart = _sum_up([one, other], example_part)
    if not alike or pairing == "unpaired":
        return _put_together(value, apart, correlation, np.zeros(value.shape, dtype=bool))
    difference = _Table.of(second - first)
    together = _sum_up([difference], _squares(difference.columns) / ((examples - 1) * examples))
    paired = np.ones(value.shape, dtype=bool) if pairing == "paired" else correlation >= PAIRED_FROM - 1e-9
    chosen = _put_together(
        value, [np.where(paired, yes, no) for yes, no in zip(together, apart, strict=True)], correlation, paired
    )
    return replace(chosen, variance=np.maximum(chosen.variance, together[0])) if pairing == "auto" else chosen


def _put_together(
    value: Floats, parts: Sequence[Floats], correlation: Floats, paired: NDArray[np.bool_]
) -> CrossedVariance:
    variance, freedom, seed_part, example_part, residual_part = parts
    return CrossedVariance(value, variance, freedom, seed_part, example_part, residual_part, correlation, paired)


def _sum_up(tables: list[_Table], example_part: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Add up variance, degrees of freedom and the seed, example and residual parts."""
    examples = example_part.dtype.type(tables[0].columns.shape[-1])
    seed_part = np.sum([table.seed_part for table in tables], axis=0)
    residual_part = np.sum([table.residual_part for table in tables], axis=0)
    variance = np.maximum(seed_part + example_part - residual_part, np.maximum(seed_part, example_part))
    whole = np.where(variance > 0, variance, 1.0)  # without any spread every share is 0, and the freedom infinite
    slack = (example_part / whole) ** 2 / (examples - 1)
    for table in tables:
        seeds = table.rows.shape[-1]
        slack = slack + (table.seed_part / whole) ** 2 / (seeds - 1)
        slack = slack + (table.residual_part / whole) ** 2 / ((seeds - 1) * (examples - 1))
    seeds = min(table.rows.shape[-1] for table in tables)
    freedom = np.divide(1.0, slack, out=np.full_like(slack, seeds - 1.0), where=(variance > 0) & (slack > 0))
    return variance, freedom, seed_part, example_part, residual_part


def _correlation(one: Floats, other: Floats) -> Floats:
    """Correlate along the last axis: Pearson's coefficient, 0 where one side is constant."""
    scale = np.sqrt(_squares(one)) * np.sqrt(_squares(other))
    shared: Floats = np.einsum("...s,...s->...", one, other)
    return np.asarray(np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 0))


def _squares(values: Floats) -> Floats:
    """Sum squares along the last axis, about its mean of zero."""
    return np.asarray(np.einsum("...s,...s->...", values, values), dtype=np.float64)
