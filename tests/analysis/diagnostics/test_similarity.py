"""Debiased CKA: what it does not depend on, and that unrelated layers are near 0 whatever their width."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.analysis.diagnostics.similarity import debiased_cka, layer_similarity, unbiased_hsic
from textlstm.errors import DataError
from textlstm.text.encoding import Encoded
from textlstm.training.preparation import build_config, build_model, prepare

SEEDS = st.integers(0, 10_000)


def features(seed, samples, width):
    return np.random.default_rng(seed).normal(size=(samples, width))


def related(seed, samples=40):
    rng = np.random.default_rng(seed)
    first = rng.normal(size=(samples, 6)) + 3.0
    return first, first @ rng.normal(size=(6, 9)) + rng.normal(size=(samples, 9))


def slow_hsic(x, y):
    """Equation 5 of Song et al. 2012, with its matrices."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(m, 0.0)
    one = np.ones(n)
    parts = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 * one @ k @ m @ one / (n - 2)
    return parts / (n * (n - 3))


@given(seed=SEEDS, samples=st.integers(4, 30))
def test_equals_the_formula_with_its_matrices(seed, samples):
    first, second = related(seed, samples)
    assert unbiased_hsic(first, second) == pytest.approx(slow_hsic(first, second), rel=1e-9, abs=1e-9)


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_rotation_scale_and_shift_do_not_matter(seed, scale, shift):
    first, second = related(seed)
    rotation = np.linalg.qr(features(seed + 1, 9, 9))[0]
    moved = scale * second @ rotation + shift
    assert debiased_cka(first, moved) == pytest.approx(debiased_cka(first, second), rel=1e-6, abs=1e-8)


@given(seed=SEEDS)
def test_a_general_linear_map_does_matter(seed):
    first, _ = related(seed)
    assert debiased_cka(first, first * [1, 1, 1, 1, 30, 1]) < 0.9


@given(seed=SEEDS)
def test_is_symmetric_and_one_with_itself(seed):
    first, second = related(seed)
    assert debiased_cka(first, second) == pytest.approx(debiased_cka(second, first))
    assert debiased_cka(second, second) == pytest.approx(1.0)


def test_unrelated_features_are_near_zero_on_average_even_where_they_are_wider_than_samples_are_many():
    found = [debiased_cka(features(seed, 50, 200), features(seed + 5000, 50, 200)) for seed in range(200)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found)) < 4 * error + 0.005
    plain = []
    for seed in range(20):
        x, y = (part - part.mean(axis=0) for part in (features(seed, 50, 200), features(seed + 5000, 50, 200)))
        norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
        plain.append(np.linalg.norm(x.T @ y) ** 2 / norms)
    assert np.mean(plain) > 0.5  # what the debiasing is for


def test_few_or_differing_samples_are_refused_and_constants_have_no_value():
    with pytest.raises(ValueError, match="4 samples"):
        debiased_cka(features(0, 3, 2), features(1, 3, 2))
    with pytest.raises(ValueError, match="same"):
        debiased_cka(features(0, 5, 2), features(1, 6, 2))
    assert np.isnan(debiased_cka(np.ones((5, 2)), features(0, 5, 2)))


@settings(deadline=None, max_examples=5)
@given(seed=SEEDS)
def test_levels_of_a_stack(seed, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"model.num_layers": 2, "seed": seed})
    prepared = prepare(recipe, tiny_data)
    model = build_model(build_config(recipe, prepared), seed=seed)
    found = layer_similarity(model, prepared.encoded["train"], seed=seed)
    assert found.trained.shape == found.untrained.shape == found.between.shape == (3, 3)
    assert np.diag(found.trained) == pytest.approx(np.ones(3))
    # A stack that has not been trained is the untrained stack of its own seed.
    np.testing.assert_allclose(found.trained, found.untrained)
    with pytest.raises(DataError, match="20 texts or more"):
        layer_similarity(model, Encoded(np.ones(3, np.int32), np.arange(4)))
