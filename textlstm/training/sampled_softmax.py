"""The softmax over a sample of words: an update then costs the same whatever the size of the vocabulary.

The target competes with words drawn by their frequency, each score corrected by the log of how often it was to be
expected in the sample (Jean et al. 2015; Bengio & Senecal 2008). Perplexity is always told by the whole softmax.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from textlstm.model import TextLSTMForLanguageModeling


class WordSampler:
    """Draws words by their frequency from torch's own generator, which checkpoints keep."""

    def __init__(self, counts: np.ndarray, *, words: int) -> None:
        """Set out.

        Args:
            counts: (vocabulary,) times that each word stands in the text.
            words: to draw, with repetition; those drawn twice count once.
        """
        share = (counts + 1.0) / (counts + 1.0).sum()
        self.words = words
        self._ends = torch.from_numpy(np.cumsum(share))
        # The chance that a word is in a sample at all.
        expected = -np.expm1(words * np.log1p(-share))
        self.log_expected = torch.from_numpy(np.log(expected)).float()

    def draw(self) -> Tensor:
        """Draw a sample: (at most `words`,) different ids, sorted."""
        places = torch.searchsorted(self._ends, torch.rand(self.words, dtype=torch.float64))
        words: Tensor = places.clamp(max=len(self._ends) - 1).unique()
        return words


def sampled_softmax_loss(
    model: TextLSTMForLanguageModeling, features: Tensor, targets: Tensor, direction: int, sampler: WordSampler
) -> Tensor:
    """Hold each target against a sample of words.

    Args:
        model: has the embeddings that score words.
        features: (positions, embedding_size).
        targets: (positions,) ids to predict.
        direction: 0 forward, 1 backward.
        sampler: draws the words.

    Returns:
        The mean negative log likelihood in nats, a scalar.
    """
    words = sampler.draw().to(features.device)
    expected = sampler.log_expected.to(features.device)
    against = model.scores(features, direction, words) - expected[words]  # (positions, words)
    against = against.masked_fill(words == targets.unsqueeze(1), float("-inf"))  # the target stands there once
    rows = model.lstm.embedding(targets)
    own = (features * rows).sum(dim=1) + model.output_bias[direction][targets] - expected[targets]
    scores = torch.cat([own.unsqueeze(1), against], dim=1)
    return functional.cross_entropy(scores.float(), torch.zeros_like(targets))
