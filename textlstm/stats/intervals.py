"""Intervals for what runs yield: over seeds, over examples, and for shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textlstm.results import Estimate

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Rows are summed into at most this many groups before they are resampled, so the cost stops growing with the data. The
# groups give the interval's width a relative error of 1 / sqrt(2 * 10,000), 0.7 %: less than 1,000 resamples' 2 %.
_MAX_GROUPS = 10_000
_CHUNK_CELLS = 2_000_000  # resampling weights held at a time: 16 MB


def mean_interval(values: Sequence[float] | NDArray[np.float64], *, confidence: float = 0.95) -> Estimate:
    """Take the mean of a few independent figures, one a seed, with Student's t interval (Student 1908, Biometrika 6).

    Args:
        values: one figure a run; at least one.
        confidence: the interval's coverage, between 0 and 1.

    Returns:
        The mean and its interval; one value has no interval.

    Raises:
        ValueError: there are no values, or `confidence` is not between 0 and 1.
    """
    _check_confidence(confidence)
    figures = np.asarray(values, dtype=np.float64)
    if figures.size == 0:
        raise ValueError("a mean needs at least one value")
    mean = float(figures.mean())
    if figures.size == 1:
        return Estimate(value=mean)
    from scipy.special import stdtrit  # the t quantile alone: 0.1 s to import, scipy.stats 0.5 s

    freedom = figures.size - 1
    reach = float(stdtrit(freedom, (1 + confidence) / 2) * figures.std(ddof=1) / math.sqrt(figures.size))
    return Estimate(value=mean, low=mean - reach, high=mean + reach)


def wilson_interval(successes: int, n: int, *, confidence: float = 0.95) -> Estimate:
    """Take a share with its score interval (Wilson 1927, J. Am. Stat. Assoc. 22), which stays honest near 0 and 1.

    Args:
        successes: rows that count, 0 to `n`.
        n: all rows; at least one.
        confidence: the interval's coverage, between 0 and 1.

    Returns:
        The share `successes / n` and its interval, inside 0 to 1 and never empty.

    Raises:
        ValueError: `n` is below one, `successes` is not between 0 and `n`, or `confidence` is not between 0 and 1.
    """
    _check_confidence(confidence)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"a share needs 0 <= successes <= n and n >= 1, not {successes} of {n}")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    shrink = 1 + z**2 / n
    center = (share + z**2 / (2 * n)) / shrink
    reach = z / shrink * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At 0 and n successes one end equals the share; rounding must not push it past.
    low = 0.0 if successes == 0 else center - reach
    high = 1.0 if successes == n else center + reach
    return Estimate(value=share, low=low, high=high)


def bootstrap_sums(
    columns: NDArray[np.float64] | csr_array, *, resamples: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Draw rows with replacement, many times, and sum each draw's columns (Efron 1979, Ann. Stat. 7).

    Any figure that is a function of column sums (accuracy, F1, log loss, calibration error, and differences of these
    between models on the same rows) then gets its resampled values in one vectorized step, without a loop over rows.
    Above 10,000 rows, random groups of rows are drawn in place of single rows: the spread of the sums stays the same.

    Args:
        columns: (rows, m) finite figures; a column of ones counts the rows drawn. Sparse where m is in the thousands
            and a row has a handful of figures that are not 0.
        resamples: number of draws.
        seed: the same seed, rows and order give the same draws.

    Returns:
        (resamples, m) column sums, one row a draw.

    Raises:
        ValueError: there are no rows.
    """
    n, m = columns.shape
    if n == 0:
        raise ValueError("a bootstrap needs at least one row")
    rng = np.random.default_rng(seed)
    if n > _MAX_GROUPS:
        starts = np.linspace(0, n, _MAX_GROUPS, endpoint=False).astype(np.int64)
        columns = _sum_groups(columns[rng.permutation(n)], starts)
        n = _MAX_GROUPS
    turned = None if isinstance(columns, np.ndarray) else columns.T.tocsr()
    sums = np.empty((resamples, m))
    step = max(1, _CHUNK_CELLS // n)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = rng.integers(0, n, size=(count, n), dtype=np.int32)
        drawn += np.arange(count, dtype=np.int32)[:, None] * np.int32(n)
        weights = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)  # times each row was drawn
        times = weights.astype(np.float64)
        sums[start : start + count] = times @ columns if turned is None else (turned @ times.T).T
    return sums


def _sum_groups(columns: NDArray[np.float64] | csr_array, starts: NDArray[np.int64]) -> NDArray[np.float64] | csr_array:
    """Sum neighboring rows from each start to the next."""
    if isinstance(columns, np.ndarray):
        return np.asarray(np.add.reduceat(columns, starts, axis=0))
    from scipy.sparse import csr_array

    n = columns.shape[0]
    # A row for each group, with a one for each of its members.
    members = csr_array((np.ones(n), np.arange(n), np.append(starts, n)), shape=(len(starts), n))
    return members @ columns


def percentile_interval(value: float, resampled: NDArray[np.float64], *, confidence: float = 0.95) -> Estimate:
    """Give a figure the middle part of its resampled values as interval (Efron & Tibshirani 1993, chapter 13).

    Args:
        value: the figure on the rows as they are.
        resampled: (resamples,) the figure on each draw; draws where it is undefined are NaN and left out.
        confidence: the interval's coverage, between 0 and 1.

    Returns:
        The figure and its interval; no interval where fewer than two draws have the figure.
    """
    defined = resampled[~np.isnan(resampled)]
    if defined.size < 2:
        return Estimate(value=value)
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is a share between 0 and 1, such as 0.95, not {confidence}")
