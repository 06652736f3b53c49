"""A learning-rate range test: raise the rate at every update, and see where the loss falls fastest and where it breaks.

After Smith 2017 ("Cyclical Learning Rates for Training Neural Networks", section 3.3). The rate rises by one factor an
update; the loss is smoothed over updates without the bias of its start. Nothing is kept of the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from textlstm.errors import NonFiniteLossError
from textlstm.inference.torch_classifier import choose_device
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.streams import stream
from textlstm.training.embeddings import update_settings
from textlstm.training.epoch_plan import EpochPlan, TokenRows
from textlstm.training.optimizer import RowwiseAdamW, clip_gradients, parameter_groups
from textlstm.training.preparation import build_config, build_model, prepare
from textlstm.training.run_objective import objective_of_run
from textlstm.training.transfer import load_encoder
from textlstm.training.unlabeled_rows import load_unlabeled

_SMOOTHING = 0.9
_BROKEN = 2.0
"""Times the smallest smoothed loss beyond which a higher rate teaches nothing more."""


@dataclass(frozen=True)
class RateTest:
    """What the rates did.

    Attributes:
        rates: tried, rising, one an update.
        losses: of the update's batch before it, in nats, smoothed.
        steepest: the rate at which the smoothed loss fell fastest per factor of the rate: a fair highest rate.
        lowest_loss: the rate at which it was smallest; above it training is likely to break.
        broke: whether the loss grew beyond repair before the last rate.
    """

    rates: list[float]
    losses: list[float]
    steepest: float
    lowest_loss: float
    broke: bool


def find_rate(
    recipe: Recipe, data: TextData, *, lowest: float = 1e-5, highest: float = 1.0, updates: int = 100
) -> RateTest:
    """Try rising learning rates on a recipe's training rows.

    Embeddings and layers with rates of their own keep their ratio to `training.learning_rate`.

    Args:
        recipe: one cell; its schedule and rate are not read.
        data: all splits; validation and test stay unread.
        lowest: rate of the first update.
        highest: rate of the last one.
        updates: to make, at most.

    Returns:
        Rates, losses and what to take.

    Raises:
        DataError: the data or the size does not fit.
        RecipeError: the options do not go together.
        NonFiniteLossError: the loss is no number before anything is learned.
    """
    device = choose_device(recipe.device)
    torch.set_num_threads(recipe.threads)
    prepared = prepare(recipe, data)
    encoder = load_encoder(recipe.transfer.encoder) if recipe.transfer.encoder is not None else None
    built = build_model(build_config(recipe, prepared), seed=recipe.seed, vectors=prepared.vectors, encoder=encoder)
    model = built.to(device).train(True)  # type: ignore[arg-type]  # transformers' own types know no device here
    settings = update_settings(recipe.training, recipe.embeddings)
    own, factor = settings.learning_rate, 1.0
    embedding_rate = settings.embedding_learning_rate
    if encoder is not None:
        factor = recipe.transfer.rate_factor
        embedding_rate = own / factor ** (recipe.model.num_layers + 1)
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, torch.nn.Embedding)  # noqa: S101 - the model's own contract
    groups = parameter_groups(
        model,
        learning_rate=own,
        embedding_learning_rate=embedding_rate,
        weight_decay=settings.weight_decay,
        rate_factor=factor,
    )
    embedding.sparse = device.type == "cpu" and embedding.weight.requires_grad
    shares = [group["lr"] / own for group in groups]
    optimizer = RowwiseAdamW(groups, lr=own, betas=(0.9, 0.98))
    encoded, labels = prepared.learned
    rows = TokenRows(encoded, labels, pad_id=prepared.tokenizer.pad_token_id)
    plan = EpochPlan(
        encoded.lengths,
        batch_size=settings.batch_size,
        epochs=1,
        min_batches=updates,
        seed=stream(recipe.seed, "order"),
    )
    objective = objective_of_run(recipe, prepared, load_unlabeled(recipe, prepared))
    torch.manual_seed(stream(recipe.seed, "dropout"))
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    for step, batch in zip(range(updates), plan, strict=False):
        rate = lowest * (highest / lowest) ** (step / max(1, updates - 1))
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = rate * share
        inputs = {name: value.to(device) for name, value in rows.__getitems__(batch).items()}
        loss, _ = objective(model, model, inputs)
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss.item()
        smoothed = mean / (1 - _SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) and not losses:
            raise NonFiniteLossError(
                f"The loss should be finite before anything is learned, and it is {smoothed} at the first batch; look"
                " at the vectors or the encoder that the model starts from."
            )
        if not math.isfinite(smoothed) or (losses and smoothed > _BROKEN * min(losses)):
            return _judge(rates, losses, broke=True)
        rates.append(rate)
        losses.append(smoothed)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_gradients(model.parameters(), settings.max_grad_norm)
        optimizer.step()
    return _judge(rates, losses, broke=False)


def _judge(rates: list[float], losses: list[float], *, broke: bool) -> RateTest:
    """Find the rate at which the loss falls fastest before its lowest point."""
    least = int(np.argmin(losses))
    falling = np.gradient(np.array(losses), np.log(rates))[: least + 1] if len(losses) > 1 else np.zeros(1)
    return RateTest(rates, losses, rates[int(np.argmin(falling))], rates[least], broke)
