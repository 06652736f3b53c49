"""Bands of learning curves hold what they promise: by simulation, by invariances, and against Student's t."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.stats.curves import difference_band, gain_per_doubling, mean_curves, text_covariance
from textlstm.stats.intervals import mean_interval

SIZES = [100.0 * 2**k for k in range(6)]


def zeros(scores):
    return np.zeros_like(scores)


def holds(curve, truth):
    return bool((np.array(curve.band_low) <= truth).all() and (truth <= np.array(curve.band_high)).all())


def coverage(seeds, *, studies, correlation=0.7, noise="normal", rng_seed=1):
    """Share of simulated differences whose whole true curve lies in the band, and the mean width over the oracle's."""
    rng = np.random.default_rng(rng_seed)
    steps = np.arange(len(SIZES))
    root = np.linalg.cholesky(correlation ** np.abs(steps[:, None] - steps) if correlation else np.eye(len(SIZES)))
    spread = np.linspace(0.03, 0.01, len(SIZES))  # small sizes are noisier
    truth = np.linspace(-0.02, 0.03, len(SIZES))
    draw = {"normal": rng.standard_normal, "heavy": lambda shape: rng.standard_t(5, shape) / np.sqrt(5 / 3)}[noise]
    hits, reach, largest = [], [], []
    for _ in range(studies):
        scores = truth[:, None] + spread[:, None] * (root @ draw((len(SIZES), seeds)))
        curve = difference_band(scores, zeros(scores), sizes=SIZES, name="difference")
        error = scores.std(axis=1, ddof=1) / np.sqrt(seeds)
        hits.append(holds(curve, truth))
        reach.append((np.array(curve.band_high) - curve.mean)[0] / error[0])
        largest.append(np.max(np.abs(scores.mean(axis=1) - truth) / error))
    return np.mean(hits), np.mean(reach) / np.quantile(largest, 0.95)


@pytest.mark.parametrize("seeds", [5, 10])
def test_simultaneous_band_covers(seeds):
    covered, width = coverage(seeds, studies=400)
    error = np.sqrt(0.95 * 0.05 / 400)
    print(f"{seeds} seeds: band covers {covered:.3f}, {width:.2f} times the oracle's width")
    assert 0.95 - 3 * error <= covered <= 0.985
    assert width < 1.2


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["normal", "heavy"])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_simultaneous_band_covers_widely(seeds, correlation, noise):
    covered, width = coverage(seeds, studies=1000, correlation=correlation, noise=noise)
    print(f"{seeds} seeds, correlation {correlation}, {noise}: covers {covered:.3f}, width {width:.2f}")
    # 3 seeds are a preview: the correlation of six sizes can hardly be told from them. Heavy tails make t cautious.
    assert (0.92 if seeds == 3 else 0.93) <= covered <= (0.98 if noise == "normal" else 0.99)
    assert width < 1.25


def test_pointwise_intervals_alone_do_not_cover_all_sizes():
    """The reason for a simultaneous band; and a percentile bootstrap of five seeds is worse still."""
    rng = np.random.default_rng(4)
    pointwise, percentile = [], []
    for _ in range(300):
        scores = rng.normal(size=(6, 5))
        curve = difference_band(scores, zeros(scores), sizes=SIZES, name="d")
        pointwise.append((np.array(curve.low) <= 0).all() and (np.array(curve.high) >= 0).all())
        drawn = scores[:, rng.integers(0, 5, (400, 5))].mean(axis=2)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
        percentile.append((low <= 0).all() and (high >= 0).all())
    assert np.mean(percentile) < np.mean(pointwise) < 0.9


