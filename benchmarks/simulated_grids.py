"""Simulated grids of right and wrong answers whose true difference is known, to hold intervals and verdicts against.

Not the interval's own model: answers are binary, and example difficulty, depth and seed act on the logit of being
right.

    logit P(right) = base[depth] + difficulty[example] + taste[depth, example]
                     + seed[depth, seed] + whim[depth, seed, example]

All effects are normal; the seed effects of two depths correlate, everything else is independent. True shares and
covariances are integrals over one or two normal variables, done by Gauss-Hermite quadrature; nothing is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

Floats = NDArray[np.float64]

DIFFICULTY, TASTE, WHIM = 1.5, 0.7, 1.0  # standard deviations on the logit scale
ACCURACY = 0.82  # of the first depth
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_CHUNK_CELLS = 1_500_000


def _share(base: float, spread: float) -> float:
    """Expected share right when the logit is normal."""
    return float(_WEIGHTS @ expit(base + spread * _NODES))


@dataclass(frozen=True)
class Design:
    """One kind of grid.

    Attributes:
        seeds: runs a depth.
        examples: test texts.
        accuracies: true expected accuracy of each depth, a share.
        seed_spreads: standard deviation of the seed effect of each depth, on the logit scale.
        seed_correlation: of the seed effects of any two depths.
        collapse: share of runs that answer at chance (one half) in place of what they learned.
    """

    seeds: int
    examples: int
    accuracies: tuple[float, ...]
    seed_spreads: tuple[float, ...]
    seed_correlation: float = 0.5
    collapse: float = 0.0

    @cached_property
    def spreads(self) -> list[float]:
        """Standard deviation of each depth's logit over everything."""
        return [float(np.sqrt(DIFFICULTY**2 + TASTE**2 + WHIM**2 + s**2)) for s in self.seed_spreads]

    @cached_property
    def bases(self) -> list[float]:
        """The logit's mean at each depth, solved so that the expected accuracy is as stated."""
        return [
            float(brentq(lambda base, s=s, p=p: _share(base, s) - p, -60, 60))
            for p, s in zip(self.accuracies, self.spreads, strict=True)
        ]

    def truth(self, first: int, second: int) -> float:
        """Expected accuracy of one depth minus another's; a collapsed run is right half the time."""
        return (1 - self.collapse) * (self.accuracies[second] - self.accuracies[first])

    def _shared(self, first: int, second: int, covariance: float) -> float:
        """Covariance of two answers' chances whose logits have this covariance."""
        rho = covariance / (self.spreads[first] * self.spreads[second])
        one = expit(self.bases[first] + self.spreads[first] * _NODES)
        mixed = rho * _NODES[:, None] + np.sqrt(max(0.0, 1 - rho**2)) * _NODES
        other = expit(self.bases[second] + self.spreads[second] * mixed)
        return float((_WEIGHTS * one) @ other @ _WEIGHTS - self.accuracies[first] * self.accuracies[second])

    def _of_difference(self, first: int, second: int, own: Sequence[float], between: float) -> float:
        """Variance of the difference that effects with these logit variances, and this covariance, bring about."""
        shared = self._shared(first, second, between)
        return self._shared(first, first, own[0]) + self._shared(second, second, own[1]) - 2 * shared

    def components(self, first: int, second: int) -> tuple[float, float, float]:
        """Variance of one answer's difference from seeds, from examples, and from both together.

        Args:
            first: index of one depth.
            second: index of the other.

        Returns:
            The three components; the variance of the mean is seeds / S + examples / N + both / (S N).
        """
        s, t = self.seed_spreads[first], self.seed_spreads[second]
        seed_covariance = self.seed_correlation * s * t
        seeds = self._of_difference(first, second, [s**2, t**2], seed_covariance)
        own = DIFFICULTY**2 + TASTE**2
        examples = self._of_difference(first, second, [own, own], DIFFICULTY**2)
        p, q = self.accuracies[first], self.accuracies[second]
        whole = p * (1 - p) + q * (1 - q) - 2 * self._shared(first, second, DIFFICULTY**2 + seed_covariance)
        return seeds, examples, whole - seeds - examples

    def draw(self, grids: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
        """Draw grids.

        Args:
            grids: how many.
            rng: of the draws.

        Yields:
            (some grids, depths, seeds, examples) whether each answer is right; together `grids`.
        """
        depths = len(self.accuracies)
        step = max(1, _CHUNK_CELLS // (depths * self.seeds * self.examples))
        shape = (depths, self.seeds, self.examples)
        single = np.float32
        for start in range(0, grids, step):
            count = min(step, grids - start)
            logit = rng.standard_normal((count, *shape), dtype=single) * single(WHIM)
            logit += rng.standard_normal((count, 1, 1, self.examples), dtype=single) * single(DIFFICULTY)
            logit += rng.standard_normal((count, depths, 1, self.examples), dtype=single) * single(TASTE)
            common = rng.standard_normal((count, 1, self.seeds, 1))
            own = rng.standard_normal((count, depths, self.seeds, 1))
            effect = np.sqrt(self.seed_correlation) * common + np.sqrt(1 - self.seed_correlation) * own
            spreads = np.array(self.seed_spreads)[:, None, None]
            logit += (np.array(self.bases)[:, None, None] + spreads * effect).astype(single)
            if self.collapse:
                logit = np.where(rng.random((count, depths, self.seeds, 1)) < self.collapse, single(0), logit)
            chance = rng.random((count, *shape), dtype=single)
            # chance < expit(logit), without the division
            yield chance * (1 + np.exp(-logit)) < 1


def calibrated(
    seeds: int,
    examples: int,
    seed_share: float,
    *,
    accuracies: Sequence[float] = (ACCURACY, ACCURACY),
    noisier: float = 1.0,
    seed_correlation: float = 0.5,
    collapse: float = 0.0,
) -> Design:
    """Choose the seed effects so that a stated share of the variance of the mean difference comes from seeds.

    Args:
        seeds: runs a depth.
        examples: test texts.
        seed_share: seed component over seed plus example component of the variance of the mean, for the first two
            depths, between 0 and 1.
        accuracies: true expected accuracy of each depth.
        noisier: times the seed effect's standard deviation at every depth but the first.
        seed_correlation: of the seed effects of any two depths.
        collapse: share of runs at chance.

    Returns:
        The design.
    """

    def design(spread: float) -> Design:
        spreads = (spread, *[spread * noisier] * (len(accuracies) - 1))
        return Design(seeds, examples, tuple(accuracies), spreads, seed_correlation, collapse)

    def excess(log_spread: float) -> float:
        by_seeds, by_examples, _ = design(float(np.exp(log_spread))).components(0, 1)
        return by_seeds / seeds / (by_seeds / seeds + by_examples / examples) - seed_share

    return design(float(np.exp(brentq(excess, np.log(1e-3), np.log(6.0)))))
