"""Long texts a window at a time: logits and gradients as without windows, in memory that their length does not fill.

A forward direction hands its state from window to window. A backward direction does so from the text's end; in a
bidirectional stack each layer reads both directions of the layer below, so a layer is done with the whole text before
the next one begins. Kept are only the states in which windows are entered, (batch, hidden) each, and what the pooling
sums up; whatever else is needed of a window is computed again from these: lower layers for the layers above, and
everything in the backward pass (checkpointing: Chen et al. 2016). Gradients pass through the states too: other than by
truncated back-propagation through time (on texts to classify: Howard & Ruder 2018), nothing of them is lost.
Travels with published models: imports only torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .dropout import LockedDropout, WordDropout
from .kernel import State
from .layers import LSTMLayer
from .pooling import Pooling, Sums, valid_positions

Entering = list[list[State | None]]
"""States in which a window is entered, by layer and direction; None for zeros."""


class Stack(Protocol):
    """What reading in windows asks of `TextLSTMModel`."""

    embedding: nn.Embedding
    embedding_dropout: WordDropout
    input_dropout: LockedDropout
    layer_dropout: LockedDropout
    layers: nn.ModuleList

    def layer_inputs(self, index: int, below: list[Tensor], dropped: Tensor | None) -> Tensor:
        """What a layer reads."""

    def layer_output(self, index: int, below: list[Tensor], states: Tensor, direction: int | None = None) -> Tensor:
        """What a layer gives."""


def pool_in_windows(stack: Stack, pooling: Pooling, source: Tensor, lengths: Tensor, *, window: int) -> Tensor:
    """Read and pool long texts, with the dropout that the same seed gives texts read at once.

    Args:
        stack: the model, with at least one layer.
        pooling: its pooling.
        source: right-padded token ids (batch, time), or embeddings (batch, time, embedding_size) behind all dropout.
        lengths: words in each text, (batch,), at least one of them longer than 0.
        window: words of a text that are read at a time.

    Returns:
        What `pooling` makes of the texts at once, (batch, output_size).
    """
    embed: Callable[[int, int], Tensor]
    if source.ndim == 2:
        # One row a word, not one a position: neither the rows nor their gradient grow with the text.
        words, places = source.unique(return_inverse=True)
        rows = stack.embedding_dropout(stack.embedding(words), words)
        factors = stack.input_dropout.draw(rows, source.size(0), rows.size(1))

        def embed(start: int, end: int) -> Tensor:
            embedded: Tensor = rows[places[:, start:end].t()].transpose(0, 1)
            return embedded if factors is None else embedded * factors

    else:

        def embed(start: int, end: int) -> Tensor:
            return source[:, start:end]

    dropped: list[Tensor | None] = []
    weights = []
    layers = [layer for layer in stack.layers if isinstance(layer, LSTMLayer)]
    for index, layer in enumerate(layers):  # in the order in which they are drawn for texts read at once
        like = layer.weight_ih
        dropped.append(None if index == 0 else stack.layer_dropout.draw(like, lengths.size(0), layer.input_size))
        weights.append(layer.recurrent_weights())
    return _Reader(stack, layers, pooling, embed, lengths, window=window, dropped=dropped, weights=weights).pool()


class _Reader:
    """Reads right-padded texts window by window and pools them."""

    def __init__(
        self,
        stack: Stack,
        layers: list[LSTMLayer],
        pooling: Pooling,
        embed: Callable[[int, int], Tensor],
        lengths: Tensor,
        *,
        window: int,
        dropped: list[Tensor | None],
        weights: list[Tensor],
    ) -> None:
        """Set out.

        Args:
            stack: joins the layers.
            layers: at least one.
            pooling: its pooling.
            embed: gives the embeddings from one position up to another, (batch, time, embedding_size).
            lengths: words in each text, (batch,).
            window: words of a text that are read at a time.
            dropped: of each layer the factors of its inputs by dropout, the same for all windows; None for none.
            weights: of each layer the recurrent weights, `LSTMLayer.recurrent_weights`.
        """
        self.stack, self.pooling, self.embed, self.lengths = stack, pooling, embed, lengths
        self.dropped, self.weights = dropped, weights
        self.layers = layers
        self.directions = self.layers[0].directions
        longest, shortest = int(lengths.max()), int(lengths.min())
        self.borders = [(start, min(start + window, longest)) for start in range(0, longest, window)]
        self.padded = [shortest < end for _, end in self.borders]

    def pool(self) -> Tensor:
        """Read all windows.

        Returns:
            What `Pooling` makes of the texts at once, (batch, output_size).
        """
        top = len(self.layers) - 1
        entering: list[Entering] = [[[None] * self.directions for _ in self.layers] for _ in self.borders]
        if self.directions == 1:  # no layer waits for the text's end
            return self.pooling.put_together([self._sweep(entering, top, 0, carried=range(top + 1))], self.lengths)
        for layer in range(top if self.pooling.by_feature else top + 1):
            for direction in range(2):
                self._sweep(entering, layer, direction, carried=[layer], sums=False)
        if self.pooling.by_feature:
            parts = [self._sweep(entering, top, direction, carried=[top]) for direction in range(2)]
        else:
            parts = [[self._read(number, entering[number], top, (0, 1))[1] for number in range(len(self.borders))]]
        return self.pooling.put_together(parts, self.lengths)

    def _sweep(
        self, entering: list[Entering], top: int, direction: int, *, carried: list[int] | range, sums: bool = True
    ) -> list[Sums]:
        """Go through the windows in the order of one direction.

        Args:
            entering: of each window; read below the layer `top`, and filled in for the layers carried.
            top: the highest layer to be read.
            direction: which it is read in.
            carried: the layers whose states are handed on.
            sums: whether what is read is also pooled.

        Returns:
            What the pooling keeps of each window.
        """
        order = range(len(self.borders))
        kept = []
        states: dict[int, State | None] = dict.fromkeys(carried)
        for number in reversed(order) if direction else order:
            for layer in carried:
                entering[number][layer][direction] = states[layer]
            if not sums and number == (0 if direction else order[-1]):
                break  # nothing comes behind it
            # Only what lies below, and copied: what a window needs must not hold what comes of it.
            leaving, summed = self._read(
                number, [list(layer) for layer in entering[number][: top + 1]], top, (direction,), sums=sums
            )
            for layer in carried:
                states[layer] = leaving[layer][0]
            kept.append(summed)
        return kept

    def _read(
        self, number: int, entering: Entering, top: int, directions: tuple[int, ...], *, sums: bool = True
    ) -> tuple[list[list[State]], Sums]:
        """Read a window, with a graph that keeps only what it was given."""
        if not torch.is_grad_enabled():
            return self._window(number, entering, top, directions, sums)
        read: tuple[list[list[State]], Sums] = checkpoint(  # all dropout is drawn already
            self._window, number, entering, top, directions, sums, use_reentrant=False, preserve_rng_state=False
        )
        return read

    def _window(
        self, number: int, entering: Entering, top: int, directions: tuple[int, ...], sums: bool
    ) -> tuple[list[list[State]], Sums]:
        """Read one window: layers below `top` in both directions, `top` in those given.

        Args:
            number: of the window.
            entering: the states to begin from.
            top: the highest layer to be read.
            directions: which it is read in.
            sums: whether what is read is also pooled.

        Returns:
            States behind the window by layer and direction read, and what the pooling keeps.
        """
        start, end = self.borders[number]
        inside = (self.lengths - start).clamp(0, end - start)
        padding = ~valid_positions(inside, end - start) if self.padded[number] else None
        below = [self.embed(start, end)]
        leaving = []
        one = directions[0] if len(directions) < self.directions else None
        for index, layer in enumerate(self.layers[: top + 1]):
            states, after = layer.read_window(
                self.stack.layer_inputs(index, below, self.dropped[index]),
                directions if index == top else tuple(range(self.directions)),
                states=entering[index],
                weight_hh=self.weights[index],
                padding=padding,
            )
            leaving.append(after)
            below.append(self.stack.layer_output(index, below, states, one if index == top else None))
        if not sums:
            return leaving, {}
        ends = (self.lengths > start) & (self.lengths <= end)
        return leaving, self.pooling.sum_up(below[1:], inside, begins=start == 0, ends=ends, direction=one)
