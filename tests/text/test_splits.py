"""Stratified hold-outs and nested subsets: exact partitions, balanced prefixes, the same rows for the same seed."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.splits import Split, hold_out, nested_subset, stratified_order


def split_of_labels(labels, rows=None):
    size = len(labels) if labels is not None else rows
    texts = pa.array([f"text {i}" for i in range(size)], pa.large_string())
    return Split(texts, labels, np.arange(size) + 7)


@st.composite
def label_arrays(draw):
    rows = draw(st.integers(2, 120))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["single", "multi", "none"]))
    classes = draw(st.integers(1, 8))
    if kind == "none":
        return split_of_labels(None, rows)
    if kind == "single":
        return split_of_labels(rng.choice(classes, size=rows, p=rng.dirichlet(np.full(classes, 0.5))).astype(np.int64))
    return split_of_labels(rng.random((rows, classes)) < rng.random(classes))


@settings(max_examples=150, deadline=None)
@given(split=label_arrays(), seed=st.integers(0, 5), data=st.data())
def test_smaller_subsets_lie_inside_larger_ones(split, seed, data):
    small, large = sorted(data.draw(st.tuples(*[st.integers(1, len(split))] * 2)))
    inner, outer = (nested_subset(split, size=size, seed=seed) for size in (small, large))
    assert (len(inner), len(outer)) == (small, large)
    assert set(inner.rows.tolist()) <= set(outer.rows.tolist())
    assert (np.diff(outer.rows) > 0).all()  # source order, and no row twice
    assert inner.text_list() == [f"text {row - 7}" for row in inner.rows]
    if split.labels is not None:
        assert (inner.labels == split.labels[inner.rows - 7]).all()


@settings(max_examples=100, deadline=None)
@given(split=label_arrays(), seed=st.integers(0, 5))
def test_every_class_comes_up_as_early_as_possible(split, seed):
    order = stratified_order(split.labels, rows=len(split), seed=seed)
    assert sorted(order.tolist()) == list(range(len(split)))
    if split.labels is None:
        return
    if split.labels.ndim == 1:
        classes = len(np.unique(split.labels))
        assert len(np.unique(split.labels[order[:classes]])) == classes
    else:
        present = split.labels.any(axis=0)
        first = int(present.sum()) + 1  # one row a label, and one for the rows without any
        assert (split.labels[order[:first]].any(axis=0) == present).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(20, 900))
def test_subsets_have_the_shares_of_the_whole(seed, size):
    labels = np.random.default_rng(seed).choice(4, size=1000, p=[0.5, 0.3, 0.15, 0.05])
    found = np.bincount(nested_subset(split_of_labels(labels), size=size, seed=seed).labels, minlength=4)
    assert np.abs(found - size * np.bincount(labels, minlength=4) / 1000).max() <= 3


def test_multi_label_subsets_are_closer_to_the_shares_than_chance():
    rng = np.random.default_rng(0)
    labels = rng.random((4000, 12)) < rng.random(12) * 0.3
    whole = labels.mean(axis=0)
    ours = nested_subset(split_of_labels(labels), size=400, seed=0).labels.mean(axis=0)
    chance = [np.abs(labels[rng.choice(4000, 400, replace=False)].mean(axis=0) - whole).mean() for _ in range(20)]
    assert np.abs(ours - whole).mean() < np.mean(chance)


@settings(max_examples=150, deadline=None)
@given(split=label_arrays(), seed=st.integers(0, 5), data=st.data())
def test_hold_out_is_a_seeded_partition(split, seed, data):
    rows = data.draw(st.integers(1, len(split) - 1))
    multi = split.labels is not None and split.labels.ndim == 2
    kept, held = hold_out(split, rows=rows, seed=seed, multi_label=multi)
    assert len(held) == rows
    assert sorted([*kept.rows.tolist(), *held.rows.tolist()]) == split.rows.tolist()
    assert (np.diff(kept.rows) > 0).all() and (np.diff(held.rows) > 0).all()
    again = hold_out(split, rows=rows, seed=seed, multi_label=multi)
    assert again[1].rows.tolist() == held.rows.tolist()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 300))
def test_hold_out_is_stratified_and_leaves_every_class_behind(seed, rows):
    labels = np.random.default_rng(seed).choice(5, size=500, p=[0.6, 0.25, 0.1, 0.045, 0.005])
    kept, held = hold_out(split_of_labels(labels), rows=rows, seed=seed)
    assert set(kept.labels) == set(labels)
    expected = rows * np.bincount(labels, minlength=5) / 500
    assert np.abs(np.bincount(held.labels, minlength=5) - expected).max() <= 3


def test_a_label_with_one_row_stays_in_training():
    labels = np.zeros((60, 4), dtype=bool)
    labels[:, 0] = True
    labels[::3, 1] = True
    labels[17, 2] = True
    for seed in range(10):
        kept, held = hold_out(split_of_labels(labels), rows=20, seed=seed, multi_label=True)
        assert kept.labels[:, 2].any()
        assert held.labels[:, 1].sum() in {6, 7, 8}


def test_seeds_differ_and_hold_out_differs_from_subsets():
    split = split_of_labels(np.arange(200) % 2)
    rows = [tuple(nested_subset(split, size=50, seed=seed).rows) for seed in range(5)]
    assert len(set(rows)) == 5
    assert set(hold_out(split, rows=50, seed=0)[1].rows) != set(rows[0])


@pytest.mark.parametrize("size", [0, -1, 11])
def test_sizes_beyond_the_rows_are_refused(size):
    split = split_of_labels(np.arange(10) % 2)
    with pytest.raises(DataError, match=f"subset of {size} rows"):
        nested_subset(split, size=size, seed=0)
    with pytest.raises(DataError, match=f"{size} rows cannot be held out of 10"):
        hold_out(split, rows=size, seed=0)


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), min_size=1, max_size=6),
    cut=st.integers(0, 6),
)
def test_the_digest_sees_content_and_not_chunks(texts, cut):
    cut = min(cut, len(texts))
    whole = pa.array(["pad", *texts], pa.large_string())[1:]
    chunked = pa.chunked_array([pa.array(texts[:cut], pa.large_string()), pa.array(texts[cut:], pa.large_string())])
    labels, rows = np.zeros(len(texts), np.int64), np.arange(len(texts))
    assert Split(whole, labels, rows).digest() == Split(chunked, labels, rows).digest()
    moved = pa.array(["".join(texts), *[""] * (len(texts) - 1)], pa.large_string())
    if moved.to_pylist() != texts:
        assert Split(moved, labels, rows).digest() != Split(whole, labels, rows).digest()
    assert Split(whole, labels + 1, rows).digest() != Split(whole, labels, rows).digest()
