"""The plan of batches, and one padded batch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.text.encoding import Encoded
from textlstm.training.epoch_plan import EpochPlan, TokenRows

plans = st.fixed_dictionaries(
    {
        "lengths": st.lists(st.integers(1, 30), min_size=1, max_size=60).map(np.array),
        "batch_size": st.integers(1, 12),
        "epochs": st.integers(1, 4),
        "min_batches": st.integers(0, 40),
        "seed": st.integers(0, 2**32 - 1),
    }
)


@settings(deadline=None, max_examples=60)
@given(plans)
def test_every_epoch_holds_every_row_once_and_the_borders_say_where_it_ends(options):
    plan = EpochPlan(**options)
    batches = list(plan)
    assert len(batches) == len(plan) == plan.borders[-1]
    assert len(plan) >= options["min_batches"]
    assert len(plan.borders) >= options["epochs"]
    extra = len(plan.borders) - options["epochs"]  # epochs beyond those asked for come for the updates alone
    assert extra == 0 or plan.borders[-2] < options["min_batches"]
    start = 0
    for border in plan.borders:
        rows = sorted(row for batch in batches[start:border] for row in batch)
        assert rows == list(range(len(options["lengths"])))
        start = border


@settings(deadline=None, max_examples=30)
@given(plans, st.data())
def test_a_plan_repeats_itself_and_counts_its_tokens(options, data):
    plan, again = EpochPlan(**options), EpochPlan(**options)
    batches = list(plan)
    assert batches == list(again) == list(plan)
    first = data.draw(st.integers(0, len(plan)))
    last = data.draw(st.integers(first, len(plan)))
    assert plan.tokens(first, last) == sum(int(options["lengths"][batch].sum()) for batch in batches[first:last])


@settings(deadline=None, max_examples=30)
@given(plans, st.floats(0.05, 4.0))
def test_a_share_of_the_plan_is_its_beginning_or_more_of_the_same(options, share):
    whole, part = EpochPlan(**options), EpochPlan(**options, share=share)
    assert len(part) == max(1, round(share * len(whole))) == len(list(part)) == part.borders[-1]
    assert np.all(np.diff(part.borders) > 0)
    shared = min(len(whole), len(part))
    assert list(part)[:shared] == list(whole)[:shared]


def test_epochs_and_seeds_are_shuffled_differently():
    lengths = np.full(64, 5)
    first, other = (EpochPlan(lengths, batch_size=8, epochs=2, min_batches=0, seed=seed) for seed in (0, 1))
    batches = list(first)
    assert batches[:8] != batches[8:]
    assert batches != list(other)


def test_the_batch_size_is_a_mean():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, 2000)
    plan = EpochPlan(lengths, batch_size=16, epochs=1, min_batches=0, seed=0)
    assert 12 <= len(lengths) / len(plan) <= 20
    assert max(lengths[batch].max() * len(batch) for batch in plan) <= max(plan.batch_tokens, lengths.max())


@pytest.mark.parametrize("labels", [np.array([0, 1, 2]), np.array([[True, False], [False, False], [True, True]])])
def test_a_batch_is_padded_with_its_mask_and_labels(labels):
    encoded = Encoded(np.array([5, 6, 7, 8, 9], dtype=np.int32), np.array([0, 1, 4, 5]))
    batch = TokenRows(encoded, labels, pad_id=0).__getitems__([1, 2])
    assert batch["input_ids"].tolist() == [[6, 7, 8], [9, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == labels[[1, 2]].tolist()
    assert batch["labels"].dtype == (torch.float32 if labels.ndim == 2 else torch.int64)
