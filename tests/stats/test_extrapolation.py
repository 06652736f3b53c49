"""Nothing is drawn out that has not earned it, and what is drawn out covers the truth."""

import dataclasses
import json

import numpy as np
import pytest
import scipy.optimize

from textlstm.stats.extrapolation import extrapolate, extrapolated_crossing

SIZES = [100.0 * 2**k for k in range(7)]
NAMES = ("2 layers", "1 layer")


def law(n, limit=0.92, amplitude=1.5, exponent=0.35):
    return limit - amplitude * np.asarray(n) ** -exponent


def grid(truth, *, seeds, noise, rng):
    """Scores whose noise falls with the size and partly stays with the seed."""
    falling = (np.array(SIZES) / SIZES[0])[:, None] ** -0.2
    return truth[:, None] + noise * (rng.normal(size=(7, seeds)) * falling + rng.normal(size=seeds) / 2)


def end_coverage(seeds, noise, studies):
    rng = np.random.default_rng(1)
    hits, drawn = 0, 0
    truth = law(4 * SIZES[-1])
    for _ in range(studies):
        found = extrapolate(grid(law(SIZES), seeds=seeds, noise=noise, rng=rng), sizes=SIZES, name="x", resamples=300)
        if found.identified:
            drawn += 1
            hits += found.low[-1] <= truth <= found.high[-1]
    return hits / drawn, drawn / studies


@pytest.mark.parametrize("seeds", [5, 10])
def test_band_at_four_times_the_largest_size_covers(seeds):
    covered, drawn = end_coverage(seeds, 0.005, 60)
    print(f"{seeds} seeds: {drawn:.2f} drawn out, of these {covered:.3f} covered at 4 times the largest size")
    assert drawn >= 0.8
    assert covered >= 0.85


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.005, 0.015])
@pytest.mark.parametrize("seeds", [5, 10])
def test_band_at_four_times_the_largest_size_covers_widely(seeds, noise):
    covered, drawn = end_coverage(seeds, noise, 400)
    print(f"{seeds} seeds, noise {noise}: {drawn:.3f} drawn out, of these {covered:.3f} covered")
    assert covered >= 0.88


def test_the_band_begins_at_the_smallest_size_and_ends_at_the_factor():
    scores = grid(law(SIZES), seeds=6, noise=0.003, rng=np.random.default_rng(2))
    found = extrapolate(scores, sizes=SIZES, name="1 layer", factor=2)
    assert found.identified
    assert (found.sizes[0], found.sizes[-1]) == pytest.approx((100, 12_800))
    assert all(low <= high for low, high in zip(found.low, found.high, strict=True))
    assert found.sentence.startswith("1 layer: 0.8")
    assert json.loads(json.dumps(dataclasses.asdict(found))) == dataclasses.asdict(found)


def test_a_kink_is_not_drawn_out():
    truth = law(SIZES)
    truth[-1] -= 0.1
    deep = grid(truth, seeds=8, noise=0.003, rng=np.random.default_rng(3))
    found = extrapolate(deep, sizes=SIZES, name="2 layers")
    assert not found.identified
    assert found.sizes == []
    assert found.sentence.startswith("not identified: fitted without 6,400 rows, the law of 2 layers expects")
    shallow = grid(law(SIZES), seeds=8, noise=0.003, rng=np.random.default_rng(4))
    crossed = extrapolated_crossing(deep, shallow, sizes=SIZES, names=NAMES)
    assert crossed.sentence == found.sentence
    assert [(s.low, s.high, s.ahead) for s in crossed.intervals] == [(6400, 25_600, None)]


def test_too_few_sizes_are_not_drawn_out():
    scores = np.full((4, 5), 0.5)
    assert extrapolate(scores, sizes=SIZES[:4], name="x").sentence.startswith("not identified: 4 sizes")
    assert extrapolated_crossing(scores, scores, sizes=SIZES[:4], names=NAMES).sentence.startswith("not identified")


def test_depths_not_told_apart_at_the_end_are_not_drawn_out():
    rng = np.random.default_rng(5)
    deep, shallow = (grid(law(SIZES), seeds=5, noise=0.01, rng=rng) for _ in range(2))
    found = extrapolated_crossing(deep, shallow, sizes=SIZES, names=NAMES)
    assert found.sentence.startswith("not identified: at 6,400 rows neither 2 layers nor 1 layer is shown ahead")
    assert not found.leads


