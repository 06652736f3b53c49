"""What a stack remembers: how long its forget gates keep a cell, and which gates and units are stuck.

Gates are recomputed step by step on the user's texts (`steps.read_steps`). A unit's half-life is ln 2 / -mean(ln f),
with the mean over the words it reads: the number of words after which half of a cell's value is left if nothing is
written into it. It bounds what the cell can hold; whether anything worth holding was written, it does not say
(`influence.py` asks for that). Saturation is that of Karpathy, Johnson & Fei-Fei (2016, "Visualizing and Understanding
Recurrent Networks"): a gate is closed below 0.1 and open above 0.9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.steps import DIRECTIONS, DirectionSteps, read_steps, text_batches
from textlstm.errors import DataError, ModelError
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

Floats = NDArray[np.float64]

TEXTS, MAX_TOKENS = 256, 512
CLOSED, OPEN = 0.1, 0.9
STUCK_SHARE = 0.95
"""Share of the words from which on a gate that is open, or closed, is called stuck."""
DEAD_SPREAD = 0.01
"""Standard deviation over words below which a unit's state says the same about every word."""


@dataclass(frozen=True, eq=False)
class GateMemory:
    """One direction of one layer on some texts; arrays have one entry a unit.

    Attributes:
        layer: counted from 1, the lowest.
        direction: forward or backward.
        forget: (hidden,) mean forget gate over words.
        half_life: (hidden,) words after which half of a cell's value is left; infinite for a gate that never forgets.
        open_share: (3, hidden) share of words at which a gate is above 0.9; rows are input, forget, output.
        closed_share: (3, hidden) share of words at which it is below 0.1.
        mean: (hidden,) mean state over words.
        spread: (hidden,) standard deviation of the state over words.
        saturated: (hidden,) whether one of the unit's gates is open, or closed, at 95 % of the words.
        dead: (hidden,) whether the unit's state hardly varies over words (standard deviation below 0.01).
        words: words read.
    """

    layer: int
    direction: str
    forget: Floats
    half_life: Floats
    open_share: Floats
    closed_share: Floats
    mean: Floats
    spread: Floats
    saturated: NDArray[np.bool_]
    dead: NDArray[np.bool_]
    words: int

    def summary(self) -> dict[str, Any]:
        """Give one plain row for a table.

        Returns:
            Mean forget gate, quartiles of the half-life in words, shares of saturated and of dead units.
        """
        low, middle, high = np.quantile(self.half_life, (0.25, 0.5, 0.75), method="nearest")
        return {
            "layer": self.layer,
            "direction": self.direction,
            "forget": float(self.forget.mean()),
            "half_life_low": float(low),
            "half_life": float(middle),
            "half_life_high": float(high),
            "saturated": float(self.saturated.mean()),
            "dead": float(self.dead.mean()),
        }


def gate_memory(
    model: TextLSTMForSequenceClassification,
    encoded: Encoded,
    *,
    texts: int = TEXTS,
    max_tokens: int = MAX_TOKENS,
    seed: int = 0,
) -> list[GateMemory]:
    """Read the gates of a stack on texts, in eval mode; the model is left as it was.

    Args:
        model: of one layer or more, on its device.
        encoded: ids of real texts.
        texts: texts to draw.
        max_tokens: words after which a text is cut.
        seed: of the draw.

    Returns:
        One entry a layer and direction, lowest layer first.

    Raises:
        ModelError: the model has no layers.
        DataError: there is no text with a token.
    """
    if model.config.num_layers < 1:
        raise ModelError("Gates belong to LSTM layers, and this model has none; give it one or more.")
    batches = text_batches(
        encoded, most=texts, max_tokens=max_tokens, batch_rows=32, pad_id=model.config.pad_token_id, seed=seed
    )
    if not batches:
        raise DataError("Gates are read on texts, and there is none with a token; give at least one text.")
    sums: dict[tuple[int, int], _Sums] = {}
    with torch.inference_mode():
        for ids, lengths in batches:
            steps = read_steps(model, ids.to(model.device), lengths.to(model.device))
            inside = (torch.arange(ids.size(1))[:, None] < lengths).to(model.device)  # in every order of reading
            for layer, directions in enumerate(steps.layers):
                for number, own in enumerate(directions):
                    sums.setdefault((layer, number), _Sums()).add(own, inside)
    return [total.close(layer + 1, DIRECTIONS[number]) for (layer, number), total in sorted(sums.items())]


class _Sums:
    """Sums over words, from which means and shares follow; float64, so that long texts lose nothing."""

    def __init__(self) -> None:
        self.words = 0
        self.totals: dict[str, Floats] = {}

    def add(self, own: DirectionSteps, inside: torch.Tensor) -> None:
        """Take in a batch; `inside` (time, batch) marks words."""
        gates = torch.stack([own.gates[name][inside] for name in ("input", "forget", "output")]).double()
        hidden = own.hidden[inside].double()
        tiny = torch.finfo(torch.float32).tiny  # a hard sigmoid may reach zero
        found = {
            "forget": gates[1].sum(dim=0),
            "log_forget": gates[1].clamp(min=tiny).log().sum(dim=0),
            "open": (gates > OPEN).double().sum(dim=1),
            "closed": (gates < CLOSED).double().sum(dim=1),
            "hidden": hidden.sum(dim=0),
            "square": hidden.square().sum(dim=0),
        }
        self.words += len(hidden)
        for name, value in found.items():
            self.totals[name] = self.totals.get(name, np.zeros(())) + value.cpu().numpy()

    def close(self, layer: int, direction: str) -> GateMemory:
        """Turn the sums into what is shown."""
        per_word = {name: total / self.words for name, total in self.totals.items()}
        spread = np.sqrt(np.maximum(per_word["square"] - per_word["hidden"] ** 2, 0.0))
        decay = -per_word["log_forget"]
        half_life = np.divide(np.log(2.0), decay, out=np.full(decay.shape, np.inf), where=decay > 0)
        stuck = (per_word["open"] >= STUCK_SHARE) | (per_word["closed"] >= STUCK_SHARE)
        return GateMemory(
            layer=layer,
            direction=direction,
            forget=per_word["forget"],
            half_life=half_life,
            open_share=per_word["open"],
            closed_share=per_word["closed"],
            mean=per_word["hidden"],
            spread=spread,
            saturated=np.asarray(stuck.any(axis=0)),
            dead=spread < DEAD_SPREAD,
            words=self.words,
        )
