"""A text's states to one vector: last, mean, max, attention, and their mixtures; padding never counts.

A text without any word gets the zero vector. Travels with published models: imports only torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def valid_positions(lengths: Tensor, time: int) -> Tensor:
    """Tell words from padding in a right-padded batch.

    Args:
        lengths: words in each text, (batch,).
        time: padded length.

    Returns:
        Boolean (batch, time), true at words.
    """
    return torch.arange(time, device=lengths.device) < lengths.unsqueeze(1)


def pool_last(states: Tensor, lengths: Tensor, *, bidirectional: bool) -> Tensor:
    """Take the state at which each direction has read the whole text.

    Args:
        states: (batch, time, dim); in a bidirectional stack the first half of dim reads forward.
        lengths: (batch,).
        bidirectional: whether the second half of dim reads backward, so ends at the first word.

    Returns:
        (batch, dim): the forward half at the text's last word, the backward half at its first.
    """
    rows = torch.arange(states.size(0), device=states.device)
    last = states[rows, (lengths - 1).clamp(min=0)]  # (batch, dim)
    if bidirectional:
        half = states.size(2) // 2
        last = torch.cat([last[:, :half], states[:, 0, half:]], dim=1)
    return last * (lengths > 0).unsqueeze(1)


def pool_mean(states: Tensor, lengths: Tensor) -> Tensor:
    """Average over a text's words.

    Args:
        states: (batch, time, dim).
        lengths: (batch,).

    Returns:
        (batch, dim).
    """
    valid = valid_positions(lengths, states.size(1)).unsqueeze(2)
    return states.masked_fill(~valid, 0.0).sum(dim=1) / lengths.clamp(min=1).unsqueeze(1)


def pool_max(states: Tensor, lengths: Tensor) -> Tensor:
    """Take each feature's largest value over a text's words.

    Args:
        states: (batch, time, dim).
        lengths: (batch,).

    Returns:
        (batch, dim).
    """
    valid = valid_positions(lengths, states.size(1)).unsqueeze(2)
    largest = states.masked_fill(~valid, float("-inf")).amax(dim=1)
    return largest.masked_fill((lengths == 0).unsqueeze(1), 0.0)


class AttentionPooling(nn.Module):
    """A weighted mean whose weights are learned, as in Yang et al. 2016 ("Hierarchical Attention Networks")."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width)
        self.query = nn.Linear(width, 1, bias=False)

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Weigh a text's words and add them up.

        Args:
            states: (batch, time, dim).
            lengths: (batch,).

        Returns:
            (batch, dim).
        """
        scores = self.query(torch.tanh(self.project(states))).squeeze(2)  # (batch, time)
        valid = valid_positions(lengths, states.size(1))
        # The lowest finite number instead of -inf: a text without words would turn into NaN.
        weights = scores.masked_fill(~valid, torch.finfo(scores.dtype).min).softmax(dim=1).masked_fill(~valid, 0.0)
        return torch.bmm(weights.unsqueeze(1).to(states.dtype), states).squeeze(1)


class LayerMix(nn.Module):
    """A learned mixture of all layers' states: softmax weights, equal at first (Peters et al. 2018, the scalar mix)."""

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(num_layers))

    def forward(self, layers: list[Tensor]) -> Tensor:
        """Mix the layers.

        Args:
            layers: each layer's states, (batch, time, dim), all of one width.

        Returns:
            (batch, time, dim).
        """
        shares = self.weights.softmax(dim=0)
        mixed = shares[0] * layers[0]
        for share, states in zip(shares[1:], layers[1:], strict=True):
            mixed = mixed + share * states
        return mixed


class Pooling(nn.Module):
    """One of the named poolings over the states of a stack."""

    def __init__(self, name: str, *, widths: list[int], bidirectional: bool) -> None:
        """Build the parameters that this pooling needs.

        Args:
            name: last, mean, max, attention, concat or layer_mix.
            widths: features that each layer gives, lowest layer first.
            bidirectional: whether the second half of each layer's features reads backward.
        """
        super().__init__()
        self.name = name
        self.bidirectional = bidirectional
        self.output_size = widths[-1] * {"concat": 3, "layer_mix": 2}.get(name, 1)
        self.attention = AttentionPooling(widths[-1]) if name == "attention" else None
        self.layer_mix = LayerMix(len(widths)) if name == "layer_mix" else None

    def forward(self, layers: list[Tensor], lengths: Tensor) -> Tensor:
        """Pool right-padded states.

        Args:
            layers: each layer's states, (batch, time, dim), lowest layer first.
            lengths: words in each text, (batch,).

        Returns:
            (batch, output_size).
        """
        top = layers[-1]
        if self.attention is not None:
            return self.attention(top, lengths)  # type: ignore[no-any-return]  # nn.Module calls are untyped
        if self.layer_mix is not None:
            mixed = self.layer_mix(layers)
            return torch.cat([pool_mean(mixed, lengths), pool_max(mixed, lengths)], dim=1)
        if self.name == "last":
            return pool_last(top, lengths, bidirectional=self.bidirectional)
        if self.name == "mean":
            return pool_mean(top, lengths)
        if self.name == "max":
            return pool_max(top, lengths)
        last = pool_last(top, lengths, bidirectional=self.bidirectional)
        return torch.cat([last, pool_mean(top, lengths), pool_max(top, lengths)], dim=1)
