"""The course of the learning rate, and what a record of training says."""

import numpy as np
import pytest
import torch
from torch import nn

from textlstm.training.finetuning import train
from textlstm.training.trainer import TextLSTMTrainer


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
