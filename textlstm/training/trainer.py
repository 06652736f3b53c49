"""One subclass of transformers' Trainer: token-budget batches, row-wise updates, one rule for the best epoch.

To the Trainer the whole run is one pass over a sampler that yields the batches of all epochs in turn. Epochs differ in
their number of batches (they are cut by tokens, after a shuffle), so a count of passes would not give a count of steps,
and the learning rate needs that count before the first one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import Trainer

from textlstm.errors import NonFiniteLossError
from textlstm.inference.decisions import probabilities_from_logits
from textlstm.inference.torch_classifier import predict_logits
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.recipe_sections import TrainingSection
from textlstm.text.tokenization import Encoded
from textlstm.training.epoch_plan import EpochPlan, TokenRows
from textlstm.training.evaluation import quick_scores
from textlstm.training.objectives import Objective
from textlstm.training.optimizer import RowwiseAdamW, clip_gradients, parameter_groups
from textlstm.training.progress import RunProgress
from textlstm.training.schedules import learning_rate_schedule
from textlstm.training.watch import TrainingWatch


class TextLSTMTrainer(Trainer):
    """Trainer with this package's batches, optimizer, clipping and scoring.

    What it finds out on the way is kept by `progress`, which writes it into checkpoints.
    """

    def __init__(
        self,
        *,
        network: TextLSTMForSequenceClassification,
        rows: TokenRows,
        plan: EpochPlan,
        settings: TrainingSection,
        progress: RunProgress,
        validation: tuple[Encoded, np.ndarray] | None,
        watch: TrainingWatch[Any] | None = None,
        frozen_updates: int = 0,
        objective: Objective | None = None,
        rate_factor: float = 1.0,
        thaw: Mapping[str, int] | None = None,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Pass what is ours by name and the rest to transformers.

        Args:
            network: the model to train.
            rows: the training rows.
            plan: the batches.
            settings: the recipe's `training:` part.
            progress: keeps history, best and mean weights.
            validation: ids and labels that choose the epoch.
            watch: takes notes of gradients and weights.
            frozen_updates: so many updates at the beginning leave the word embeddings alone.
            objective: the loss of a batch; the labels' alone when None.
            rate_factor: divides the learning rate from one layer to the one below.
            thaw: by the beginning of a parameter's name, so many updates at the beginning leave it alone.
            **kwargs: `args`, as `transformers.Trainer` takes it.
        """
        super().__init__(model=network, train_dataset=rows, callbacks=[progress], **kwargs)
        self.network, self.rows = network, rows
        self.plan, self.settings, self.progress, self.validation = plan, settings, progress, validation
        self.watch, self.frozen_updates = watch, frozen_updates
        self.objective: Objective = Objective() if objective is None else objective
        self.rate_factor = rate_factor
        self.thaw = dict(thaw or {})

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One loader over all epochs' batches."""
        loader = DataLoader(self.rows, batch_sampler=self.plan, collate_fn=lambda batch: batch)
        prepared: DataLoader[Any] = self.accelerator.prepare(loader)
        return prepared

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the row-wise AdamW; on CPU the embedding gradient is sparse, so only the batch's rows are touched."""
        if self.optimizer is None:
            embedding = self.network.get_input_embeddings()
            # NCCL cannot be relied on to reduce sparse gradients, and on a GPU the dense update costs little.
            assert isinstance(embedding, torch.nn.Embedding)  # noqa: S101 - the model's own contract
            embedding.sparse = self.args.device.type == "cpu" and embedding.weight.requires_grad
            groups = parameter_groups(
                self.network,
                learning_rate=self.settings.learning_rate,
                embedding_learning_rate=self.settings.embedding_learning_rate,
                weight_decay=self.settings.weight_decay,
                rate_factor=self.rate_factor,
            )
            fused = self.args.device.type in ("cpu", "cuda", "mps")
            self.optimizer = RowwiseAdamW(groups, lr=self.settings.learning_rate, betas=(0.9, 0.98), fused=fused)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:  # noqa: ANN401
        """Warm up, then follow the recipe's schedule over the planned number of updates."""
        if self.lr_scheduler is None:
            chosen = optimizer or self.create_optimizer()
            self.lr_scheduler = learning_rate_schedule(chosen, self.settings, updates=num_training_steps)
        return self.lr_scheduler

    def evaluate(self, *args: object, **kwargs: object) -> dict[str, float]:
        """Score validation with the mean weights where they are kept, else with the live ones.

        The Trainer's own loop pads by input order and keeps no rule for mean weights; every process scores all rows.

        Args:
            *args: the Trainer passes none that matter here.
            **kwargs: likewise.

        Returns:
            `eval_loss` (log loss in nats), `eval_accuracy` and `eval_macro_f1` (shares).

        Raises:
            NonFiniteLossError: a score became NaN or infinite.
        """
        assert self.validation is not None  # noqa: S101 - asked for only when there is a validation split
        encoded, labels = self.validation
        started = time.perf_counter()
        average = self.progress.average
        if average is not None:
            average.swap()
        logits = predict_logits(self.network, encoded)
        if not np.isfinite(logits).all():
            raise NonFiniteLossError(self._explain("the scores of the validation rows", float("nan")))
        scores = quick_scores(labels, probabilities_from_logits(logits, multi_label=labels.ndim == 2))
        metrics = {f"eval_{name}": value for name, value in scores.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        if average is not None:
            average.swap()
        self.progress.evaluation_seconds += time.perf_counter() - started
        return metrics

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401
        """Compute a batch's loss as the objective says.

        Args:
            model: the network, wrapped where several processes train it.
            inputs: a batch of `TokenRows`.
            return_outputs: whether to give the model's output too.
            num_items_in_batch: not needed; the loss is a mean over the batch.

        Returns:
            The loss, or the loss and the output.
        """
        loss, output = self.objective(model, self.network, inputs)
        return (loss, output) if return_outputs else loss

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:  # noqa: ANN401
        """Compute one batch's gradients, and add up its loss."""
        if self.watch is not None:
            self.watch.before_step(self.network, done=self.state.global_step, planned=self.state.max_steps)
        loss = super().training_step(*args, **kwargs)
        self.progress.loss_sum = self.progress.loss_sum.to(loss.device) + loss
        return loss

    def _clip_grad_norm(self, model: torch.nn.Module) -> torch.Tensor:
        """Clip as the recipe says, and stop at the first norm that is no number."""
        scaler = getattr(self.accelerator, "scaler", None)
        if scaler is not None:
            self.accelerator.unscale_gradients()
        if self.state.global_step < self.frozen_updates:
            # Not `requires_grad`: several processes agree on the parameters with gradients before the first step.
            self.network.get_input_embeddings().weight.grad = None
        if any(self.state.global_step < updates for updates in self.thaw.values()):
            still = tuple(start for start, updates in self.thaw.items() if self.state.global_step < updates)
            for name, parameter in self.network.named_parameters():
                if name.startswith(still):
                    parameter.grad = None
        norm = clip_gradients(model.parameters(), self.args.max_grad_norm)
        value = norm.item()
        # In half precision the scaler itself meets an infinite norm by skipping the step and lowering its scale.
        if np.isfinite(value):
            self.progress.gradient_norms.append(value)
            if self.watch is not None:
                step = self.state.global_step + 1
                self.watch.after_clipping(self.network, step=step, norm=value, limit=self.args.max_grad_norm)
        elif scaler is None:
            raise NonFiniteLossError(self._explain("the gradient norm", value))
        return norm

    def _explain(self, what: str, value: float) -> str:
        """Word a value that is no number with its step, its likely cause and the mend."""
        # The norms since the last record, or the mean that went into it.
        norms = [*(record.gradient_norm for record in self.progress.history), *self.progress.gradient_norms]
        before = f"gradient norm {norms[-1]:.3g} before that" if norms else "no gradient norm is known before that"
        return (
            f"Loss and gradients should stay finite, and at step {self.state.global_step + 1} of {self.state.max_steps}"
            f" {what} became {value} ({before}, its limit {self.args.max_grad_norm:g}, learning rate"
            f" {self._get_learning_rate():.2g}); the learning rate is likely too high: lower training.learning_rate."
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Word a record of training: mean loss and gradient norm, and the share of clipped steps, since the last one.

        The Trainer's own mean starts anew when a run is resumed in the middle of an epoch; this sum does not.
        """
        if "loss" in logs:
            updates = self.state.global_step - (self.progress.history[-1].step if self.progress.history else 0)
            # A batch's loss comes divided by the number of batches of its update.
            total = self.accelerator.reduce(self.progress.loss_sum, reduction="mean").item()
            norms = np.array(self.progress.gradient_norms or [0.0])
            logs["loss"] = total / updates
            logs["grad_norm"] = float(norms.mean())
            logs["clipped"] = float((norms > self.args.max_grad_norm).mean())
        super().log(logs, start_time)
