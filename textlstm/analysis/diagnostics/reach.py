"""Gradient reach: how much of a small change of a layer's state arrives at the top of the stack, by layer and distance.

What is computed. Let T be the last word that a direction reads (the text's last word forward, its first one backward),
y[T] that direction's half of what the top layer gives at T, and h[l, t] the state of layer l in the same direction
after the word at t, where t lies d = |T - t| words before T in its order of reading. J = dy[T] / dh[l, t] is the total
derivative: through the layer's own recurrence, through every layer above, its shortcuts and norms, and through the
other direction of the layers in between. For random orthonormal vectors u, |u J| is computed by backpropagation from
y[T]; no loss, no classifier and no pooling takes part. Since E |u J|^2 = |J|_F^2 / width of y (Hutchinson 1990, Commun.
Stat. Simul. Comput. 19), the root mean square over the vectors estimates the root mean square gain of J. It is 1 at the
top layer with d = 0, where J is the identity, whatever the stack. Over texts the geometric mean is taken: gains
multiply along a path.

Bengio, Simard & Frasconi (1994, IEEE Trans. Neural Netw. 5) and Pascanu, Mikolov & Bengio (2013, ICML) show that in a
plain recurrent network this norm falls or grows exponentially with d; the cell of an LSTM (Hochreiter & Schmidhuber
1997, Neural Comput. 9; with forget gates Gers, Schmidhuber & Cummins 2000, Neural Comput. 12) is there to hold it. The
state h, not the cell c, is what is nudged: a change of h enters the next word's gates and cell, and rides on there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from textlstm.analysis.diagnostics.steps import DIRECTIONS, StackSteps, read_steps, text_batches
from textlstm.errors import DataError, ModelError
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

Floats = NDArray[np.float64]

TEXTS, PROBES, MAX_TOKENS, FEWEST_TEXTS = 48, 2, 96, 6
_ROWS = 128  # texts times vectors a batch: below this a step's cost hardly depends on them
SMALLEST = 1e-30
"""Gains below this count as this: float32 ends soon after, and a single zero would make a geometric mean zero."""


@dataclass(frozen=True, eq=False)
class Reach:
    """A stack's gradient reach on some texts.

    Attributes:
        directions: names of the directions, as the first axis of `gains`.
        gains: (directions, layers + 1, distances) geometric mean over texts of the root mean square gain from the state
            of a level, `distance` words before the end of reading, to the top of the stack. Level 0 is the word
            embeddings, level k layer k. NaN where fewer than `fewest` texts are long enough: short texts tell nothing
            about long distances, and are left out there.
        spread: (directions, layers + 1, distances) standard deviation over texts of the natural logarithm of the gain.
        texts: (distances,) texts that are long enough for each distance.
        fewest: texts below which nothing is said.
        cut: texts that were read only up to the longest length looked at.
    """

    directions: tuple[str, ...]
    gains: Floats
    spread: Floats
    texts: NDArray[np.int64]
    fewest: int
    cut: int

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.gains.shape[1]) - 1

    @property
    def longest(self) -> int:
        """The longest distance that is spoken about; -1 where there is none."""
        return int((self.texts >= self.fewest).sum()) - 1

    @property
    def within(self) -> Floats:
        """(directions, distances) gain inside the top layer, from its own earlier states to its last."""
        return self.gains[:, -1]


@dataclass(frozen=True)
class ReachDistance:
    """How far back a level's state still counts.

    Attributes:
        direction: forward or backward.
        level: 0 for the embeddings, else the layer.
        words: the first distance from which on the gain stays below the share; the longest distance seen where
            `censored`.
        censored: whether the gain never fell that far on these texts: the true distance is longer.
    """

    direction: str
    level: int
    words: int
    censored: bool


def gradient_reach(
    model: TextLSTMForSequenceClassification,
    encoded: Encoded,
    *,
    texts: int = TEXTS,
    probes: int | None = PROBES,
    max_tokens: int = MAX_TOKENS,
    fewest: int = FEWEST_TEXTS,
    seed: int = 0,
) -> Reach:
    """Measure the gradient reach of a stack on texts, in eval mode; the model is left as it was.

    Args:
        model: of one layer or more, on its device.
        encoded: ids of real texts.
        texts: texts to draw.
        probes: random vectors a text and direction; as many as the top layer is wide (per direction) give the exact
            norm, which None asks for.
        max_tokens: words after which a text is cut, which bounds the cost; the state after the cut is then the end.
        fewest: texts below which a distance is left open.
        seed: of texts and vectors. No other stream of random numbers is touched.

    Returns:
        The map.

    Raises:
        ModelError: the model has no layers.
        DataError: there is no text with a token.
    """
    if model.config.num_layers < 1:
        raise ModelError("Gradient reach is measured between layers, and this model has none; give it one or more.")
    width = model.config.hidden_sizes[-1]
    probes = width if probes is None else min(probes, width)
    pad_id, batch_rows = model.config.pad_token_id, max(1, _ROWS // probes)
    batches = text_batches(encoded, most=texts, max_tokens=max_tokens, batch_rows=batch_rows, pad_id=pad_id, seed=seed)
    if not batches:
        raise DataError("Gradient reach is measured on texts, and there is none with a token; give at least one text.")
    directions = DIRECTIONS[: 2 if model.config.bidirectional else 1]
    longest = int(batches[0][1].max())
    total = sum(len(lengths) for _, lengths in batches)
    gains = np.full((total, len(directions), model.config.num_layers + 1, longest), np.nan)
    generator = torch.Generator().manual_seed(seed)
    start = 0
    for ids, lengths in batches:
        vectors = _orthonormal(len(ids), width, probes, generator).to(model.device)
        part = _batch_gains(model, ids.to(model.device), lengths.to(model.device), vectors)
        gains[start : start + len(ids), :, :, : part.shape[3]] = part
        start += len(ids)
    seen = np.isfinite(gains[:, 0, 0]).sum(axis=0)  # (distances,)
    logs = np.log(np.maximum(gains, SMALLEST))
    known = np.isfinite(logs)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, logs, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (logs - mean) ** 2, 0.0).sum(axis=0) / np.maximum(count - 1, 1))
    open_to_talk = seen >= fewest
    return Reach(
        directions=directions,
        gains=np.where(open_to_talk, np.exp(mean), np.nan),
        spread=np.where(open_to_talk, spread, np.nan),
        texts=seen,
        fewest=fewest,
        cut=int((encoded.lengths > max_tokens).sum()),
    )


def reach_distances(reach: Reach, *, share: float = 0.1) -> list[ReachDistance]:
    """Find how far back each level's state still moves the top of the stack.

    Args:
        reach: of `gradient_reach`.
        share: of the gain at distance 0; the distance at which the gain last stood at or above it bounds the reach.

    Returns:
        One entry a direction and level.
    """
    found = []
    for number, direction in enumerate(reach.directions):
        for level in range(reach.layers + 1):
            gains = reach.gains[number, level, : reach.longest + 1]
            if not len(gains):
                continue
            above = np.flatnonzero(gains >= share * gains[0])
            words = int(above[-1]) + 1
            censored = words > reach.longest
            found.append(ReachDistance(direction, level, min(words, reach.longest), censored))
    return found


def bottom_gain(reach: Reach, *, distances: int | None = None) -> float:
    """Sum a map up in one figure: what of the lowest layer arrives at the top, over the distances of the texts.

    Args:
        reach: of `gradient_reach`.
        distances: how many to count, from 0 up; all that are spoken about when None.

    Returns:
        Mean over directions and distances of the decimal logarithm of the gain from layer 1; 0 means that all arrives,
        -2 that a hundredth does. NaN where nothing is known.
    """
    end = reach.longest + 1 if distances is None else min(distances, reach.longest + 1)
    return float(np.log10(reach.gains[:, 1, :end]).mean()) if end > 0 else float("nan")


def _batch_gains(model: TextLSTMForSequenceClassification, ids: Tensor, lengths: Tensor, vectors: Tensor) -> Floats:
    """Backpropagate random vectors through one batch.

    Args:
        model: the stack.
        ids: (batch, time).
        lengths: (batch,).
        vectors: (batch, probes, width) orthonormal vectors.

    Returns:
        (batch, directions, layers + 1, distances) root mean square gains; NaN beyond a text's length.
    """
    probes, batch = vectors.size(1), len(ids)
    with torch.enable_grad():
        # Each text stands in the batch once a vector: one pass backward then serves all of them.
        steps = read_steps(model, ids.repeat_interleave(probes, 0), lengths.repeat_interleave(probes, 0), nudged=True)
        time, width = ids.size(1), vectors.size(2)
        directions = len(steps.layers[-1])
        top = steps.outputs[-1]  # (time, batch * probes, width of both directions)
        rows = torch.arange(top.size(1), device=top.device)
        squares = np.full((batch, directions, len(steps.outputs), time), np.nan)
        for number in range(directions):
            last = torch.zeros_like(steps.lengths) if number else steps.lengths - 1
            end = top[last, rows, number * width : (number + 1) * width]
            nudges = [steps.embedding_nudge, *(layer[number].nudge for layer in steps.layers)]
            gradients = torch.autograd.grad(
                (end * vectors.reshape(-1, width)).sum(),
                [nudge for nudge in nudges if nudge is not None],
                retain_graph=number + 1 < directions,
            )
            for level, gradient in enumerate(gradients):
                # (time, batch): mean over the vectors of the squared norm
                square = gradient.double().square().sum(dim=2).view(time, batch, probes).mean(dim=2)
                squares[:, number, level] = _by_distance(square, steps, probes, forward=level > 0 or number == 0)
    return np.asarray(np.sqrt(squares))


def _by_distance(square: Tensor, steps: StackSteps, probes: int, *, forward: bool) -> Floats:
    """Turn (time, batch) to (batch, distances); `forward` counts back from the last position, else from the first."""
    lengths = steps.lengths[::probes].cpu().numpy()
    values = square.cpu().numpy().T
    distances = np.arange(values.shape[1])[None, :]
    inside = distances < lengths[:, None]
    places = np.where(inside, lengths[:, None] - 1 - distances, 0) if forward else np.where(inside, distances, 0)
    return np.asarray(np.where(inside, np.take_along_axis(values, places, axis=1), np.nan))


def _orthonormal(batch: int, width: int, number: int, generator: torch.Generator) -> Tensor:
    """Draw (batch, number, width) vectors, each text's orthonormal and evenly spread over the directions."""
    normal = torch.randn(batch, width, number, generator=generator)
    basis: Tensor = torch.linalg.qr(normal).Q
    return basis.transpose(1, 2).contiguous()
