"""Learning curves over training size: means with bands, the band of a difference of two depths, gain per doubling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DRAWS = 4000  # simulated maxima behind a critical value: its Monte-Carlo error is then about 1 %


@dataclass(frozen=True)
class Curve:
    """A mean over seeds at each training size, with its bands.

    Attributes:
        name: what the curve is of, such as "2 layers" or "2 layers minus 1 layer".
        sizes: training sizes in labeled rows, increasing.
        seeds: number of seeds behind each mean.
        mean: mean score at each size, in the unit of the scores.
        low: lower end of each size's own interval; None with one seed.
        high: upper end of each size's own interval; None with one seed.
        band_low: lower end of the band that holds all sizes at once; None with one seed.
        band_high: upper end of the band that holds all sizes at once; None with one seed.
        confidence: coverage of each interval, and of the band as a whole.
        over_texts: whether intervals and band also hold for other test texts of this kind, or for this test set alone.
    """

    name: str
    sizes: list[float]
    seeds: int
    mean: list[float]
    low: list[float] | None
    high: list[float] | None
    band_low: list[float] | None
    band_high: list[float] | None
    confidence: float
    over_texts: bool


@dataclass(frozen=True)
class Gain:
    """What one doubling of the training data adds to the score, over the measured sizes.

    Attributes:
        name: what the gain is of.
        slope: mean over seeds of the least-squares slope of the score on log2 of the size.
        low: lower end of its interval; None with one seed.
        high: upper end of its interval; None with one seed.
        seeds: number of seeds.
        confidence: the interval's coverage.
    """

    name: str
    slope: float
    low: float | None
    high: float | None
    seeds: int
    confidence: float


def mean_curves(
    scores: Floats,
    *,
    sizes: Sequence[float],
    names: Sequence[str],
    text_covariance: Sequence[Floats] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> list[Curve]:
    """Take each depth's mean curve over seeds, with a pointwise and a simultaneous band.

    The pointwise band is Student's t at each size. The simultaneous band is the sup-t band (Montiel Olea &
    Plagborg-Moller 2019, J. Appl. Econometrics 34): one critical value for all sizes, from the simulated law of the
    largest |t| under the correlation of the sizes within a seed, so that a seed stays one block over all sizes.

    Args:
        scores: (depths, sizes, seeds) one score a run; seed k is the same random numbers at all sizes and depths.
        sizes: (sizes,) training sizes in rows, increasing.
        names: (depths,) what each depth is called.
        text_covariance: by depth, (sizes, sizes) of `text_covariance` on that depth's scores; with it both bands also
            hold for other texts of this kind, without it over training seeds for this test set alone.
        confidence: coverage, between 0 and 1.
        seed: of the simulation; the same input gives the same band.

    Returns:
        One curve a depth.

    Raises:
        ValueError: the shapes do not agree, a score is not finite, or the sizes do not increase.
    """
    if scores.ndim != 3 or len(scores) != len(names):
        raise ValueError(f"scores are (depths, sizes, seeds) with one name a depth, not {scores.shape}, {len(names)}")
    texts: Sequence[Floats | None] = [None] * len(names) if text_covariance is None else text_covariance
    if len(texts) != len(names):
        raise ValueError(f"there is one covariance over texts a depth: {len(names)}, not {len(texts)}")
    return [
        _curve(one, sizes=sizes, name=name, confidence=confidence, seed=seed, text_covariance=part)
        for one, name, part in zip(scores, names, texts, strict=True)
    ]


def difference_band(
    deep: Floats,
    shallow: Floats,
    *,
    sizes: Sequence[float],
    name: str,
    text_covariance: Floats | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Curve:
    """Take the difference of two depths over sizes, paired by seed, with its simultaneous band.

    The band is mean +- c * standard error with c from the simulated largest |t| over the sizes: normal blocks of as
    many seeds as were run, with the estimated correlation, each size studentized by its own spread (sup-t, see
    `mean_curves`; the studentized form of the multivariate t of Hothorn, Bretz & Westfall 2008, Biometrical J. 50). The
    correlation is shrunk toward none (Schafer & Strimmer 2005, Stat. Appl. Genet. Mol. Biol. 4), without which the
    band under-covers when there are fewer seeds than sizes. A percentile bootstrap over 5 seeds is far too narrow.

    Args:
        deep: (sizes, seeds) scores of the deeper stack.
        shallow: (sizes, seeds) scores of the shallower one, same seeds in the same order.
        sizes: (sizes,) training sizes in rows, increasing.
        name: what the difference is called.
        text_covariance: (sizes, sizes) of `text_covariance`; with it the band also holds for other texts of this kind,
            without it for this test set alone.
        confidence: coverage of the band as a whole, between 0 and 1.
        seed: of the simulation.

    Returns:
        The curve of deep minus shallow.

    Raises:
        ValueError: the shapes do not agree, a score is not finite, or the sizes do not increase.
    """
    if deep.shape != shallow.shape:
        raise ValueError(f"two depths are compared on the same sizes and seeds, not {deep.shape} and {shallow.shape}")
    return _curve(
        deep - shallow, sizes=sizes, name=name, confidence=confidence, seed=seed, text_covariance=text_covariance
    )


def text_covariance(differences: Floats) -> Floats:
    """Take what the choice of test texts adds to the variance of a mean score or difference, for all pairs of sizes.

    Two-way random effects, seeds by texts, as in the paired comparison of two depths: the spread over texts of the
    seed-averaged differences, less the residual part that the spread over seeds already holds (Cornfield & Tukey 1956,
    Ann. Math. Stat. 27), with the total floored at the larger of the two.

    Args:
        differences: (sizes, seeds, texts) per-text score of the deeper minus that of the shallower stack, or the score
            of one stack, on the same test texts at all sizes; two seeds and two texts or more.

    Returns:
        (sizes, sizes) covariance of the mean over draws of the test texts.

    Raises:
        ValueError: there are fewer than two seeds or texts.
    """
    if differences.ndim != 3 or min(differences.shape[1:]) < 2:
        raise ValueError(f"differences are (sizes, 2 or more seeds, 2 or more texts), not {differences.shape}")
    _, seeds, texts = differences.shape
    by_text, by_seed = differences.mean(axis=1), differences.mean(axis=2)
    centered = by_text - by_text.mean(axis=1, keepdims=True)
    covariance = centered @ centered.T / ((texts - 1) * texts)
    residual = differences - by_seed[:, :, None] - by_text[:, None, :] + by_text.mean(axis=1)[:, None, None]
    residual_part = (residual**2).sum(axis=(1, 2)) / ((seeds - 1) * (texts - 1) * seeds * texts)
    seed_part = by_seed.var(axis=1, ddof=1) / seeds
    whole = np.diagonal(covariance)
    kept = np.clip(whole - np.minimum(residual_part, seed_part), 0.0, None)
    # One factor a size takes the residual off the diagonal and leaves the correlation of the sizes as it is.
    factor = np.sqrt(np.divide(kept, whole, out=np.zeros_like(kept), where=whole > 0))
    return np.asarray(covariance * np.outer(factor, factor), dtype=np.float64)


def gain_per_doubling(scores: Floats, *, sizes: Sequence[float], name: str, confidence: float = 0.95) -> Gain:
    """Fit a line of score on log2(size) in each seed, and take the mean slope with Student's t interval over seeds.

    A seed is one block over all sizes, so its slope is one independent figure (summary measures: Matthews et al. 1990,
    BMJ 300). Give `deep - shallow` for the gain of a difference.

    Args:
        scores: (sizes, seeds) of one depth, or the difference of two.
        sizes: (sizes,) two or more training sizes in rows, increasing.
        name: what the gain is of.
        confidence: the interval's coverage, between 0 and 1.

    Returns:
        The slope in score units a doubling; no interval with one seed.

    Raises:
        ValueError: there are fewer than two sizes, or the input is not as described.
    """
    from scipy.special import stdtrit  # the t quantile alone, as in intervals.py

    _check(scores, sizes, confidence)
    if len(sizes) < 2:
        raise ValueError("a gain per doubling needs two or more sizes")
    doublings = np.log2(np.asarray(sizes, dtype=np.float64))
    doublings -= doublings.mean()
    slopes = doublings @ scores / (doublings @ doublings)
    mean, seeds = float(slopes.mean()), slopes.size
    if seeds == 1:
        return Gain(name=name, slope=mean, low=None, high=None, seeds=1, confidence=confidence)
    reach = float(stdtrit(seeds - 1, (1 + confidence) / 2) * slopes.std(ddof=1) / math.sqrt(seeds))
    return Gain(name=name, slope=mean, low=mean - reach, high=mean + reach, seeds=seeds, confidence=confidence)


def _curve(
    scores: Floats,
    *,
    sizes: Sequence[float],
    name: str,
    confidence: float,
    seed: int,
    text_covariance: Floats | None,
) -> Curve:
    _check(scores, sizes, confidence)
    count, seeds = scores.shape
    mean = scores.mean(axis=1)
    rows = [float(n) for n in sizes]
    if seeds == 1:
        return Curve(name, rows, 1, mean.tolist(), None, None, None, None, confidence, text_covariance is not None)
    texts = np.zeros((count, count)) if text_covariance is None else np.asarray(text_covariance, dtype=np.float64)
    if texts.shape != (count, count):
        raise ValueError(f"the covariance over texts is ({count}, {count}), one row a size, not {texts.shape}")
    spread = scores.std(axis=1, ddof=1)
    error = np.sqrt(spread**2 / seeds + np.diagonal(texts))
    largest = _largest_t(spread, _shrunk_correlation(scores), seeds, texts, seed=seed)
    # The same draws give each size its own critical value: Student's t where texts add nothing.
    own = _own_critical(spread, seeds, texts, confidence)
    together = np.maximum(own, float(np.quantile(largest, confidence)))
    low, high = mean - own * error, mean + own * error
    band_low, band_high = mean - together * error, mean + together * error
    return Curve(
        name=name,
        sizes=rows,
        seeds=seeds,
        mean=mean.tolist(),
        low=low.tolist(),
        high=high.tolist(),
        band_low=band_low.tolist(),
        band_high=band_high.tolist(),
        confidence=confidence,
        over_texts=text_covariance is not None,
    )


def _shrunk_correlation(scores: Floats) -> Floats:
    """Estimate the correlation of the sizes over seeds, shrunk toward the identity by Schafer & Strimmer's weight."""
    count, seeds = scores.shape
    centered = scores - scores.mean(axis=1, keepdims=True)
    norm = np.sqrt((centered**2).sum(axis=1))
    unit = np.divide(centered, norm[:, None], out=np.zeros_like(centered), where=norm[:, None] > 0)
    correlation = unit @ unit.T
    squared = correlation[~np.eye(count, dtype=bool)] ** 2
    total = float(squared.sum())
    # The sampling variance of a correlation is about (1 - r^2)^2 / (seeds - 1).
    weight = min(1.0, float(((1 - squared) ** 2).sum()) / (seeds - 1) / total) if total > 0 else 1.0
    shrunk = (1 - weight) * correlation
    np.fill_diagonal(shrunk, 1.0)
    return np.asarray(shrunk, dtype=np.float64)


