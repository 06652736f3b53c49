"""The crossing set is exactly where the band holds 0, its words follow from it, and it covers true crossings."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.stats.crossings import crossing, describe, show, spaced_sizes, stretches
from textlstm.stats.curves import Curve, difference_band

SIZES = [100.0 * 2**k for k in range(6)]

knots = st.integers(-3, 3).map(float)
bands = st.integers(2, 7).flatmap(
    lambda count: st.tuples(
        st.lists(knots, min_size=count, max_size=count),
        st.lists(st.integers(0, 3).map(float), min_size=count, max_size=count),
    )
)


def curve(low, high, *, seeds=5, over_texts=True, sizes=None):
    sizes = SIZES[: len(low)] if sizes is None else sizes
    middle = np.add(low, high) / 2
    return Curve("d", sizes, seeds, middle.tolist(), list(low), list(high), list(low), list(high), 0.95, over_texts)


@given(bands)
@settings(deadline=None)
def test_stretches_fill_the_range_and_agree_with_a_dense_grid(band):
    low = np.array(band[0])
    high = low + band[1]
    sizes = [100.0 * 2**k for k in range(len(low))]
    found = stretches(sizes, low, high, deep="deep", shallow="shallow")
    assert found[0].low == sizes[0]
    assert found[-1].high == sizes[-1]
    assert [s.open_low for s in found] == [True] + [False] * (len(found) - 1)
    assert [s.open_high for s in found] == [False] * (len(found) - 1) + [True]
    for here, after in itertools.pairwise(found):
        assert here.high == after.low
        assert (here.ahead is None) != (after.ahead is None)
    dense = np.exp(np.linspace(np.log(sizes[0]), np.log(sizes[-1]), 977))
    lows, highs = (np.interp(np.log(dense), np.log(sizes), end) for end in (low, high))
    for n, bottom, top in zip(dense, lows, highs, strict=True):
        expected = "deep" if bottom > 1e-9 else "shallow" if top < -1e-9 else None
        around = {s.ahead for s in found if s.low * (1 - 1e-9) <= n <= s.high * (1 + 1e-9)}
        near_zero = min(abs(bottom), abs(top)) <= 1e-9
        assert near_zero or around == {expected}


@given(bands)
@settings(deadline=None)
def test_swapping_the_depths_swaps_the_names_alone(band):
    low = np.array(band[0])
    high = low + band[1]
    sizes = [100.0 * 2**k for k in range(len(low))]
    there = stretches(sizes, low, high, deep="a", shallow="b")
    back = stretches(sizes, -high, -low, deep="b", shallow="a")
    assert there == back


@pytest.mark.parametrize(
    ("low", "high", "sentence", "intervals"),
    [
        ([-1] * 6, [1] * 6, "not identified: the band of the difference holds 0 all the way from 100 to 3,200", 1),
        ([1] * 6, [2] * 6, "no crossing below 3,200 (95 %): 2 layers ahead all the way from 100", 0),
        ([-2] * 6, [-1] * 6, "no crossing below 3,200 (95 %): 1 layer ahead all the way from 100", 0),
        ([-3, -3, -3, -3, -1, -1], [-1, -1, -1, 0, 1, 1], "no crossing below 800 (95 %): 1 layer ahead from 100", 1),
        ([-1, -1, 0, 1, 1, 1], [1, 1, 2, 2, 2, 2], "no crossing above 400 (95 %): 2 layers ahead to 3,200", 1),
        (
            [-3, -3, -2, 0, 1, 1],
            [-1, -1, 0, 2, 3, 3],
            "crossing between 400 and 800 (95 %): 1 layer ahead below, 2 layers ahead above",
            1,
        ),
        ([1, 1, -1, -1, 1, 1], [2] * 6, "no crossing shown (95 %): 2 layers ahead from 100 to 283", 1),
        ([-3, -3, -1, 1, -1, -1], [-1, -1, 1, 2, 2, 2], "the curves cross (95 %): 1 layer ahead from 100 to", 2),
    ],
)
def test_words_follow_from_the_set(low, high, sentence, intervals):
    found = crossing(curve(low, high), deep="2 layers", shallow="1 layer")
    assert found.sentence.startswith(sentence)
    assert len(found.intervals) == intervals
    assert found.crossed == (len({s.ahead for s in found.leads}) == 2)
    assert json.loads(json.dumps(dataclasses.asdict(found))) == dataclasses.asdict(found)


def test_a_band_without_width_crosses_at_a_point():
    found = crossing(curve([-1, 1], [-1, 1]), deep="deep", shallow="shallow")
    (where,) = found.intervals
    assert where.low == where.high == pytest.approx(np.sqrt(100 * 200))
    assert found.crossed


def test_a_touch_at_a_measured_size_is_a_point():
    found = crossing(curve([1, 0, 1], [2, 2, 2]), deep="deep", shallow="shallow")
    assert [(s.low, s.high) for s in found.intervals] == [(200.0, 200.0)]
    assert not found.crossed


def test_reserves_are_said():
    few = crossing(curve([1, 1], [2, 2], seeds=3, over_texts=False), deep="2 layers", shallow="1 layer")
    assert "few sizes: 2 at a factor of 2 or more, of 6 asked for" in few.sentence
    assert "a preview: 3 seeds, of 4 asked for" in few.sentence
    assert "for this test set alone" in few.sentence
    full = crossing(curve([1] * 6, [2] * 6), deep="2 layers", shallow="1 layer")
    assert not any(words in full.sentence for words in ("few sizes", "preview", "alone"))


def test_one_seed_identifies_nothing_and_one_size_is_refused():
    bare = Curve("d", [1.0, 2.0], 1, [0.0, 1.0], None, None, None, None, 0.95, False)
    assert crossing(bare, deep="a", shallow="b").sentence.startswith("not identified")
    with pytest.raises(ValueError, match="two or more sizes"):
        crossing(curve([1], [2]), deep="a", shallow="b")


def test_after_an_earlier_crossing_the_words_say_further():
    found = stretches([100, 400], np.array([1.0, 1.0]), np.array([2.0, 2.0]), deep="a", shallow="b")
    assert describe(found, confidence=0.9, further=True) == (
        "no further crossing below 400 (90 %): a ahead all the way from 100"
    )


@pytest.mark.parametrize(
    ("sizes", "count"), [([100, 200, 400], 3), ([100, 150, 200], 2), ([100, 500, 2000, 5452], 4), ([7], 1)]
)
def test_sizes_are_counted_at_a_factor_of_two(sizes, count):
    assert spaced_sizes(sizes) == count


def test_rows_are_shown_plainly():
    assert [show(n) for n in (1821.0, 607.89, 1322.3, 99.94)] == ["1,821", "608", "1,320", "99.9"]


@pytest.mark.parametrize("seeds", [5, 10])
def test_set_covers_the_true_crossing(seeds):
    """The difference is linear in log n and crosses at 566: the set must hold that size 95 times in 100 or more."""
    rng = np.random.default_rng(11)
    truth = 0.02 * (np.log2(SIZES) - np.log2(SIZES).mean())
    where = np.exp(np.log(SIZES).mean())
    hits, wrong = 0, 0
    for _ in range(200):
        deep = truth[:, None] + 0.02 * (rng.normal(size=(6, seeds)) + rng.normal(size=seeds))
        found = crossing(
            difference_band(deep, np.zeros_like(deep), sizes=SIZES, name="d"), deep="deep", shallow="shallow"
        )
        hits += any(s.low <= where <= s.high for s in found.intervals)
        wrong += any((s.ahead == "deep" and s.low < where - 1) for s in found.leads)
    print(f"{seeds} seeds: crossing covered {hits / 200:.3f}, deep wrongly ahead {wrong / 200:.3f}")
    assert hits / 200 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)
    assert wrong / 200 <= 0.05
