"""Plans hold every row once and keep the budget; padding is small, shuffling is real."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.text.batching import pad_batch, plan_epoch, plan_ordered
from textlstm.text.encoding import Encoded

LENGTHS = st.lists(st.integers(0, 300), max_size=300).map(lambda values: np.array(values, dtype=np.int64))


def check_plan(batches, lengths, *, batch_tokens, max_rows):
    rows = np.concatenate(batches) if batches else np.empty(0, dtype=np.int64)
    assert rows.dtype == np.int64
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= max_rows
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= batch_tokens


@given(LENGTHS, st.integers(1, 2000), st.integers(1, 64), st.integers(0, 3))
def test_every_row_is_in_one_batch_and_the_budget_is_kept(lengths, batch_tokens, max_rows, seed):
    limits = {"batch_tokens": batch_tokens, "max_rows": max_rows}
    check_plan(plan_epoch(lengths, **limits, rng=np.random.default_rng(seed)), lengths, **limits)
    check_plan(plan_ordered(lengths, **limits), lengths, **limits)


@given(LENGTHS, st.integers(1, 2000), st.integers(1, 64))
def test_equal_generators_give_equal_plans(lengths, batch_tokens, max_rows):
    first, second = (
        plan_epoch(lengths, batch_tokens=batch_tokens, max_rows=max_rows, rng=np.random.default_rng(7))
        for _ in range(2)
    )
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]


@given(LENGTHS)
def test_the_prediction_plan_goes_from_long_to_short(lengths):
    order = np.concatenate([np.empty(0, dtype=np.int64), *plan_ordered(lengths, batch_tokens=512, max_rows=16)])
    assert (np.diff(np.maximum(lengths[order], 1)) <= 0).all()


def sentence_lengths(rows, rng):
    return np.clip(rng.normal(19, 9, rows).round(), 1, 52).astype(np.int64)  # SST-2: mean 19, longest 52


def review_lengths(rows, rng):
    return np.clip(np.exp(rng.normal(5.2, 0.66, rows)).round(), 10, 400).astype(np.int64)  # IMDB, cut at 400


@pytest.mark.parametrize(("draw", "rows"), [(sentence_lengths, 6_920), (review_lengths, 25_000)])
def test_padding_is_under_five_percent_at_32_rows(draw, rows):
    lengths = draw(rows, np.random.default_rng(0))
    batches = plan_epoch(lengths, batch_tokens=32 * 400, max_rows=32, rng=np.random.default_rng(1))
    cells = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert 1 - lengths.sum() / cells < 0.05
    assert np.median([len(batch) for batch in batches]) == 32


@pytest.mark.parametrize("rows", [300, 6_920])
def test_epochs_differ_and_batches_mix(rows):
    lengths = sentence_lengths(rows, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    first, second = (plan_epoch(lengths, batch_tokens=4096, max_rows=32, rng=rng) for _ in range(2))
    batch_of_row = np.empty(rows, dtype=np.int64)
    for number, batch in enumerate(second):
        batch_of_row[batch] = number
    together = sum(
        (batch_of_row[batch][:, None] == batch_of_row[batch]).sum() - len(batch) for batch in first
    )  # ordered pairs that share a batch in both epochs
    pairs = sum(len(batch) * (len(batch) - 1) for batch in first)
    assert together / pairs < (0.6 if rows == 300 else 0.2)
    # Neither long nor short batches come first.
    means = np.array([lengths[batch].mean() for batch in first])
    if rows > 1000:
        assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.25


def test_no_batch_is_a_small_rest():
    lengths = np.full(32 * 10 + 1, 10)
    sizes = [len(batch) for batch in plan_epoch(lengths, batch_tokens=320, max_rows=32, rng=np.random.default_rng(0))]
    assert min(sizes) >= 8


@given(st.lists(st.lists(st.integers(2, 99), min_size=1, max_size=9), min_size=1, max_size=9), st.data())
def test_padded_rows_are_the_rows(rows, data):
    offsets = np.cumsum([0, *map(len, rows)])
    encoded = Encoded(np.concatenate(rows).astype(np.int32), offsets)
    picked = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=9))
    ids, lengths = pad_batch(encoded, np.array(picked), pad_id=0)
    assert ids.dtype == lengths.dtype == np.int64
    assert ids.shape == (len(picked), lengths.max())
    for row, index in enumerate(picked):
        assert ids[row, : lengths[row]].tolist() == rows[index]
        assert (ids[row, lengths[row] :] == 0).all()


@pytest.mark.parametrize(("batch_tokens", "max_rows"), [(0, 1), (1, 0)])
def test_a_budget_below_one_is_refused(batch_tokens, max_rows):
    with pytest.raises(ValueError, match="at least 1"):
        plan_epoch(np.ones(3), batch_tokens=batch_tokens, max_rows=max_rows, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least 1"):
        plan_ordered(np.ones(3), batch_tokens=batch_tokens, max_rows=max_rows)
