"""How alike the levels of a stack are: centered kernel alignment with a linear kernel, debiased. A picture, no verdict.

Plain CKA (Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited") grows towards 1 with the
width of the layers even where they are unrelated. With the unbiased estimator of HSIC (Song et al. 2012, "Feature
Selection via Dependence Maximization", equation 5) unrelated layers are near 0 whatever their width (Murphy et al.
2024, "Correcting Biased Centered Kernel Alignment Measures in Biological and Artificial Neural Networks").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textlstm.analysis.diagnostics.states import choose_texts, layer_states, one_token_a_text, untrained_like
from textlstm.errors import DataError
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

Floats = NDArray[np.float64]
FEWEST_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Similarity:
    """Debiased CKA between the levels of a stack; level 0 is the word embeddings.

    Attributes:
        trained: (levels, levels), each level of the trained stack with each.
        untrained: (levels, levels), the same of a stack with fresh weights.
        between: (levels, levels), trained level (row) with untrained level (column).
        samples: tokens compared, one a text.
    """

    trained: Floats
    untrained: Floats
    between: Floats
    samples: int


def layer_similarity(
    model: TextLSTMForSequenceClassification,
    encoded: Encoded,
    *,
    untrained: TextLSTMForSequenceClassification | None = None,
    max_texts: int = 2000,
    seed: int = 0,
) -> Similarity:
    """Compare the levels of a stack with each other and with an untrained stack's, on one random token of each text.

    Args:
        model: the trained stack.
        encoded: the texts' ids.
        untrained: the stack to compare with; fresh weights from `seed` when None.
        max_texts: texts looked at, at most.
        seed: of the samples and of the untrained weights.

    Returns:
        The matrices.

    Raises:
        DataError: there are fewer than 20 texts.
    """
    encoded = encoded.take(choose_texts(len(encoded), most=max_texts, seed=seed))
    if len(encoded) < FEWEST_SAMPLES:
        raise DataError(
            f"Layers are compared on {FEWEST_SAMPLES} texts or more, and {len(encoded)} were found; give more texts."
        )
    sample = one_token_a_text(encoded, seed=seed)
    beside = untrained_like(model, seed=seed) if untrained is None else untrained
    own = layer_states(model, encoded, sample=sample).tokens
    fresh = layer_states(beside, encoded, sample=sample).tokens
    return Similarity(_matrix(own, own), _matrix(fresh, fresh), _matrix(own, fresh), len(sample))


def debiased_cka(a: ArrayLike, b: ArrayLike) -> float:
    """Compare two representations of the same samples.

    Args:
        a: (samples, width) features of one; at least 4 samples.
        b: (samples, other width) features of the other.

    Returns:
        1 where they are equal up to rotation, reflection, scale and shift; near 0, and as often below as above it,
        where they are unrelated; nan where one of them is constant.

    Raises:
        ValueError: the numbers of samples differ, or there are fewer than 4.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second) or len(first) < 4:
        raise ValueError(
            f"CKA compares (samples, width) features of the same 4 samples or more, not {first.shape} and"
            f" {second.shape}"
        )
    own = unbiased_hsic(first, first) * unbiased_hsic(second, second)
    return unbiased_hsic(first, second) / math.sqrt(own) if own > 0 else math.nan


def unbiased_hsic(x: Floats, y: Floats) -> float:
    """Estimate the Hilbert-Schmidt independence criterion with linear kernels, without bias (Song et al. 2012, eq. 5).

    The (samples, samples) kernel matrices are never made: their products are sums over features.

    Args:
        x: (samples, width); at least 4 samples.
        y: (samples, other width).

    Returns:
        The estimate, in the product of the squared units of both.
    """
    # HSIC does not depend on the means; without them less is lost to rounding. Nor does the scale of the sums matter.
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    n = len(x)
    own_x, own_y = np.einsum("nd,nd->n", x, x), np.einsum("nd,nd->n", y, y)  # the kernels' diagonals
    # Kernels with a zero diagonal. Centered features add up to 0, so each row of a full kernel does too.
    product = float(((x.T @ y) ** 2).sum() - own_x @ own_y)  # trace of K L
    sums = float(own_x.sum() * own_y.sum())  # (sum of K) (sum of L)
    rows = float(own_x @ own_y)  # sum of K L
    return (product + sums / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)) / (n * (n - 3))


def _matrix(rows: tuple[NDArray[np.float32], ...], columns: tuple[NDArray[np.float32], ...]) -> Floats:
    """CKA of each of some representations with each of others."""
    return np.array([[debiased_cka(row, column) for column in columns] for row in rows])