def test_a_depth_far_ahead_stays_ahead():
    rng = np.random.default_rng(8)
    shallow = grid(law(SIZES), seeds=8, noise=0.002, rng=rng)
    deep = grid(law(SIZES, limit=0.97), seeds=8, noise=0.002, rng=rng)
    found = extrapolated_crossing(deep, shallow, sizes=SIZES, names=NAMES)
    assert found.sentence.startswith("no crossing below 25,600 (95 %): 2 layers ahead all the way from 6,400")
    assert "extrapolated beyond 6,400" in found.sentence
    assert not found.intervals
    # Having crossed within the measured range, the words claim the rest alone.
    early = deep.copy()
    early[0] -= 0.5
    again = extrapolated_crossing(early, shallow, sizes=SIZES, names=NAMES)
    assert again.sentence.startswith(("no further crossing below 25,600", "not identified"))


def crossing_beyond(studies, seeds, noise, *, texts=0.0):
    """Curves that cross at twice the largest size; how often a depth is said to be ahead where it is not."""
    rng = np.random.default_rng(7)
    deep = {"limit": 0.95, "amplitude": 2.9, "exponent": 0.35}

    def gap(n):
        return law(n, **deep) - law(n, limit=0.92, amplitude=lesser, exponent=0.35)

    # The shallow amplitude that puts the crossing at 12,800 rows.
    lesser = 2.9 - 0.03 * 12_800**0.35
    where = scipy.optimize.brentq(gap, 1000, 100_000)
    assert where == pytest.approx(12_800)
    wrong, said = 0, {}
    covariance = texts**2 * np.ones((7, 7)) if texts else None
    for _ in range(studies):
        shift = texts * rng.normal()
        found = extrapolated_crossing(
            grid(law(SIZES, **deep) + shift, seeds=seeds, noise=noise, rng=rng),
            grid(law(SIZES, limit=0.92, amplitude=lesser), seeds=seeds, noise=noise, rng=rng),
            sizes=SIZES,
            names=NAMES,
            text_covariance=covariance,
            resamples=300,
        )
        words = " ".join(found.sentence.split()[:2])
        said[words] = said.get(words, 0) + 1
        wrong += any(
            (s.ahead == "1 layer" and s.high > where * 1.001) or (s.ahead == "2 layers" and s.low < where * 0.999)
            for s in found.leads
        )
    return wrong / studies, said


@pytest.mark.parametrize("texts", [0.0, 0.004])
def test_a_true_crossing_ahead_is_seldom_denied(texts):
    wrong, said = crossing_beyond(50, 8, 0.004, texts=texts)
    print(f"wrongly ahead {wrong:.3f}; {said}")
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 50)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("noise", [0.002, 0.006])
def test_a_true_crossing_ahead_is_seldom_denied_widely(seeds, noise):
    wrong, said = crossing_beyond(300, seeds, noise)
    print(f"{seeds} seeds, noise {noise}: wrongly ahead {wrong:.3f}; {said}")
    assert wrong <= 0.08


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: extrapolate(np.full((7, 3), 0.5), sizes=SIZES, name="x", factor=4.1),
            "over 1 to 4 times the largest size, not 4.1",
        ),
        (
            lambda: extrapolate(np.full((7, 3), 0.5), sizes=SIZES, name="x", factor=1),
            "over 1 to 4 times the largest size, not 1",
        ),
        (lambda: extrapolate(np.full((7, 1), 0.5), sizes=SIZES, name="x"), "2 or more seeds"),
        (lambda: extrapolate(np.full((7, 3), 50.0), sizes=SIZES, name="x"), "at most 1.0, the ceiling given"),
        (lambda: extrapolate(np.full((6, 3), 0.5), sizes=SIZES, name="x"), "with 7 sizes"),
        (lambda: extrapolate(np.full((7, 3), np.nan), sizes=SIZES, name="x"), "scores are finite"),
        (lambda: extrapolate(np.full((7, 3), 0.5), sizes=SIZES[::-1], name="x"), "above 0 and increasing"),
        (
            lambda: extrapolated_crossing(np.full((7, 3), 0.5), np.full((7, 2), 0.5), sizes=SIZES, names=NAMES),
            "compared on the same sizes and seeds",
        ),
    ],
)
def test_senseless_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
