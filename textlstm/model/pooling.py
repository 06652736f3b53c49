"""A text's states to one vector: last, mean, max, attention, and their mixtures; padding never counts.

Each can also be summed up window by window (`Pooling.sum_up`) and put together at the end (`Pooling.put_together`).
A text without any word gets the zero vector. Travels with published models: imports only torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

Sums = dict[str, Tensor]
"""What a pooling keeps of a window: each value (batch, dim), or (batch, 1) for the shares of attention."""


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
        scores, valid = self._scores(states, lengths)
        weights = scores.softmax(dim=1).masked_fill(~valid, 0.0)
        return torch.bmm(weights.unsqueeze(1).to(states.dtype), states).squeeze(1)

    def sum_up(self, states: Tensor, lengths: Tensor) -> Sums:
        """Keep of a window what its share in the weighted mean is made of; scores are taken from their highest.

        Args:
            states: (batch, time, dim).
            lengths: words of each text in the window, (batch,).

        Returns:
            The highest score and the sum of weights, each (batch, 1), and the weighted sum of states, (batch, dim).
        """
        scores, valid = self._scores(states, lengths)
        highest = scores.detach().amax(dim=1, keepdim=True)
        weights = (scores - highest).exp().masked_fill(~valid, 0.0)
        weighted = torch.bmm(weights.unsqueeze(1).to(states.dtype), states).squeeze(1)
        return {"highest": highest, "weight": weights.sum(dim=1, keepdim=True), "weighted": weighted}

    def put_together(self, windows: list[Sums]) -> Tensor:
        """Make the weighted mean of what was kept of the windows.

        Args:
            windows: of `sum_up`.

        Returns:
            (batch, dim).
        """
        highest, weight, weighted = (
            torch.stack([sums[name] for sums in windows]) for name in ("highest", "weight", "weighted")
        )
        scale = (highest - highest.amax(dim=0)).exp()
        total = (scale * weight).sum(dim=0)  # at least 1 where there is a word
        return ((scale * weighted).sum(dim=0) / total.clamp(min=0.5)).to(weighted.dtype)

    def _scores(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Score words, (batch, time), and tell where they are."""
        scores = self.query(torch.tanh(self.project(states))).squeeze(2)
        valid = valid_positions(lengths, states.size(1))
        # The lowest finite number instead of -inf: a text without words would turn into NaN.
        return scores.masked_fill(~valid, torch.finfo(scores.dtype).min), valid


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

    @property
    def by_feature(self) -> bool:
        """Whether each feature is pooled by itself, so that the two directions may be pooled one after the other."""
        return self.attention is None and self.layer_mix is None

    def sum_up(
        self, layers: list[Tensor], lengths: Tensor, *, begins: bool, ends: Tensor, direction: int | None = None
    ) -> Sums:
        """Keep what counts of one window of right-padded texts.

        Args:
            layers: each layer's states, (batch, time, dim), lowest layer first.
            lengths: words of each text in the window, (batch,).
            begins: whether it is the first window.
            ends: whether a text's last word is in it, (batch,).
            direction: where the states are one direction's alone, which: 0 forward, 1 backward.

        Returns:
            What `put_together` takes.
        """
        states = layers[-1] if self.layer_mix is None else self.layer_mix(layers)
        if self.attention is not None:
            kept: Sums = self.attention.sum_up(states, lengths)
            return kept
        valid = valid_positions(lengths, states.size(1)).unsqueeze(2)
        sums: Sums = {}
        if self.name in ("last", "concat"):
            if direction == 1:  # has read the whole text at its first word
                sums["last"] = states[:, 0] * (lengths > 0).unsqueeze(1) if begins else torch.zeros_like(states[:, 0])
            else:
                sums["last"] = pool_last(states, lengths, bidirectional=False) * ends.unsqueeze(1)
        if self.name in ("mean", "concat", "layer_mix"):
            exact = torch.promote_types(states.dtype, torch.float32)
            sums["sum"] = states.masked_fill(~valid, 0.0).sum(dim=1, dtype=exact)
        if self.name in ("max", "concat", "layer_mix"):
            sums["max"] = states.masked_fill(~valid, float("-inf")).amax(dim=1)
        return sums

    def put_together(self, parts: list[list[Sums]], lengths: Tensor) -> Tensor:
        """Pool whole texts from what was kept of their windows.

        Args:
            parts: of `sum_up`, all windows: of all features, or of the forward and then of the backward ones.
            lengths: words in each text, (batch,).

        Returns:
            (batch, output_size), as `forward` gives it.
        """
        if self.attention is not None:
            attended: Tensor = self.attention.put_together(parts[0])
            return attended

        def over_windows(name: str) -> list[Tensor]:
            return [torch.stack([sums[name] for sums in windows]) for windows in parts]

        pooled = []
        if "last" in parts[0][0]:
            pooled += [one.sum(dim=0) for one in over_windows("last")]
        if "sum" in parts[0][0]:
            pooled += [one.sum(dim=0) / lengths.clamp(min=1).unsqueeze(1) for one in over_windows("sum")]
        if "max" in parts[0][0]:
            pooled += [one.amax(dim=0).masked_fill((lengths == 0).unsqueeze(1), 0.0) for one in over_windows("max")]
        return torch.cat(pooled, dim=1)
