"""The course of the learning rate over a run whose number of updates is known."""

from __future__ import annotations

from typing import Any

import torch
from transformers import get_scheduler

from textlstm.recipe_sections import TrainingSection

SLANT = 32
"""The highest rate of the slanted triangle over the lowest (Howard & Ruder 2018, section 3.2)."""


def learning_rate_schedule(optimizer: torch.optim.Optimizer, settings: TrainingSection, *, updates: int) -> Any:  # noqa: ANN401
    """Warm up, then follow the recipe's schedule.

    Args:
        optimizer: each group's rate is the highest that it will have.
        settings: `schedule` and `warmup` are read.
        updates: planned.

    Returns:
        A scheduler of torch, stepped once an update.
    """
    warm = round(settings.warmup * updates)
    if settings.schedule == "one_cycle":
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=updates + 1,
            pct_start=max(settings.warmup, 1e-6),
            cycle_momentum=False,
        )
    if settings.schedule == "slanted_triangular":
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: slanted_share(step, warm=warm, updates=updates)
        )
    name = {"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule)
    return get_scheduler(name, optimizer, warm, updates)


def slanted_share(step: int, *, warm: int, updates: int) -> float:
    """Give the share of the highest rate in the slanted triangle of Howard & Ruder 2018, equation 3.

    Args:
        step: updates done.
        warm: updates of the short rising side.
        updates: planned.

    Returns:
        From 1/32, up to 1 after `warm` updates, down to 1/32 at the end.
    """
    rising = step / max(warm, 1) if step < warm else max(0.0, (updates - step) / max(updates - warm, 1))
    return (1 + rising * (SLANT - 1)) / SLANT
