"""Watching a run from inside: gradient norms by part before clipping, and a probe of the network at three moments.

A watched run ends with the same weights as one that nobody watches: nothing here draws random numbers of the run, and
nothing is written into the network.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from textlstm.model import TextLSTMForSequenceClassification

Seen = TypeVar("Seen")
Moment = Literal["start", "middle", "end"]
Probe = Callable[[TextLSTMForSequenceClassification], Seen]

RECORDS = 200
"""Updates of a run whose norms are kept by part: evenly spaced, so that the cost does not grow with the run."""


@dataclass(frozen=True, eq=False)
class GradientRecord:
    """Gradient norms of a run, before clipping.

    Attributes:
        parts: names of the parts: embeddings, layer 1 and up, pooling where it has weights, classifier.
        steps: (records,) updates, counted from 1, of which norms were kept by part.
        norms: (records, parts) L2 norm of each part's gradient.
        totals: (updates,) L2 norm of the whole gradient, at every update that was watched.
        limit: norm above which the whole gradient is scaled down to it.
    """

    parts: tuple[str, ...]
    steps: NDArray[np.int64]
    norms: NDArray[np.float64]
    totals: NDArray[np.float64]
    limit: float

    @property
    def clipped(self) -> float:
        """Share of the updates whose gradient was scaled down; NaN where none was watched."""
        return float((self.totals > self.limit).mean()) if len(self.totals) else float("nan")


class TrainingWatch(Generic[Seen]):
    """Takes notes while a run goes on; give it to `finetuning.train`.

    A run that is resumed is watched from there on.

    Attributes:
        seen: what the probe gave, by moment: before the first update, at half of the planned updates (absent where the
            run ended before), and of the weights that the run leaves.
        seconds: that watching took, the probe included.
    """

    def __init__(self, probe: Probe[Seen] | None = None) -> None:
        """Set out.

        Args:
            probe: looks at the network and leaves it alone; called at up to three moments.
        """
        self.probe = probe
        self.seen: dict[Moment, Seen] = {}
        self.seconds = 0.0
        self._parts: dict[str, list[torch.nn.Parameter]] = {}
        self._every = 1
        self._limit = float("inf")
        self._steps: list[int] = []
        self._norms: list[list[float]] = []
        self._totals: list[float] = []

    def before_step(self, network: TextLSTMForSequenceClassification, *, done: int, planned: int) -> None:
        """Look at the network before a batch.

        Args:
            network: being trained.
            done: updates so far.
            planned: updates in all.
        """
        self._every = max(1, planned // RECORDS)
        if done == 0:
            self._look("start", network)
        elif done >= planned // 2:
            self._look("middle", network)

    def after_clipping(
        self, network: TextLSTMForSequenceClassification, *, step: int, norm: float, limit: float
    ) -> None:
        """Note an update's gradient, whose scaling is undone here.

        Args:
            network: with the gradients of the update, after `clip_gradients`.
            step: number of the update, counted from 1.
            norm: of the whole gradient before clipping.
            limit: of clipping.
        """
        started = time.perf_counter()
        self._limit = limit
        self._totals.append(norm)
        if (step - 1) % self._every == 0:
            if not self._parts:
                self._parts = _by_part(network)
            scale = min(1.0, limit / (norm + 1e-6))  # the factor of `clip_gradients`
            self._steps.append(step)
            self._norms.append([_norm(parameters) / scale for parameters in self._parts.values()])
        self.seconds += time.perf_counter() - started

    def finish(self, network: TextLSTMForSequenceClassification) -> None:
        """Look at the weights that the run leaves.

        Args:
            network: with the chosen weights in place.
        """
        self._look("end", network)

    @property
    def record(self) -> GradientRecord:
        """The gradient norms so far."""
        return GradientRecord(
            parts=tuple(self._parts),
            steps=np.array(self._steps, dtype=np.int64),
            norms=np.array(self._norms, dtype=np.float64).reshape(len(self._steps), len(self._parts)),
            totals=np.array(self._totals, dtype=np.float64),
            limit=self._limit,
        )

    def _look(self, moment: Moment, network: TextLSTMForSequenceClassification) -> None:
        """Call the probe, once a moment."""
        if self.probe is not None and moment not in self.seen:
            started = time.perf_counter()
            self.seen[moment] = self.probe(network)
            self.seconds += time.perf_counter() - started


def _by_part(network: TextLSTMForSequenceClassification) -> dict[str, list[torch.nn.Parameter]]:
    """Sort the trained parameters by part; a layer's norm and shortcut count to it."""
    parts: dict[str, list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            parts.setdefault(_part_of(name), []).append(parameter)
    return parts


def _part_of(name: str) -> str:
    """Name the part that a parameter belongs to."""
    if match := re.match(r"lstm\.layers\.(\d+)\.", name):
        return f"layer {int(match[1]) + 1}"
    if match := re.match(r"lstm\.(?:layer_norms|shortcuts)\.(\d+)\.", name):
        return f"layer {int(match[1]) + 2}"  # these begin with the second layer
    return {"embedding": "embeddings", "pooling": "pooling"}.get(name.split(".")[1], "classifier")


def _norm(parameters: list[torch.nn.Parameter]) -> float:
    """L2 norm of some parameters' gradients; sparse ones are coalesced already."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    values = [gradient._values() if gradient.is_sparse else gradient for gradient in gradients]
    return float(torch.nn.utils.get_total_norm(values)) if values else 0.0
