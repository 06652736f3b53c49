"""From words to a vocabulary's rows: pieces that rebuild the words, widths, scales, and rows for what is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from textlstm.errors import DataError
from textlstm.text.alignment import (
    compose_pieces,
    fill_missing,
    fit_scale,
    fit_width,
    found_rows,
    weigh_by_frequency,
)
from textlstm.text.word_matching import MISSING, RANKS

NAMES = ["[UNK]", "a", "b", "##a", "##b", "c"]
PAIRS = ["a", "b", "aa", "ab", "ba", "bb", "aab", "bba"]
HALF = np.arange(20) % 2 == 0


def backend():
    tokenizer = Tokenizer(models.WordPiece({name: row for row, name in enumerate(NAMES)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def cut(word):
    return [NAMES.index(word[0]), *(NAMES.index(f"##{letter}") for letter in word[1:])]


def composed(words, vectors, method, counts=None):
    counts = np.ones(len(words), dtype=int) if counts is None else counts
    return compose_pieces(words, counts, vectors, backend(), vocab_size=len(NAMES), method=method)


def rows_of(seed=0, shape=(20, 6), shift=0.0):
    return (np.random.default_rng(seed).standard_normal(shape) + shift).astype(np.float32)


def test_the_average_of_a_piece_is_that_of_the_words_that_hold_it():
    vectors = rows_of(shape=(3, 4))
    rows, held = composed(["a", "ab", "ba"], vectors, "average")
    assert held.tolist() == [False, True, True, True, True, False]
    assert rows[1] == pytest.approx((vectors[0] + vectors[1] / 2) / 1.5, abs=1e-6)
    assert rows[4] == pytest.approx(vectors[1], abs=1e-6)
    assert not rows[[0, 5]].any()


def test_frequent_words_weigh_more():
    vectors = rows_of(shape=(2, 4))
    rows, _ = composed(["ab", "aa"], vectors, "average", np.array([1, 1000]))
    share = (1 + np.log(1000)) / (2 + np.log(1000))
    assert rows[1] == pytest.approx(share * vectors[1] + (1 - share) * vectors[0], abs=1e-5)


def rebuilt(rows):
    return np.stack([rows[cut(word)].mean(axis=0) for word in PAIRS])


def test_least_squares_minimizes_what_it_states():
    """Against the normal equations of the stated sum of squares, solved densely."""
    vectors, counts = rows_of(1, (len(PAIRS), 4)), np.arange(1, len(PAIRS) + 1) ** 3
    average, _ = composed(PAIRS, vectors, "average", counts)
    rows, held = composed(PAIRS, vectors, "least_squares", counts)
    shares = np.zeros((len(PAIRS), len(NAMES)))
    for row, word in enumerate(PAIRS):
        for piece in cut(word):
            shares[row, piece] += 1 / len(word)
    weights = np.diag(1 + np.log(counts))
    system = shares.T @ weights @ shares + 0.1 * np.eye(len(NAMES))
    exact = np.linalg.solve(system, shares.T @ weights @ vectors + 0.1 * average)
    assert rows[held] == pytest.approx(exact[held], abs=2e-3)


def test_least_squares_rebuilds_words_better_than_the_average():
    truth = rows_of(2, (len(NAMES), 4))
    vectors = rebuilt(truth)
    errors = {
        method: np.abs(rebuilt(composed(PAIRS, vectors, method)[0]) - vectors).mean()
        for method in ("average", "least_squares")
    }
    assert errors["least_squares"] < 0.4 * errors["average"]


@given(st.integers(1, 12), st.sampled_from(["pca", "random"]))
def test_a_narrower_width_never_stretches_and_a_wider_one_keeps_every_distance(width, method):
    rows = rows_of()
    rows[~HALF] = 0
    fitted = fit_width(rows, HALF, width=width, method=method, seed=3).rows
    assert fitted.shape == (20, width)
    assert not fitted[~HALF].any()
    before, after = (np.linalg.norm(x[HALF][:, None] - x[HALF][None], axis=2) for x in (rows, fitted))
    assert (after <= before + 1e-4).all()
    if width >= 6:
        assert after == pytest.approx(before, abs=1e-4)


def test_pca_keeps_the_strongest_directions_and_says_how_much():
    rows = rows_of() * np.array([5, 4, 0.1, 0.1, 0.1, 0.1], dtype=np.float32)
    everywhere = np.ones(20, dtype=bool)
    fitted = fit_width(rows, everywhere, width=2, method="pca", seed=0)
    lost = {
        method: rows.var() * 6 - fit_width(rows, everywhere, width=2, method=method, seed=0).rows.var() * 2
        for method in ("pca", "random")
    }
    assert lost["pca"] < 0.1 * lost["random"]
    assert "became 2 by PCA, which keep 100 %" in fitted.note
    flipped = fit_width(rows[::-1].copy(), everywhere, width=2, method="pca", seed=9)
    assert flipped.rows[::-1] == pytest.approx(fitted.rows, abs=1e-4)  # neither seed nor order decides the signs


def test_random_directions_follow_the_seed():
    one, same, other = (fit_width(rows_of(), HALF, width=3, method="random", seed=s).rows for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_another_width_is_refused_when_nothing_may_be_projected():
    with pytest.raises(DataError, match=r"have 6 values and model.embedding_size is 4; set model.embedding_size to 6"):
        fit_width(rows_of(), HALF, width=4, method="none", seed=0)
    rows = rows_of()
    assert fit_width(rows, HALF, width=6, method="none", seed=0).rows is rows


def test_scale_is_one_factor_over_the_found_rows():
    rows = rows_of(shift=2.0)
    scaled = fit_scale(rows, HALF, deviation=0.5)
    assert scaled[HALF].std() == pytest.approx(0.5, rel=1e-5)
    assert (scaled / rows) == pytest.approx(np.full(rows.shape, 0.5 / rows[HALF].std()), rel=1e-4)
    assert fit_scale(rows, HALF, deviation=None) is rows
    assert fit_scale(np.zeros_like(rows), HALF, deviation=1.0).tolist() == np.zeros_like(rows).tolist()


def test_missing_rows_take_the_mean_or_nothing():
    rows = rows_of(shift=1.0)
    rows[~HALF] = 0
    mean = fill_missing(rows, HALF, method="mean", seed=0)
    assert mean[~HALF] == pytest.approx(np.tile(rows[HALF].mean(axis=0), (10, 1)), rel=1e-5)
    assert fill_missing(rows, HALF, method="zero", seed=0)[~HALF].tolist() == np.zeros((10, 6)).tolist()
    for method in ("mean", "zero", "random"):
        assert np.array_equal(fill_missing(rows, HALF, method=method, seed=0)[HALF], rows[HALF])


def test_random_missing_rows_have_the_mean_and_scale_of_the_found_ones():
    rows = rows_of(shape=(8000, 3)) * np.array([1, 10, 0.1]) + np.array([0, 5, -3])
    rows = rows.astype(np.float32)
    found = np.arange(8000) < 4000
    filled = fill_missing(rows, found, method="random", seed=0)[~found]
    assert filled.std(axis=0) == pytest.approx(rows[found].std(axis=0), rel=0.05)
    assert filled.mean(axis=0) == pytest.approx(rows[found].mean(axis=0), abs=0.7)
    longer = fill_missing(np.vstack([rows, rows]), np.tile(found, 2), method="random", seed=0)
    assert longer[4000:8000] == pytest.approx(filled, rel=1e-3, abs=1e-4)


def test_frequent_words_get_shorter_vectors_after_arora():
    rows, counts = rows_of(), np.array([1000, *[1] * 18, 0])
    weighed = weigh_by_frequency(rows, counts)
    share = np.maximum(counts, 1) / np.maximum(counts, 1).sum()
    assert weighed == pytest.approx(rows * (1e-3 / (1e-3 + share))[:, None], rel=1e-5)


def test_found_is_whatever_is_not_missing():
    assert found_rows(np.arange(len(RANKS))).tolist() == [rank != MISSING for rank in range(len(RANKS))]
