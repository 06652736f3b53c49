"""The plan of batches, one padded batch, the course of the learning rate, and what a record of training says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from textlstm.text.encoding import Encoded
from textlstm.training.finetuning import train
from textlstm.training.trainer import EpochPlan, TextLSTMTrainer, TokenRows

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


def rates(settings, steps):
    """The course of the rate, as a share of the highest, through the Trainer's own method."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    trainer = TextLSTMTrainer.__new__(TextLSTMTrainer)
    trainer.settings, trainer.lr_scheduler = settings, None
    scheduler = trainer.create_scheduler(steps, optimizer)
    course = []
    for _ in range(steps):
        course.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(course)


@pytest.mark.parametrize("warmup", [0.0, 0.25])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "linear", "constant"])
def test_the_rate_warms_up_and_then_follows_the_schedule(tiny_recipe, schedule, warmup):
    recipe = tiny_recipe({"training.schedule": schedule, "training.warmup": warmup})
    course = rates(recipe.training, 40)
    peak = int(course.argmax())
    assert abs(peak - 40 * warmup) <= 1
    assert course.max() == pytest.approx(1.0, abs=0.02)
    assert (np.diff(course[: peak + 1]) > 0).all()
    if schedule == "constant":
        assert (course[peak:] == 1.0).all()
    else:
        assert (np.diff(course[peak:]) < 0).all()
        assert course[-1] < 0.1


def test_a_record_tells_what_happened_since_the_last_one(tiny_recipe, tiny_data):
    run = train(tiny_recipe({"training.max_grad_norm": 0.05, "training.patience": None}), tiny_data).run
    assert [epoch.epoch for epoch in run.history] == [1, 2, 3, 4]
    for epoch in run.history:
        assert 0 <= epoch.clipped <= 1
        assert epoch.gradient_norm > 0
        assert 0 <= epoch.validation_accuracy <= 1
    # Without dropout's noise the first loss of a fresh two-class head is log 2.
    assert run.history[0].train_loss == pytest.approx(np.log(2), abs=0.2)
    assert any(epoch.clipped > 0 for epoch in run.history)
    loose = train(tiny_recipe({"training.max_grad_norm": 1e9, "training.epochs": 1}), tiny_data).run
    assert loose.history[0].clipped == 0


def test_accumulated_batches_make_one_mean_update(tiny_recipe, tiny_data):
    """Without dropout, two batches of one update and their losses are averaged: no update is twice as large."""
    quiet = {f"model.{place}_dropout": 0.0 for place in ("embedding", "input", "layer", "output")}
    runs = [
        train(tiny_recipe({**quiet, "training.epochs": 1, "training.gradient_accumulation": n}), tiny_data).run
        for n in (1, 2)
    ]
    one, two = (run.history[0] for run in runs)
    assert two.step == -(-one.step // 2)
    assert two.train_loss == pytest.approx(one.train_loss, abs=0.1)
    assert two.gradient_norm < 1.2 * one.gradient_norm
