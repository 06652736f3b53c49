"""A stack read step by step: the gates, cells and states that the fused kernel does not show, and derivatives by them.

The kernel of `model.layers` gives back states alone. Here each layer and direction is worked out one word at a time
from the same weights, without dropout, so that gates and cells can be looked at, and so that a derivative can be taken
by the state after any word: a zero, the "nudge", is added to that state before it goes on, to the next word and to the
layer above. A test holds the states equal to the model's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from textlstm.model import TextLSTMForSequenceClassification
from textlstm.model.kernel import ACTIVATION_FUNCTIONS
from textlstm.model.layers import LSTMLayer, reverse_prefix, reverse_prefix_order
from textlstm.model.pooling import valid_positions
from textlstm.text.batching import pad_batch
from textlstm.text.encoding import Encoded

DIRECTIONS: tuple[str, ...] = ("forward", "backward")
"""Names of the directions, in the order of a layer's weights."""


@dataclass(frozen=True, eq=False)
class DirectionSteps:
    """One direction of one layer over a batch, in its own order of reading: step 0 is the first word that it meets.

    What stands at padding (steps from a text's length on) means nothing.

    Attributes:
        hidden: states h, (time, batch, hidden).
        cell: cells c, (time, batch, hidden).
        gates: by name (input, forget, output), values of the gates, (time, batch, hidden).
        nudge: zeros of the shape of `hidden` that were added to it on its way; None where none were asked for.
    """

    hidden: Tensor
    cell: Tensor
    gates: dict[str, Tensor]
    nudge: Tensor | None = None


@dataclass(frozen=True, eq=False)
class StackSteps:
    """A whole stack over a batch.

    Attributes:
        lengths: words of each text, (batch,).
        layers: by layer, lowest first, its directions.
        outputs: by level, what it gives: the embeddings, then each layer's states with its shortcut where the join is
            residual, (time, batch, width) in the order of the words, zero at padding above the embeddings.
        embedding_nudge: zeros that were added to the embeddings; None where none were asked for.
    """

    lengths: Tensor
    layers: list[list[DirectionSteps]] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    embedding_nudge: Tensor | None = None


def read_steps(
    model: TextLSTMForSequenceClassification, ids: Tensor, lengths: Tensor, *, nudged: bool = False
) -> StackSteps:
    """Read a batch step by step, as the model reads it in eval mode.

    Args:
        model: its weights are read and left alone, whatever its mode.
        ids: token ids, (batch, time), right-padded, on the model's device.
        lengths: words of each text, (batch,) int64.
        nudged: whether to add zeros by which `torch.autograd.grad` can be asked; needs gradients to be enabled.

    Returns:
        Gates, cells, states and outputs; no gradient leads to the weights.
    """
    stack, config = model.lstm, model.config
    embedded = stack.embedding.weight.detach()[ids.t()]  # (time, batch, dim)
    embedding_nudge = torch.zeros_like(embedded, requires_grad=True) if nudged else None
    if embedding_nudge is not None:
        embedded = embedded + embedding_nudge
    time = ids.size(1)
    order = reverse_prefix_order(lengths, time)
    padding = ~valid_positions(lengths, time).t().unsqueeze(2)  # (time, batch, 1)
    steps = StackSteps(lengths, [], [embedded], embedding_nudge)
    for index, module in enumerate(stack.layers):
        assert isinstance(module, LSTMLayer)  # noqa: S101 - the model's own contract
        inputs = torch.cat(steps.outputs, dim=2) if config.join == "dense" else steps.outputs[-1]
        if index > 0 and config.layer_norm:
            inputs = stack.layer_norms[index - 1](inputs)
        directions, states = [], []
        for number in range(module.directions):
            own = _read_direction(module, number, reverse_prefix(inputs, order) if number else inputs, nudged=nudged)
            directions.append(own)
            states.append(reverse_prefix(own.hidden, order) if number else own.hidden)
        output = torch.cat(states, dim=2).masked_fill(padding, 0.0)
        if index > 0 and config.join == "residual":
            output = output + stack.shortcuts[index - 1](steps.outputs[-1])
        steps.layers.append(directions)
        steps.outputs.append(output)
    return steps


def _read_direction(layer: LSTMLayer, number: int, inputs: Tensor, *, nudged: bool) -> DirectionSteps:
    """Run one direction of a layer over (time, batch, dim), in the order in which it reads."""
    weights = (layer.weight_ih, layer.weight_hh, layer.bias_ih, layer.bias_hh)
    weight_ih, weight_hh, bias_ih, bias_hh = (weight[number].detach() for weight in weights)
    act, gate = ACTIVATION_FUNCTIONS[layer.activation], ACTIVATION_FUNCTIONS[layer.gate_activation]
    projected = functional.linear(inputs, weight_ih, bias_ih + bias_hh)  # (time, batch, 4 * hidden)
    shape = (projected.size(0), projected.size(1), layer.hidden_size)
    nudge = projected.new_zeros(shape).requires_grad_() if nudged else None
    nudges = [None] * len(projected) if nudge is None else list(nudge.unbind())
    hidden = cell = projected.new_zeros(shape[1:])
    kept: dict[str, list[Tensor]] = {name: [] for name in ("hidden", "cell", "input", "forget", "output")}
    for step, push in zip(projected.unbind(), nudges, strict=True):
        i, f, g, o = (step + functional.linear(hidden, weight_hh)).chunk(4, dim=1)
        i, f, o = gate(i), gate(f), gate(o)
        cell = f * cell + i * act(g)
        hidden = o * act(cell) if push is None else o * act(cell) + push
        for name, value in zip(kept, (hidden, cell, i, f, o), strict=True):
            kept[name].append(value)
    stacked = {name: torch.stack(values) for name, values in kept.items()}
    gates = {name: stacked[name] for name in ("input", "forget", "output")}
    return DirectionSteps(stacked["hidden"], stacked["cell"], gates, nudge)


def text_batches(
    encoded: Encoded, *, most: int, max_tokens: int, batch_rows: int, pad_id: int, seed: int
) -> list[tuple[Tensor, Tensor]]:
    """Draw texts at random and lay them out as batches of like length.

    Args:
        encoded: ids of the texts; those without a token are passed over.
        most: texts to draw; all where there are fewer.
        max_tokens: words after which a text is cut, at its end.
        batch_rows: texts a batch.
        pad_id: fills short rows.
        seed: of the draw.

    Returns:
        Ids (rows, time) and lengths (rows,) of each batch, int64, on the CPU; the longest texts come first.
    """
    rows = np.flatnonzero(encoded.lengths > 0)
    rows = np.random.default_rng(seed).permutation(rows)[:most]
    rows = rows[np.argsort(-encoded.lengths[rows], kind="stable")]
    batches = []
    for start in range(0, len(rows), batch_rows):
        ids, lengths = pad_batch(encoded, rows[start : start + batch_rows], pad_id=pad_id)
        lengths = np.minimum(lengths, max_tokens)
        batches.append((torch.from_numpy(ids[:, : lengths.max()]), torch.from_numpy(lengths)))
    return batches
