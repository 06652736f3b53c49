"""What happens at the borders of epochs: scoring validation, keeping the best weights, stopping, checkpoints, history.

The best weights are kept in memory, not read back from a checkpoint: a grid cell writes no checkpoint at all, and a
run that does takes them along in it, so that a resumed run ends like an undisturbed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import distributed
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from textlstm.recipe_sections import TrainingSection
from textlstm.results import Epoch
from textlstm.training.checkpoint_files import read_last, write_last
from textlstm.training.optimizer import WeightAverage

STATE_FILE = "progress.json"
WEIGHTS_FILE = "progress.safetensors"
UNVALIDATED_AVERAGING = 0.99
"""Decay of the mean weights where no rows choose the epoch and the recipe leaves it open."""
_AGREE_EVERY = 20  # updates between two moments at which several processes agree on whether to write a checkpoint


@dataclass(frozen=True)
class Report:
    """How far a run is, for whoever shows progress.

    Attributes:
        step: updates done.
        steps: updates planned; early stopping may end sooner.
        epoch: passes over the training rows so far.
        history: records of the epochs so far.
        done: whether this is the last report; the others come before their update is logged and scored.
    """

    step: int
    steps: int
    epoch: float
    history: list[Epoch]
    done: bool = False


class RunProgress(TrainerCallback):
    """Keeps one run's history and best weights, and tells the Trainer when to log, evaluate, save and stop.

    Attributes:
        history: one record an epoch.
        best: the best epoch's weights by name; empty without a validation split.
        best_epoch: passes over the training rows at that epoch's end.
        stopped_early: whether patience has ended the run.
        loss_sum: sum of the training losses since the last record, a scalar on the model's device.
        gradient_norms: norms before clipping since the last record, one an update.
        seconds: wall time of training, the sessions before an interruption included.
        evaluation_seconds: the part of it that scoring validation took.
        border_steps: (epochs,) updates done at the end of each epoch.
    """

    def __init__(
        self,
        settings: TrainingSection,
        *,
        border_steps: np.ndarray,
        validated: bool,
        checkpoints: bool,
        listener: Callable[[Report], None] | None,
    ) -> None:
        """Set out.

        Args:
            settings: the recipe's `training:` part.
            border_steps: (epochs,) updates done at the end of each epoch.
            validated: whether there is a validation split to choose the epoch by.
            checkpoints: whether to write checkpoints.
            listener: called after every update, and at the end.
        """
        self.settings, self.validated, self.checkpoints, self.listener = settings, validated, checkpoints, listener
        averaging = settings.weight_averaging
        # With so few labels the last weights are as noisy as the rows; their mean is not (Polyak & Juditsky 1992).
        self._averaging = (0.0 if validated else UNVALIDATED_AVERAGING) if averaging is None else averaging
        self.border_steps = border_steps
        self._is_end = set(border_steps.tolist())
        self._resumed_means: tuple[torch.Tensor, ...] = ()
        self._saved_at = time.monotonic()
        self._began = time.perf_counter()
        self.loss_sum = torch.zeros(())
        self.gradient_norms: list[float] = []
        self.seconds = 0.0
        self.evaluation_seconds = 0.0
        self.history: list[Epoch] = []
        self.best: dict[str, torch.Tensor] = {}
        self.best_epoch = 0.0
        self.best_figure = float("-inf")
        self.epochs_without_gain = 0
        self.stopped_early = False
        self.average: WeightAverage | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Start the clock, and the running mean of weights, once the weights are on their device."""
        self._began = time.perf_counter() - self.seconds
        if self._averaging and self.average is None:
            self.average = WeightAverage(kwargs["model"], decay=self._averaging)
        if self._resumed_means and self.average is not None:
            for mean, stored in zip(self.average.mean, self._resumed_means, strict=True):
                mean.copy_(stored)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Stop the clock, and report the last epoch's figures too."""
        self.seconds = time.perf_counter() - self._began
        self._report(state, done=True)

    def epoch_at(self, step: int) -> float:
        """Passes over the training rows after `step` updates."""
        done = int(np.searchsorted(self.border_steps, step, side="right"))
        start = int(self.border_steps[done - 1]) if done else 0
        if done == len(self.border_steps):
            return float(done)
        return done + (step - start) / (int(self.border_steps[done]) - start)

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """After an update: refresh the mean weights, and at an epoch's end ask for a log and a score."""
        step = state.global_step
        if self.average is not None:
            self.average.update(step)
        if step in self._is_end:
            control.should_log = True
            control.should_evaluate = self.validated
        control.should_save = control.should_save or (self.checkpoints and self._checkpoint_is_due(step, args.device))
        self._report(state)

    def _checkpoint_is_due(self, step: int, device: torch.device) -> bool:
        """Look at the clock; of several processes, whose clocks differ, the first one's says so for all."""
        due = time.monotonic() - self._saved_at >= self.settings.checkpoint_seconds
        if not distributed.is_initialized():
            return due
        if step % _AGREE_EVERY:
            return False
        told = torch.tensor(float(due), device=device)
        distributed.broadcast(told, src=0)
        return bool(told)

    def _report(self, state: TrainerState, *, done: bool = False) -> None:
        """Tell the listener how far the run is."""
        if self.listener is not None:
            step = state.global_step
            self.listener(Report(step, state.max_steps, self.epoch_at(step), self.history, done))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Record what training logged."""
        if logs and "loss" in logs:
            record = Epoch(
                epoch=self.epoch_at(state.global_step),
                step=state.global_step,
                train_loss=float(logs["loss"]),
                learning_rate=float(logs["learning_rate"]),
                gradient_norm=float(logs["grad_norm"]),
                clipped=float(logs["clipped"]),
            )
            self.history.append(record)
            self.loss_sum = torch.zeros(())
            self.gradient_norms.clear()

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Record the validation figures, keep the weights if they are the best so far, stop when patience is out."""
        assert metrics is not None  # noqa: S101 - the Trainer's contract, narrowed for the type checker
        figures = {f"validation_{name}": metrics[f"eval_{name}"] for name in ("loss", "accuracy", "macro_f1")}
        self.history[-1] = self.history[-1].model_copy(update=figures)
        figure = (
            -metrics["eval_loss"]
            if self.settings.choose_by == "log_loss"
            else metrics[f"eval_{self.settings.choose_by}"]
        )
        if figure > self.best_figure:
            self.best_figure, self.best_epoch, self.epochs_without_gain = figure, self.history[-1].epoch, 0
            # The Trainer's `evaluate` has put the mean weights in place when there are any.
            self.best = {name: value.detach().clone() for name, value in kwargs["model"].state_dict().items()}
        else:
            self.epochs_without_gain += 1
        # The epochs of a small subset are a few updates long: patience must not undo `min_updates`.
        trained_enough = state.global_step >= self.settings.min_updates
        patience = self.settings.patience
        if patience is not None and trained_enough and self.epochs_without_gain >= patience:
            control.should_training_stop = True
            self.stopped_early = state.global_step < state.max_steps

    def finish(self, model: torch.nn.Module) -> None:
        """Leave the chosen weights in the model: the best epoch's, or the mean ones, or the last.

        Args:
            model: the trained network.
        """
        if self.best:
            model.load_state_dict(self.best)
        else:
            self.best_epoch = self.history[-1].epoch
            if self.average is not None:
                self.average.swap()

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Put our own state into the checkpoint that the Trainer has just written."""
        self._saved_at = time.monotonic()
        loss_sum = self.loss_sum.clone()
        if distributed.is_initialized():  # whoever resumes starts from the mean
            distributed.all_reduce(loss_sum)
            loss_sum /= distributed.get_world_size()
        if not state.is_world_process_zero:  # all processes hold the same weights
            return
        folder = Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"
        means = self.average.mean if self.average is not None else []
        weights = {f"best.{name}": value for name, value in self.best.items()}
        weights |= {f"mean.{index:04d}": value for index, value in enumerate(means)}
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS_FILE)
        own = {
            "history": [record.model_dump() for record in self.history],
            "best_epoch": self.best_epoch,
            "best_figure": self.best_figure if self.best else None,
            "epochs_without_gain": self.epochs_without_gain,
            "stopped_early": self.stopped_early,
            "loss_sum": loss_sum.item(),
            "gradient_norms": self.gradient_norms,
            "seconds": time.perf_counter() - self._began,
            "evaluation_seconds": self.evaluation_seconds,
        }
        # By rename, and last: a checkpoint that has this file is whole, as long as the digests in it hold.
        write_last(folder / STATE_FILE, own)

    def resume(self, folder: Path) -> None:
        """Take up our own state from a checkpoint.

        Args:
            folder: a checkpoint that `on_save` has completed.
        """
        own = read_last(folder / STATE_FILE)
        self.history = [Epoch.model_validate(record) for record in own["history"]]
        self.best_epoch, self.epochs_without_gain = own["best_epoch"], own["epochs_without_gain"]
        self.stopped_early = own["stopped_early"]
        self.loss_sum = torch.tensor(own["loss_sum"])
        self.gradient_norms = own["gradient_norms"]
        self.seconds, self.evaluation_seconds = own["seconds"], own["evaluation_seconds"]
        self.best_figure = float("-inf") if own["best_figure"] is None else own["best_figure"]
        weights = load_file(folder / WEIGHTS_FILE)
        self.best = {name.removeprefix("best."): value for name, value in weights.items() if name.startswith("best.")}
        self._resumed_means = tuple(weights[name] for name in sorted(weights) if name.startswith("mean."))
