"""Dropout by named place: whole words, and features that stay dropped throughout a text.

Word dropout and locked dropout follow Merity et al. 2018 ("Regularizing and Optimizing LSTM Language Models") and
Gal & Ghahramani 2016. Both keep the expected value. Travels with published models: imports only torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WordDropout(nn.Module):
    """Drops word types: a dropped word has a zero embedding wherever it stands in the batch."""

    def __init__(self, p: float, vocab_size: int) -> None:
        super().__init__()
        self.p = p
        self.vocab_size = vocab_size

    def forward(self, embedded: Tensor, input_ids: Tensor) -> Tensor:
        """Drop words in training; give the input back otherwise.

        Args:
            embedded: embeddings of the words, (batch, time, dim).
            input_ids: token ids, (batch, time).

        Returns:
            The embeddings, (batch, time, dim), with dropped words at zero and the others scaled up.
        """
        if not self.training or self.p == 0.0:
            return embedded
        # A mask on the embeddings instead of on the table: the table's gradient stays sparse, and is not copied.
        keep = torch.rand(self.vocab_size, device=embedded.device) >= self.p
        scale = keep.to(embedded.dtype) / (1.0 - self.p)
        return embedded * scale[input_ids].unsqueeze(-1)  # (batch, time, 1)


class LockedDropout(nn.Module):
    """Drops features, the same ones at every position of a text, other ones in every text."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, states: Tensor) -> Tensor:
        """Drop features in training; give the input back otherwise.

        Args:
            states: (batch, time, dim).

        Returns:
            (batch, time, dim), with dropped features at zero and the others scaled up.
        """
        mask = self.draw(states, states.size(0), states.size(2))
        return states if mask is None else states * mask

    def draw(self, like: Tensor, batch: int, width: int) -> Tensor | None:
        """Draw what is dropped of each text, for texts that come in windows.

        Args:
            like: gives type and device.
            batch: number of texts.
            width: number of features.

        Returns:
            (batch, 1, width) factors, zero at dropped features; None where nothing is dropped.
        """
        if not self.training or self.p == 0.0:
            return None
        return like.new_empty(batch, 1, width).bernoulli_(1.0 - self.p).div_(1.0 - self.p)

    def extra_repr(self) -> str:
        """Name the rate where the model is printed."""
        return f"p={self.p}"
