"""From vectors of words to the rows of a vocabulary: sub-words put together, gaps filled, width and scale fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from textlstm.errors import DataError
from textlstm.text.vector_lookup import word_pieces
from textlstm.text.word_matching import MISSING

Missing = Literal["mean", "random", "zero"]
Pieces = Literal["least_squares", "average"]
Projection = Literal["pca", "random", "none"]

_RIDGE = 0.1
_FITTED_ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Fitted:
    """Rows in the width that the model wants.

    Attributes:
        rows: (rows, width) float32.
        note: what was done, in a sentence; empty where nothing was.
    """

    rows: np.ndarray
    note: str = ""


def compose_pieces(
    words: Sequence[str],
    counts: np.ndarray,
    vectors: np.ndarray,
    backend: Any,  # noqa: ANN401 - tokenizers ships no types
    *,
    vocab_size: int,
    method: Pieces,
) -> tuple[np.ndarray, np.ndarray]:
    """Make vectors of a sub-word vocabulary out of vectors of whole words.

    A word's vector is taken to be the mean of its pieces' vectors. `average` gives each piece the mean of the words
    that hold it; `least_squares` looks for the pieces that rebuild the words best: with S (words, pieces) the shares of
    the pieces in the words, V the words' vectors and C their weights, it minimizes

        ||C^1/2 (S P - V)||^2 + 0.1 ||P - P_average||^2

    so that a piece of which the words say little stays at its average. A word weighs 1 + log(count) in both.

    Args:
        words: each once.
        counts: (words,) how often each occurs.
        vectors: (words, width) float32.
        backend: the `tokenizers.Tokenizer` of the vocabulary, without truncation and padding.
        vocab_size: rows to make.
        method: which of the two.

    Returns:
        (vocab_size, width) float32; and (vocab_size,) bool, the pieces that occur in a word.
    """
    from scipy.sparse import csr_array, diags_array
    from scipy.sparse.linalg import cg

    pieces = word_pieces(backend, words)
    lengths = np.array([len(own) for own in pieces], dtype=np.int64)
    places = np.array([piece for own in pieces for piece in own], dtype=np.int64)
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    share = np.repeat(1.0 / np.maximum(lengths, 1), lengths)
    parts = csr_array((share, places, bounds), shape=(len(words), vocab_size))
    parts.sum_duplicates()
    weights = 1.0 + np.log(np.maximum(counts, 1))
    weighted = (diags_array(weights) @ parts).T.tocsr()
    mass = np.asarray(weighted.sum(axis=1)).ravel()
    rows = (weighted @ vectors.astype(np.float64)) / np.maximum(mass, 1e-12)[:, None]
    held = mass > 0
    if method == "least_squares" and held.any():
        used = np.flatnonzero(held)
        inner = parts[:, used]
        weighted = weighted[used]
        system = weighted @ inner + _RIDGE * diags_array(np.ones(len(used)))
        scaling = diags_array(1.0 / system.diagonal())  # Jacobi's: counts of pieces differ by powers of ten
        start = rows[used]
        right = weighted @ vectors.astype(np.float64) + _RIDGE * start
        solved = [
            cg(system, right[:, column], x0=start[:, column], rtol=1e-4, maxiter=200, M=scaling)[0]
            for column in range(vectors.shape[1])
        ]
        rows[used] = np.column_stack(solved)
    return rows.astype(np.float32), held


def fit_width(rows: np.ndarray, found: np.ndarray, *, width: int, method: Projection, seed: int) -> Fitted:
    """Bring rows to another width.

    Args:
        rows: (rows, values) float32.
        found: (rows,) bool, those that hold a vector.
        width: values that the model wants.
        method: to fewer values, `pca` keeps the directions in which the found rows (at most the first 50,000) vary
            most, about their own mean, which stays; `random` takes directions at random. To more values, both turn the
            rows into a wider space at random, which keeps every distance. `none` refuses.
        seed: of random directions.

    Returns:
        (rows, width) float32; rows without a vector stay zero.

    Raises:
        DataError: the widths differ and the method is `none`.
    """
    values = rows.shape[1]
    if values == width:
        return Fitted(rows)
    if method == "none":
        raise DataError(
            f"The vectors have {values} values and model.embedding_size is {width}; set model.embedding_size to"
            f" {values}, or let embeddings.projection bring them to {width}."
        )
    if method == "pca" and width < values and int(found.sum()) > 1:
        sample = rows[found][:_FITTED_ROWS].astype(np.float64)
        covariance = np.cov(sample, rowvar=False)
        strengths, directions = np.linalg.eigh(covariance)
        chosen = directions[:, ::-1][:, :width]
        # The sign of a direction is free: fixed, so that two machines agree.
        chosen = chosen * np.sign(chosen[np.abs(chosen).argmax(axis=0), np.arange(width)])
        kept = strengths[::-1][:width].sum() / max(strengths.sum(), 1e-12)
        note = f"{values} values became {width} by PCA, which keep {100 * kept:.0f} % of the variance"
    else:
        rng = np.random.default_rng(seed)
        square = rng.standard_normal((max(values, width), min(values, width)))
        basis, _ = np.linalg.qr(square)
        chosen = basis if width < values else basis.T
        note = f"{values} values became {width} by a random rotation"
    fitted = np.zeros((len(rows), width), dtype=np.float32)
    fitted[found] = rows[found] @ chosen.astype(np.float32)
    return Fitted(fitted, note)


def fit_scale(rows: np.ndarray, found: np.ndarray, *, deviation: float | None) -> np.ndarray:
    """Scale all rows by one factor.

    Args:
        rows: (rows, width) float32.
        found: (rows,) bool, those whose values count.
        deviation: standard deviation that the values of the found rows shall have; None leaves them as they are.

    Returns:
        (rows, width) float32.
    """
    present = float(rows[found].std()) if found.any() else 0.0
    if deviation is None or present == 0.0:
        return rows
    return np.asarray(rows * np.float32(deviation / present), dtype=np.float32)


def fill_missing(rows: np.ndarray, found: np.ndarray, *, method: Missing, seed: int) -> np.ndarray:
    """Fill the rows that nothing was found for.

    Args:
        rows: (rows, width) float32.
        found: (rows,) bool.
        method: `mean` of the found rows (as fastai's `convert_weights`); `random`, normal with the mean and deviation
            of each value over the found rows; `zero`.
        seed: of the random rows; each row has numbers of its own, so that a longer vocabulary changes no other row.

    Returns:
        (rows, width) float32.
    """
    gaps = np.flatnonzero(~found)
    if method == "zero" or not len(gaps) or not found.any():
        return rows
    filled = rows.copy()
    mean = rows[found].mean(axis=0)
    filled[gaps] = mean
    if method == "random":
        noise = np.random.default_rng(seed).standard_normal(rows.shape, dtype=np.float32)
        filled[gaps] += noise[gaps] * rows[found].std(axis=0)
    return filled


def weigh_by_frequency(rows: np.ndarray, counts: np.ndarray, *, smoothing: float = 1e-3) -> np.ndarray:
    """Give frequent words shorter vectors: a / (a + p), the smooth inverse frequency of Arora et al. 2017.

    Args:
        rows: (rows, width).
        counts: (rows,) how often each word occurs; those that do not count as once.
        smoothing: a; p is a word's share of all occurrences.

    Returns:
        (rows, width) float32.
    """
    share = np.maximum(counts, 1) / max(1, int(np.maximum(counts, 1).sum()))
    return np.asarray(rows * (smoothing / (smoothing + share))[:, None], dtype=np.float32)


def found_rows(ranks: np.ndarray) -> np.ndarray:
    """Which words were found, (words,) bool.

    Args:
        ranks: from `vector_report.WordVectors`.

    Returns:
        True where there is a vector.
    """
    return np.asarray(ranks != MISSING)