def _root(covariance: Floats) -> Floats:
    """Take the symmetric square root, which a singular matrix has too, and which rounding cannot turn about."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)) @ vectors.T, dtype=np.float64)


def _largest_t(spread: Floats, correlation: Floats, seeds: int, texts: Floats, *, seed: int) -> Floats:
    """Simulate the largest |t| over sizes, in grids with as many seeds, this correlation and this share of texts."""
    rng = np.random.default_rng(seed)
    count = len(spread)
    blocks = rng.standard_normal((_DRAWS, seeds, count)) @ _root(correlation) * spread
    miss = np.abs(blocks.mean(axis=1) + rng.standard_normal((_DRAWS, count)) @ _root(texts))
    error = np.sqrt(blocks.var(axis=1, ddof=1) / seeds + np.diagonal(texts))
    return np.asarray(np.divide(miss, error, out=np.zeros_like(miss), where=error > 0).max(axis=1), dtype=np.float64)


def _own_critical(spread: Floats, seeds: int, texts: Floats, confidence: float) -> Floats:
    """Take Student's t quantile at each size, with Satterthwaite's degrees of freedom where texts add variance."""
    from scipy.special import stdtrit

    by_seed = spread**2 / seeds
    whole = by_seed + np.diagonal(texts)
    # Over hundreds of texts their part is as good as known; all the uncertainty of the error is in the seeds' part.
    share = np.divide(by_seed, whole, out=np.ones_like(whole), where=whole > 0)
    freedom = (seeds - 1) / np.maximum(share, 1e-3) ** 2
    return np.asarray(stdtrit(freedom, (1 + confidence) / 2), dtype=np.float64)


def _check(scores: Floats, sizes: Sequence[float], confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
    if scores.ndim != 2 or scores.shape[0] != len(sizes) or scores.size == 0:
        raise ValueError(f"scores are (sizes, seeds) with {len(sizes)} sizes, not {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("a score is missing: a seed that lacks a size or a depth is left out of all of them")
    rows = np.asarray(sizes, dtype=np.float64)
    if not (rows > 0).all() or not (np.diff(rows) > 0).all():
        raise ValueError(f"sizes are rows, above 0 and increasing, not {list(sizes)}")