@pytest.mark.parametrize("by_seed", [0.004, 0.02])
def test_band_over_texts_covers_other_texts_and_the_one_without_does_not(by_seed):
    rng = np.random.default_rng(5)
    studies, seeds, texts = 200, 10, 200
    with_texts, without = [], []
    for study in range(studies):
        shared = rng.normal(scale=0.2, size=texts)
        by_text = shared + rng.normal(scale=0.1, size=(6, texts))
        scores = (
            rng.normal(scale=by_seed, size=(6, seeds, 1))
            + by_text[:, None, :]
            + rng.normal(scale=0.3, size=(6, seeds, texts))
        )
        means = scores.mean(axis=2)
        covariance = text_covariance(scores)
        wide = difference_band(means, zeros(means), sizes=SIZES, name="d", text_covariance=covariance)
        narrow = difference_band(means, zeros(means), sizes=SIZES, name="d")
        if study < 20:
            [curve] = mean_curves(means[None], sizes=SIZES, names=["d"], text_covariance=[covariance])
            assert curve == wide
        assert wide.over_texts
        assert not narrow.over_texts
        with_texts.append(holds(wide, np.zeros(6)))
        without.append(holds(narrow, np.zeros(6)))
    print(f"seed sd {by_seed}: over texts {np.mean(with_texts):.3f}, seeds alone {np.mean(without):.3f}")
    assert np.mean(with_texts) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / studies)
    assert np.mean(without) < 0.85


def test_text_covariance_finds_the_variance_of_texts_and_their_correlation():
    rng = np.random.default_rng(6)
    shared = rng.normal(size=4000)
    by_text = np.stack([shared, 0.8 * shared + 0.6 * rng.normal(size=4000)])
    scores = rng.normal(scale=0.05, size=(2, 20, 1)) + by_text[:, None, :] + rng.normal(scale=2, size=(2, 20, 4000))
    found = 4000 * text_covariance(scores)
    assert np.diagonal(found) == pytest.approx([1, 1], abs=0.1)
    # The residual is taken off the diagonal and the correlation with noise is kept, which attenuates it.
    assert found[0, 1] == pytest.approx(0.8 / 1.2, abs=0.1)
    assert np.linalg.eigvalsh(found).min() >= 0


@given(st.integers(2, 8), st.integers(2, 6), st.integers(0, 50), st.floats(0.5, 0.99))
@settings(deadline=None, max_examples=25)
def test_pointwise_interval_is_students_and_the_band_is_wider(seeds, depths, rng_seed, confidence):
    scores = np.random.default_rng(rng_seed).normal(0.8, 0.02, size=(depths, 3, seeds))
    curves = mean_curves(scores, sizes=SIZES[:3], names=[f"{k} layers" for k in range(depths)], confidence=confidence)
    assert len(curves) == depths
    for curve, depth in zip(curves, scores, strict=True):
        for k, at_size in enumerate(depth):
            estimate = mean_interval(at_size, confidence=confidence)
            assert (curve.mean[k], curve.low[k], curve.high[k]) == pytest.approx(
                (estimate.value, estimate.low, estimate.high)
            )
            assert curve.band_low[k] <= curve.low[k]
            assert curve.band_high[k] >= curve.high[k]


@given(st.floats(-5, 5), st.floats(0.01, 100), st.permutations(range(5)))
@settings(deadline=None, max_examples=25)
def test_band_moves_and_scales_with_the_scores_and_heeds_no_order_of_seeds(shift, scale, order):
    rng = np.random.default_rng(7)
    deep, shallow = rng.normal(size=(2, 6, 5))
    base = difference_band(deep, shallow, sizes=SIZES, name="d")
    moved = difference_band(shift + scale * deep[:, order], scale * shallow[:, order], sizes=SIZES, name="d")
    for end in ("mean", "low", "high", "band_low", "band_high"):
        expected = shift + scale * np.array(getattr(base, end))
        assert getattr(moved, end) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)


def test_seeds_that_move_all_sizes_together_give_a_narrower_band():
    """The same spread at each size, once in blocks and once shuffled: a seed carries all its sizes."""
    rng = np.random.default_rng(8)
    blocks = rng.normal(size=(1, 10)) + 0.1 * rng.normal(size=(6, 10))
    shuffled = rng.permuted(blocks, axis=1)
    together = difference_band(blocks, zeros(blocks), sizes=SIZES, name="d")
    apart = difference_band(shuffled, zeros(blocks), sizes=SIZES, name="d")
    assert together.low == pytest.approx(apart.low)
    assert (np.array(together.band_high) < apart.band_high).all()


