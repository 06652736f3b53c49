"""One pretraining run: language models, their optimizer, and where both stand in the text.

The text is one stream, cut into parts that are read side by side, a window at a time; states are carried from window to
window, gradients are not (truncated back-propagation through time). The backward model reads the same stream from its
end. The regularizers are those of AWD-LSTM (Merity et al. 2018): dropped recurrent weights, locked and embedding
dropout (keys of `model:`), activation regularization, averaged weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor
from torch.nn import functional

from textlstm.errors import DataError, NonFiniteLossError
from textlstm.model import TextLSTMForLanguageModeling
from textlstm.model.kernel import State
from textlstm.recipe import Recipe
from textlstm.text.streams import stream
from textlstm.text.token_stream import TokenStream, side_by_side
from textlstm.training.optimizer import RowwiseAdamW, WeightAverage, clip_gradients, parameter_groups
from textlstm.training.pretraining_state import read_state, write_state
from textlstm.training.sampled_softmax import WordSampler, sampled_softmax_loss
from textlstm.training.schedules import learning_rate_schedule

_VALIDATION_STREAMS = 8
_REPORTS = 20


class PretrainingRecord(BaseModel):
    """How far the models were at one point.

    Attributes:
        step: updates done.
        train_loss: mean since the last record, in nats a word; of the sampled softmax where one is used.
        perplexity: on the texts kept out, both directions' mean loss; None between passes.
    """

    step: int
    train_loss: float
    perplexity: float | None = None


@dataclass(frozen=True)
class PretrainingReport:
    """How far a run is, for whoever shows progress.

    Attributes:
        step: updates done.
        steps: updates planned.
        history: records so far.
    """

    step: int
    steps: int
    history: list[PretrainingRecord]


Listener = Callable[[PretrainingReport], None]


class PretrainingRun:
    """One pretraining run: model, optimizer, and where it stands in the text."""

    def __init__(
        self, recipe: Recipe, model: TextLSTMForLanguageModeling, text: TokenStream, device: torch.device
    ) -> None:
        """Make everything that is needed for the first update.

        Args:
            recipe: `model`, `language_model`, `training` and `seed` are read.
            model: fresh; it is brought to the device, and begins as word frequencies.
            text: to train on, and what is kept out of it.
            device: where to train.

        Raises:
            DataError: the text is shorter than one window.
        """
        self.recipe, self.text, self.device = recipe, text, device
        placed: Any = model  # transformers' own types know no device here
        self.model: TextLSTMForLanguageModeling = placed.to(device)
        share = (text.counts + 1.0) / (text.counts + 1.0).sum()
        with torch.no_grad():  # the models begin as word frequencies, which they need not learn
            model.output_bias.copy_(torch.from_numpy(np.log(share)).expand_as(model.output_bias))
        part, settings = recipe.language_model, recipe.training
        self.window = part.window
        # Short texts are not cut into slivers: each part is some windows long.
        self.streams = max(1, min(settings.batch_size, len(text.train) // (4 * self.window)))
        self.windows = (len(text.train) - self.window) // self.streams // self.window
        if self.windows < 1:
            raise DataError(
                f"A pass over the text should be at least one window of {self.window} tokens beside the one that each"
                f" pass begins in, and the text has {len(text.train)} tokens; give more text, or lower"
                " language_model.window."
            )
        self.steps = settings.epochs * self.windows
        # On a CPU only the rows of a sample's words are updated; with the whole softmax every row has a gradient.
        embedding = model.get_input_embeddings()
        assert isinstance(embedding, torch.nn.Embedding)  # noqa: S101 - the model's own contract
        embedding.sparse = device.type == "cpu" and part.sampled_words > 0
        self.sampler = WordSampler(text.counts, words=part.sampled_words) if part.sampled_words else None
        groups = parameter_groups(
            model,
            learning_rate=settings.learning_rate,
            embedding_learning_rate=settings.embedding_learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.optimizer = RowwiseAdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98))
        self.schedule = learning_rate_schedule(self.optimizer, settings, updates=self.steps)
        self.average = WeightAverage(model, decay=settings.weight_averaging) if settings.weight_averaging else None
        self.states: list[list[State] | None] = [None] * model.directions
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.loss_sum, self.losses_since = 0.0, 0
        self.history: list[PretrainingRecord] = []
        torch.manual_seed(stream(recipe.seed, "dropout"))

    def train(self, checkpoints: Path, listener: Listener | None) -> None:
        """Make the updates that are left.

        Args:
            checkpoints: folder for them, one at a time.
            listener: called after every update.

        Raises:
            NonFiniteLossError: the loss or its gradient became NaN or infinite.
        """
        saved = time.monotonic()
        every = max(1, self.steps // _REPORTS)
        self.model.train(True)
        while self.step < self.steps:
            began = time.perf_counter()
            self._update()
            end = self.step % self.windows == 0
            if end or self.step % every == 0:
                perplexity = None
                if end:
                    perplexity = math.exp(float(np.mean(self.scored())))
                loss = self.loss_sum / self.losses_since
                self.history.append(PretrainingRecord(step=self.step, train_loss=loss, perplexity=perplexity))
                self.loss_sum, self.losses_since = 0.0, 0
            self.seconds += time.perf_counter() - began
            if time.monotonic() - saved >= self.recipe.training.checkpoint_seconds and self.step < self.steps:
                self.save(checkpoints)
                saved = time.monotonic()
            if listener is not None:
                listener(PretrainingReport(self.step, self.steps, self.history))

    def _update(self) -> None:
        """Read one window in each direction and make one update."""
        epoch, place = divmod(self.step, self.windows)
        if place == 0:
            self.states = [None] * self.model.directions
        # Windows begin elsewhere in every pass, so that no word always stands at a window's edge.
        offset = int(np.random.default_rng([stream(self.recipe.seed, "order"), epoch]).integers(self.window))
        loss = torch.zeros((), device=self.device)
        for direction in range(self.model.directions):
            ids = self.text.train[:: -1 if direction else 1]
            parts = side_by_side(ids, streams=self.streams, offset=offset)
            window = np.array(parts[:, place * self.window : (place + 1) * self.window + 1], dtype=np.int64)
            loss = loss + self._window_loss(torch.from_numpy(window).to(self.device), direction)
            self.tokens += window.shape[0] * (window.shape[1] - 1)
        loss = loss / self.model.directions
        loss.backward()
        norm = float(clip_gradients(self.model.parameters(), self.recipe.training.max_grad_norm))
        if not math.isfinite(norm):
            raise NonFiniteLossError(
                f"Loss and gradients should stay finite, and at update {self.step + 1} of {self.steps} the gradient"
                " norm is not; the learning rate is likely too high: lower training.learning_rate."
            )
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)

    def _window_loss(self, ids: Tensor, direction: int) -> Tensor:
        """Predict each next word of one window, (streams, window + 1) ids, and carry the states on."""
        part = self.recipe.language_model
        read = self.model.read(ids[:, :-1], direction, self.states[direction])
        self.states[direction] = [(hidden.detach(), cell.detach()) for hidden, cell in read.states]
        features, targets = read.features.flatten(0, 1), ids[:, 1:].t().flatten()
        if self.sampler is None:
            loss = functional.cross_entropy(self.model.scores(features, direction).float(), targets)
        else:
            loss = sampled_softmax_loss(self.model, features, targets, direction, self.sampler)
        self.loss_sum += loss.item() / self.model.directions
        self.losses_since += direction == 0
        if part.activation_regularization:
            loss = loss + part.activation_regularization * read.dropped.square().mean()
        if part.temporal_regularization and read.raw.size(0) > 1:
            loss = loss + part.temporal_regularization * read.raw.diff(dim=0).square().mean()
        return loss

    def scored(self) -> list[float]:
        """Score the texts kept out, with the mean weights where they are kept."""
        if self.average is not None:
            self.average.swap()
        losses = self.validation_losses()
        if self.average is not None:
            self.average.swap()
        return losses

    @torch.no_grad()
    def validation_losses(self) -> list[float]:
        """Mean negative log likelihood of the texts kept out by direction, in nats, by the whole softmax."""
        self.model.train(False)
        means = []
        held_out = self.text.validation
        streams = max(1, min(_VALIDATION_STREAMS, len(held_out) // (4 * self.window)))
        for direction in range(self.model.directions):
            parts = side_by_side(held_out[:: -1 if direction else 1], streams=streams)
            states: list[State] | None = None
            total, count = 0.0, 0
            for start in range(0, parts.shape[1] - 1, self.window):
                ids = torch.from_numpy(np.array(parts[:, start : start + self.window + 1], dtype=np.int64))
                ids = ids.to(self.device)
                read = self.model.read(ids[:, :-1], direction, states)
                states = read.states
                scores = self.model.scores(read.features.flatten(0, 1), direction)
                total += functional.cross_entropy(scores.float(), ids[:, 1:].t().flatten(), reduction="sum").item()
                count += scores.shape[0]
            means.append(total / count)
        self.model.train(True)
        return means

    def save(self, checkpoints: Path) -> None:
        """Write a checkpoint; the one before it is removed after that.

        Args:
            checkpoints: folder for them.
        """
        write_state(
            checkpoints / f"checkpoint-{self.step}",
            model=self.model,
            optimizer=self.optimizer,
            states=self.states,
            means=self.average.mean if self.average is not None else [],
            device=self.device,
            own={
                "step": self.step,
                "tokens": self.tokens,
                "seconds": self.seconds,
                "loss_sum": self.loss_sum,
                "losses_since": self.losses_since,
                "history": [record.model_dump() for record in self.history],
                "schedule": {key: value for key, value in self.schedule.state_dict().items() if key != "lr_lambdas"},
            },
        )

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint.

        Args:
            checkpoint: one that `save` wrote.
        """
        means = self.average.mean if self.average is not None else []
        own, self.states = read_state(
            checkpoint, model=self.model, optimizer=self.optimizer, means=means, device=self.device
        )
        self.step, self.tokens, self.seconds = own["step"], own["tokens"], own["seconds"]
        self.loss_sum, self.losses_since = own["loss_sum"], own["losses_since"]
        self.history = [PretrainingRecord.model_validate(record) for record in own["history"]]
        kept = self.schedule.state_dict()
        self.schedule.load_state_dict({**kept, **own["schedule"]})
        for group, rate in zip(self.optimizer.param_groups, own["schedule"]["_last_lr"], strict=True):
            group["lr"] = rate
