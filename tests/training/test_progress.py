"""What the callback decides at the borders of epochs, without a network: which epoch is best, and when it is enough."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from transformers import TrainerControl, TrainerState

from textlstm.recipe_sections import TrainingSection
from textlstm.training.checkpoint_files import read_last
from textlstm.training.progress import STATE_FILE, RunProgress


def progress_for(recipe, ends, *, validated=True, checkpoints=False, listener=None):
    return RunProgress(
        recipe.training,
        border_steps=np.array(ends),
        validated=validated,
        checkpoints=checkpoints,
        listener=listener,
    )


def play(progress, figures, *, model=None):
    """Let the callback see one epoch a figure: ten updates, a log, a score. Returns the epochs played."""
    model = model or nn.Linear(1, 1)
    control, state = TrainerControl(), TrainerState(max_steps=10 * len(figures))
    for epoch, figure in enumerate(figures, start=1):
        nn.init.constant_(model.weight, float(epoch))
        state.global_step = 10 * epoch
        logs = {"loss": 1.0, "learning_rate": 0.1, "grad_norm": 1.0, "clipped": 0.0}
        progress.on_log(None, state, control, logs)
        progress.on_evaluate(None, state, control, figure, model=model)
        if control.should_training_stop:
            return epoch
    return len(figures)


figures = st.lists(
    st.fixed_dictionaries(
        {
            "eval_loss": st.floats(0, 3),
            "eval_accuracy": st.sampled_from([0.1, 0.5, 0.6, 0.9]),
            "eval_macro_f1": st.sampled_from([0.0, 0.3, 0.7]),
        }
    ),
    min_size=1,
    max_size=8,
)


def epochs_until_enough(values, patience, min_updates):
    """The rule in words: stop after `patience` epochs without a better figure, but not before `min_updates`."""
    best, since = float("-inf"), 0
    for epoch, value in enumerate(values, start=1):
        best, since = (value, 0) if value > best else (best, since + 1)
        if patience is not None and since >= patience and 10 * epoch >= min_updates:
            return epoch
    return len(values)


@settings(deadline=None, max_examples=80)
@given(
    figures,
    st.sampled_from(["log_loss", "accuracy", "macro_f1"]),
    st.none() | st.integers(1, 4),
    st.sampled_from([0, 35, 60]),
)
def test_the_best_epoch_is_kept_and_patience_counts_from_it(tiny_recipe, seen, choose_by, patience, min_updates):
    changes = {"choose_by": choose_by, "patience": patience, "min_updates": min_updates}
    progress = progress_for(
        tiny_recipe({f"training.{key}": value for key, value in changes.items()}), 10 * np.arange(1, len(seen) + 1)
    )
    model = nn.Linear(1, 1)
    values = [-row["eval_loss"] if choose_by == "log_loss" else row[f"eval_{choose_by}"] for row in seen]
    played = play(progress, seen, model=model)
    assert played == epochs_until_enough(values, patience, min_updates)
    assert progress.stopped_early == (played < len(seen))
    best = values.index(max(values[:played]))  # the earliest of equals
    assert progress.best_epoch == best + 1
    progress.finish(model)
    assert model.weight.item() == best + 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_epochs_are_counted_in_fractions_that_meet_the_borders(tiny_recipe, sizes):
    ends = np.cumsum(sizes)
    progress = progress_for(tiny_recipe(), ends)
    epochs = [progress.epoch_at(step) for step in range(ends[-1] + 1)]
    assert epochs[0] == 0
    assert [epochs[end] for end in ends] == list(range(1, len(ends) + 1))
    assert epochs == sorted(set(epochs))


def test_logs_and_scores_come_at_borders_and_the_listener_at_every_update(tiny_recipe):
    reports = []
    progress = progress_for(tiny_recipe(), [2, 5], listener=reports.append)
    asked = []
    for step in range(1, 6):
        control = TrainerControl()
        progress.on_step_end(None, TrainerState(global_step=step, max_steps=5), control)
        asked.append((control.should_log, control.should_evaluate, control.should_save))
    assert asked == [(step in (2, 5), step in (2, 5), False) for step in range(1, 6)]
    progress.on_train_end(None, TrainerState(global_step=5, max_steps=5), TrainerControl())
    assert [(report.step, report.steps) for report in reports] == [*((step, 5) for step in range(1, 6)), (5, 5)]
    assert [report.done for report in reports] == [False] * 5 + [True]


def test_without_validation_nothing_is_scored_and_the_last_epoch_counts(tiny_recipe):
    progress = progress_for(tiny_recipe(), [2], validated=False)
    control = TrainerControl()
    state = TrainerState(global_step=2, max_steps=2)
    progress.on_step_end(None, state, control)
    assert control.should_log and not control.should_evaluate
    progress.on_log(None, state, control, {"loss": 1.0, "learning_rate": 0.1, "grad_norm": 1.0, "clipped": 0.0})
    model = nn.Linear(1, 1)
    before = model.weight.clone()
    progress.finish(model)
    assert progress.best_epoch == 1
    assert torch.equal(model.weight, before)


def save_at(progress, folder, step):
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    progress.on_save(SimpleNamespace(output_dir=str(folder)), TrainerState(global_step=step), TrainerControl())
    return checkpoint


def test_its_own_state_survives_a_checkpoint(tiny_recipe, tmp_path):
    recipe = tiny_recipe({"training.weight_averaging": 0.9})
    seen = [{"eval_loss": loss, "eval_accuracy": 0.5, "eval_macro_f1": 0.5} for loss in (0.5, 0.1, 0.3)]
    progress = progress_for(recipe, [10, 20, 30, 40])
    play(progress, seen)
    progress.loss_sum, progress.gradient_norms = torch.tensor(0.1) + 0.2, [0.1, 1 / 3]
    checkpoint = save_at(progress, tmp_path, 30)
    again = progress_for(recipe, [10, 20, 30, 40])
    again.resume(checkpoint)
    kept = ("history", "best_epoch", "best_figure", "epochs_without_gain", "stopped_early", "gradient_norms")
    assert {name: getattr(again, name) for name in kept} == {name: getattr(progress, name) for name in kept}
    assert torch.equal(again.loss_sum, progress.loss_sum)
    assert all(torch.equal(again.best[name], value) for name, value in progress.best.items())


def test_a_checkpoint_before_any_score_keeps_that_there_is_no_best(tiny_recipe, tmp_path):
    progress = progress_for(tiny_recipe(), [10])
    checkpoint = save_at(progress, tmp_path, 3)
    assert read_last(checkpoint / STATE_FILE)["best_figure"] is None
    again = progress_for(tiny_recipe(), [10])
    again.resume(checkpoint)
    assert again.best == {} and again.best_figure == float("-inf")


@pytest.mark.parametrize(("validated", "kept"), [(False, True), (True, False)])
def test_the_mean_weights_are_kept_where_no_rows_choose_the_epoch(validated, kept):
    progress = RunProgress(
        TrainingSection(), border_steps=np.array([1]), validated=validated, checkpoints=False, listener=None
    )
    progress.on_train_begin(None, None, None, model=nn.Linear(2, 2))
    assert (progress.average is not None) == kept
