"""Families of comparisons: against references, by simulation, and at the edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.stats.families import (
    holm,
    pairwise_differences,
    simultaneous_bounds,
)


def depths_of(seed, means, seeds=6, examples=40):
    rng = np.random.default_rng(seed)
    difficulty, common = rng.normal(size=examples), rng.normal(size=(seeds, 1))
    return {
        d: mean + difficulty + 0.2 * common + 0.3 * rng.normal(size=(seeds, 1)) + rng.normal(size=(seeds, examples))
        for d, mean in means.items()
    }


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.012, 0.02, 0.03, 0.3, 1.0]), max_size=9), st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(p_values, alpha):
    """From the smallest p-value on, each is held against alpha over the number of those left, until one fails."""
    rejected = set()
    for place, which in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        if p_values[which] > alpha / (len(p_values) - place):
            break
        rejected.add(which)
    adjusted = holm(p_values)
    near = np.abs(adjusted - alpha) < 1e-12  # a product and a quotient round differently
    assert set(np.flatnonzero(adjusted <= alpha)) - set(np.flatnonzero(near)) == rejected - set(np.flatnonzero(near))


def test_holm_of_nothing_and_of_nonsense():
    assert holm([]).shape == (0,)
    for bad in ([0.5, 1.1], [float("nan")]):
        with pytest.raises(ValueError, match="a p-value lies between 0 and 1"):
            holm(bad)


def test_pairs_are_mirrored_and_bounded_at_the_family_level():
    differences = pairwise_differences(depths_of(0, {1: 0, 2: 0.1, 4: 0.5}))
    assert set(differences) == {(j, k) for j in (1, 2, 4) for k in (1, 2, 4) if j != k}
    bounds = simultaneous_bounds(differences, alpha=0.06)
    for (j, k), bound in bounds.items():
        assert bound == pytest.approx((differences[j, k].bound("lower", 0.03), differences[j, k].bound("upper", 0.03)))
        assert bound == pytest.approx((-bounds[k, j].high, -bounds[k, j].low))


def test_models_that_never_differ_are_not_known_to_be_equal():
    """300 texts alike leave 1 % open at 95 %: the rule of three."""
    same = np.random.default_rng(0).integers(0, 2, size=(5, 300))
    bounds = simultaneous_bounds(pairwise_differences({1: same, 2: same}), alpha=0.05)
    assert bounds[1, 2] == pytest.approx((-0.00994, 0.00994), rel=1e-3)


def test_depths_and_folds_do_not_mix():
    array = np.zeros((4, 5))
    with pytest.raises(ValueError, match="both lists"):
        pairwise_differences({1: array, 2: [array, array]})
    with pytest.raises(ValueError, match="two depths"):
        pairwise_differences({1: array})


def test_one_flipped_answer_is_no_surer_than_none():
    """Identical models leave the rule of three open; a few flipped answers must not close it."""
    alike = np.ones((5, 500))
    reach = []
    for flipped in range(8):
        other = alike.copy()
        other[0, :flipped] = 0
        bound = simultaneous_bounds(pairwise_differences({1: alike, 2: other}))[1, 2]
        reach.append(bound.high - (other.mean() - 1))
    assert reach[0] == pytest.approx(1 - 0.05 ** (1 / 500))
    assert min(reach[:5]) >= reach[0] - 1e-12
