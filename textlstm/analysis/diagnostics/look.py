"""What an inspection looks at, and how closely: texts drawn and encoded, with an untrained stack beside the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.states import text_groups
from textlstm.inference.predictor import Predictor
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.text.datasets import Split
from textlstm.text.encoding import Encoded


@dataclass(frozen=True)
class Effort:
    """How much is looked at.

    Attributes:
        texts: rows of the split, at most.
        fit_texts: rows that new heads are fitted on, at most.
        tokens: for probes of tokens.
        resamples: bootstrap draws of texts.
        reach_texts: for gradient reach.
        gate_texts: for gates.
        influence_texts: for the effective distance.
        agreement_texts: whose attributions are compared between layers.
    """

    texts: int
    fit_texts: int
    tokens: int
    resamples: int
    reach_texts: int
    gate_texts: int
    influence_texts: int
    agreement_texts: int


FULL = Effort(2000, 4000, 3000, 1000, 48, 256, 128, 40)
QUICK = Effort(400, 800, 1000, 200, 16, 64, 48, 8)


@dataclass(frozen=True, eq=False)
class Look:
    """What every part looks at.

    Attributes:
        predictor: the model at work.
        untrained: a stack of the same configuration with fresh weights.
        rows: the texts drawn from the split.
        encoded: their ids.
        fit: labeled texts to fit heads on, drawn, none of them in `rows`; None without labels.
        fit_encoded: their ids.
        unlabeled: why there are no labels; empty where there are.
        effort: how much is looked at.
        seed: of every draw.
    """

    predictor: Predictor
    untrained: TextLSTMForSequenceClassification
    rows: Split
    encoded: Encoded
    fit: Split | None
    fit_encoded: Encoded | None
    unlabeled: str
    effort: Effort
    seed: int

    @property
    def whole_words(self) -> bool:
        """Whether a token is a word, so that distances are in words."""
        from tokenizers.models import WordLevel

        return isinstance(self.predictor.classifier.backend.model, WordLevel)

    @property
    def model(self) -> TextLSTMForSequenceClassification:
        """The network."""
        return self.predictor.model


def halves(rows: Split, encoded: Encoded, *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Part texts to two halves, equal texts on one side.

    Args:
        rows: the texts.
        encoded: their ids.
        seed: of the draw.

    Returns:
        Positions of the half to fit on, and of the half to score on.
    """
    groups = text_groups(encoded)
    order = np.random.default_rng([seed, 11]).permutation(int(groups.max(initial=-1)) + 1)
    left = np.isin(groups, order[: len(order) // 2])
    return np.flatnonzero(left), np.flatnonzero(~left)


def unknown_share(look: Look) -> float:
    """Count what the tokenizer does not know.

    Args:
        look: what is looked at.

    Returns:
        Share of unknown tokens, from 0 to 1.
    """
    unknown = look.predictor.classifier.unk_id
    return float((look.encoded.ids == unknown).mean()) if len(look.encoded.ids) else 0.0
