"""Many comparisons at once: bounds for depths against the best, and Holm's adjustment for everything else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textlstm.stats.paired import Difference, fold_difference, paired_difference

Scores = NDArray[np.generic] | Sequence[ArrayLike]
"""One depth: (seeds, examples), or under cross-validation a list with one such array a fold."""
Pair = tuple[int, int]
"""(j, k) stands for the score of depth k minus the score of depth j."""


class Bounds(NamedTuple):
    """A lower and an upper bound of a difference."""

    low: float
    high: float


def pairwise_differences(scores: Mapping[int, Scores], *, train_rows: float | None = None) -> dict[Pair, Difference]:
    """Compare every depth with every other.

    Args:
        scores: by depth, (seeds, examples), or a list (or tuple) of such arrays, one a fold.
        train_rows: with folds, the labeled rows a fold trained on; see `fold_difference`.

    Returns:
        The difference of each ordered pair; (k, j) is (j, k) mirrored.

    Raises:
        ValueError: under two depths, or scores that cannot be compared.
    """
    depths = sorted(scores)
    if len(depths) < 2:
        raise ValueError(f"a comparison needs two depths or more, not {len(depths)}")
    found: dict[Pair, Difference] = {}
    for place, j in enumerate(depths):
        for k in depths[place + 1 :]:
            first, second = scores[j], scores[k]
            if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
                found[j, k] = paired_difference(first, second)
            elif isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
                raise ValueError(f"depths {j} and {k} should both be arrays, or both lists of folds")
            else:
                found[j, k] = fold_difference(first, second, train_rows=train_rows)
            found[k, j] = found[j, k].reversed()
    return found


def simultaneous_bounds(differences: Mapping[Pair, Difference], *, alpha: float = 0.05) -> dict[Pair, Bounds]:
    """Bound every ordered pair of K depths, each side at alpha / (K - 1).

    K - 1 one-sided bounds hold together with chance 1 - alpha or more (Bonferroni): all those against one depth, which
    is what each statement of the decision rule and of `comparisons_with_best` rests on. The variances differ from pair
    to pair, so Dunnett's common quantile, which would gain little (2.1 % in width at four depths), does not apply.

    Where two depths scored alike on every text, their difference has no spread, and the t bound would claim certainty.
    The bound is then the largest share of texts on which they could differ and still show none of them in N, with the
    same chance: 1 - alpha^(1/N), the "rule of three" (Hanley & Lippman-Hand 1983, JAMA 249). Scores are shares.

    Args:
        differences: of every ordered pair.
        alpha: chance that any of the bounds against one depth misses, between 0 and one half.

    Returns:
        Bounds of each pair.
    """
    single = alpha / max(1, len({j for j, _ in differences}) - 1)
    return {
        pair: Bounds(
            difference.bound("lower", single) - unseen(difference, single),
            difference.bound("upper", single) + unseen(difference, single),
        )
        for pair, difference in differences.items()
    }


def unseen(difference: Difference, alpha: float) -> float:
    """Say what no spread at all leaves open, by the rule of three.

    Args:
        difference: of two models scored in shares.
        alpha: of the one-sided bound.

    Returns:
        Share of texts; 0 where scores differ, for the t bound then speaks.
    """
    return 0.0 if difference.standard_error > 0 else 1 - math.exp(math.log(alpha) / difference.examples)


def comparisons_with_best(bounds: Mapping[Pair, Bounds]) -> dict[int, Bounds]:
    """Bound how far each depth stands from the best of the others (Hsu 1984, Ann. Stat. 12; Hsu 1996, chapter 4).

    Multiple comparisons with the best, constrained to hold 0: a low of 0 means "is the best", a high of 0 "is not
    better than the best other". All K intervals hold together with the confidence of `simultaneous_bounds`, 1 - alpha.

    Args:
        bounds: of every ordered pair, from `simultaneous_bounds`.

    Returns:
        By depth, bounds of its score minus the highest other score.
    """
    depths = sorted({j for j, _ in bounds})
    highs = {d: max(0.0, min(bounds[j, d].high for j in depths if j != d)) for d in depths}
    contenders = [d for d in depths if highs[d] > 0]
    return {
        d: Bounds(0.0 if contenders == [d] else min(0.0, *(bounds[j, d].low for j in contenders if j != d)), highs[d])
        for d in depths
    }


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjust the p-values of one family so that any of them can be read against alpha (Holm 1979, Scand. J. Stat. 6).

    Args:
        p_values: of the family, each from 0 to 1; any order.

    Returns:
        Adjusted p-values in the same order: those at or under alpha are rejected, and the chance of any false rejection
        is alpha at most, however the tests depend on each other.

    Raises:
        ValueError: a p-value is not between 0 and 1.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("a p-value lies between 0 and 1, and some here do not")
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
