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


FEW_DISCORDANT = 5
"""With fewer texts on which two models differ, the t bound is held to the rule of three."""


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
    is what each statement of the decision rule rests on. The variances differ from pair to pair, so Dunnett's common
    quantile, which would gain little (2.1 % in width at four depths), does not apply.

    Where two depths scored alike on every text, their difference has no spread, and the t bound would claim certainty;
    with a few flipped answers it is still far too sure. The bound is then no closer than the largest share of texts on
    which they could differ and still show none of them in N, with the same chance: 1 - alpha^(1/N), the "rule of three"
    (Hanley & Lippman-Hand 1983, JAMA 249). Scores are shares.

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
    """Say by how much the t bound is too close where two models hardly ever differ, by the rule of three.

    Args:
        difference: of two models scored in shares.
        alpha: of the one-sided bound.

    Returns:
        What is missing from the t bound's distance to the rule's, a share of texts; 0 from `FEW_DISCORDANT` texts on
        that the two answered differently, for the t bound then speaks.
    """
    if difference.discordant >= FEW_DISCORDANT or math.isinf(difference.standard_error):
        return 0.0
    rule = 1 - math.exp(math.log(alpha) / difference.examples)
    return max(0.0, rule - (difference.bound("upper", alpha) - difference.value))


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