def test_pairing_by_seed_counts():
    rng = np.random.default_rng(9)
    shared = rng.normal(size=(6, 8))
    deep, shallow = shared + 1 + 0.01 * rng.normal(size=(6, 8)), shared
    paired = difference_band(deep, shallow, sizes=SIZES, name="d")
    unpaired = difference_band(deep, shallow[:, ::-1], sizes=SIZES, name="d")
    assert np.subtract(paired.band_high, paired.band_low).max() < 0.1
    assert np.subtract(unpaired.band_high, unpaired.band_low).min() > 0.5


def test_one_seed_has_a_mean_and_no_band():
    (curve,) = mean_curves(np.ones((1, 3, 1)), sizes=SIZES[:3], names=["1 layer"])
    assert curve.mean == [1.0, 1.0, 1.0]
    assert curve.low is curve.high is curve.band_low is curve.band_high is None
    assert gain_per_doubling(np.ones((3, 1)), sizes=SIZES[:3], name="1 layer").low is None


def test_equal_scores_have_a_band_without_width():
    curve = difference_band(np.ones((3, 5)), np.ones((3, 5)), sizes=SIZES[:3], name="d")
    assert curve.band_low == curve.band_high == [0.0, 0.0, 0.0]


def test_results_are_plain_values():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    for curve in mean_curves(scores, sizes=[1, 2, 4], names=["a", "b"]):
        assert json.loads(json.dumps(dataclasses.asdict(curve))) == dataclasses.asdict(curve)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_gain_of_a_straight_line_is_its_slope(start, slope):
    line = start + slope * np.log2(SIZES)
    gain = gain_per_doubling(np.stack([line, line, line], axis=1), sizes=SIZES, name="line")
    assert (gain.slope, gain.low, gain.high) == pytest.approx((slope, slope, slope), abs=1e-9)


def test_gain_is_the_mean_of_least_squares_slopes_with_students_interval():
    scores = np.random.default_rng(10).normal(size=(4, 6))
    sizes = [100, 500, 2000, 5452]
    slopes = [scipy.stats.linregress(np.log2(sizes), one).slope for one in scores.T]
    reference = scipy.stats.ttest_1samp(slopes, 0).confidence_interval(0.9)
    gain = gain_per_doubling(scores, sizes=sizes, name="d", confidence=0.9)
    assert (gain.slope, gain.low, gain.high) == pytest.approx((np.mean(slopes), reference.low, reference.high))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mean_curves(np.ones((2, 3, 4)), sizes=[1, 2, 4], names=["one"]), "one name a depth"),
        (lambda: mean_curves(np.ones((1, 3, 4)), sizes=[1, 2], names=["one"]), "with 2 sizes"),
        (lambda: mean_curves(np.ones((1, 2, 4)), sizes=[2, 1], names=["one"]), "above 0 and increasing"),
        (lambda: mean_curves(np.ones((1, 2, 4)), sizes=[0, 1], names=["one"]), "above 0 and increasing"),
        (lambda: mean_curves(np.full((1, 2, 4), np.nan), sizes=[1, 2], names=["one"]), "lacks a size or a depth"),
        (lambda: mean_curves(np.ones((1, 2, 4)), sizes=[1, 2], names=["one"], confidence=95), "such as 0.95, not 95"),
        (
            lambda: mean_curves(np.ones((2, 2, 4)), sizes=[1, 2], names=["a", "b"], text_covariance=[np.eye(2)]),
            "one covariance over texts a depth: 2, not 1",
        ),
        (
            lambda: difference_band(np.ones((2, 3)), np.ones((2, 4)), sizes=[1, 2], name="d"),
            "compared on the same sizes and seeds",
        ),
        (
            lambda: difference_band(
                np.ones((2, 3)), np.ones((2, 3)), sizes=[1, 2], name="d", text_covariance=np.eye(3)
            ),
            r"covariance over texts is \(2, 2\)",
        ),
        (lambda: text_covariance(np.ones((2, 1, 9))), "2 or more seeds, 2 or more texts"),
        (lambda: gain_per_doubling(np.ones((1, 3)), sizes=[100], name="d"), "two or more sizes"),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
