"""Which words a prediction rests on: integrated gradients, merged to whole words, at the embeddings and at each layer.

Integrated gradients (Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks") go in a straight line
from a text of zero embeddings, which is what padding has, to the text, and add up the gradient on the way. What is
explained is the label's logit minus the mean of all logits: the same for every way to write the same probabilities.
For data with several labels a text it is the label's own logit. Values are in logits and add up to the difference
between text and baseline, but for the error of the sum, which is reported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.shading import shaded, shading_style
from textlstm.analysis.diagnostics.words import Word, merge_words, token_places
from textlstm.errors import MissingExtraError
from textlstm.results import Estimate
from textlstm.text.encoding import text_chunks

if TYPE_CHECKING:
    from torch import Tensor

    from textlstm.inference.predictor import Predictor

STEPS = 32
MOST_STEPS = 512
TOLERANCE = 0.02
"""Largest completeness gap that is left without more steps, as a share of what is to be explained."""
FEWEST_WORDS = 5
"""Texts with fewer words say nothing about agreement in rank."""


@dataclass(frozen=True)
class Attribution:
    """Why a text got its label.

    Attributes:
        text: the whole text.
        label: the label that is explained, which is the most probable one.
        probability: that the model gives it.
        words: in the order of the text; those after the model's longest text are not read, and are not here.
        other: value of tokens that are no part of the text, such as a tokenizer's marks of begin and end.
        score: the label's logit minus the mean of all logits (its own logit with several labels a text).
        baseline: the score of the text with zero embeddings.
        gap: completeness gap: |sum of values - (score - baseline)| / |score - baseline|.
        steps: points of the sum.
    """

    text: str
    label: str
    probability: float
    words: list[Word]
    other: float
    score: float
    baseline: float
    gap: float
    steps: int

    def strongest(self, number: int = 3) -> list[Word]:
        """Pick the words that move the score most, either way.

        Args:
            number: at most so many.

        Returns:
            Words, the strongest first.
        """
        return sorted(self.words, key=lambda word: -abs(word.value))[:number]

    def to_html(self) -> str:
        """Write the text with its words shaded, as `shading.shaded` does.

        Returns:
            One HTML paragraph; all text is escaped.
        """
        return shaded(self.text, self.words)

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        return f"<style>{shading_style()}</style>{self.to_html()}"


@dataclass(frozen=True)
class LayerAgreement:
    """How alike the layers rank the words of a text.

    Attributes:
        names: "embeddings", "layer 1" and so on.
        correlation: [a][b] is Spearman's rank correlation of the words' values at two places, mean over texts.
        first_to_last: that of the embeddings and the last layer, with its 95 % t interval over texts.
        texts: that had words enough.
    """

    names: list[str]
    correlation: list[list[float]]
    first_to_last: Estimate
    texts: int


def attribute_texts(predictor: Predictor, texts: Sequence[str]) -> list[Attribution]:
    """Explain a model's most probable label for each text.

    Args:
        predictor: the model at work.
        texts: any number; each takes some dozens to hundreds of passes.

    Returns:
        One attribution a text.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    _require_captum()
    from captum.attr import IntegratedGradients

    found = []
    for text in texts:
        read = _Reading(predictor, text)
        explained = read.score_at_text - read.score_at_zero
        steps = STEPS
        while True:
            values = read.run(IntegratedGradients(read.score), steps)
            gap = abs(float(values.sum()) - explained) / max(abs(explained), 1e-6)
            if gap <= TOLERANCE or steps >= MOST_STEPS:
                break
            steps *= 2
        words, other = read.merge(values)
        found.append(
            Attribution(
                text=read.text,
                label=predictor.label_names[read.label],
                probability=read.probability,
                words=words,
                other=other,
                score=read.score_at_text,
                baseline=read.score_at_zero,
                gap=gap,
                steps=steps,
            )
        )
    return found


def layer_values(predictor: Predictor, text: str, *, steps: int = STEPS) -> NDArray[np.float64]:
    """Attribute one prediction to the words of the embeddings and to the same places of every layer's states.

    At a layer, the straight line goes from its states on the baseline to its states on the text (Captum's
    LayerIntegratedGradients). With joins other than plain, a layer's share is what passes through its LSTM, and what
    goes around it does not count.

    Args:
        predictor: the model at work.
        text: the text.
        steps: points of the sum.

    Returns:
        (layers + 1, words) in logits, embeddings first.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    _require_captum()
    from captum.attr import IntegratedGradients, LayerIntegratedGradients

    read = _Reading(predictor, text)
    methods = [IntegratedGradients(read.score)]
    methods += [LayerIntegratedGradients(read.score, layer) for layer in predictor.model.lstm.layers]
    rows = [[word.value for word in read.merge(read.run(method, steps))[0]] for method in methods]
    return np.array(rows, dtype=np.float64)


def layer_agreement(predictor: Predictor, texts: Sequence[str], *, steps: int = STEPS) -> LayerAgreement | None:
    """Compare how embeddings and layers rank the words of texts.

    A state at a word's place has also read its neighbors, so low agreement is no fault: it says that the evidence has
    moved away from the words that brought it.

    Args:
        predictor: the model at work.
        texts: those with fewer than `FEWEST_WORDS` words are passed over.
        steps: points of each sum.

    Returns:
        The mean rank correlations; None for a model without layers, and where fewer than two texts are long enough.

    Raises:
        MissingExtraError: Captum is not installed.
    """
    from scipy.stats import rankdata

    from textlstm.stats.intervals import mean_interval

    layers = len(predictor.model.lstm.layers)
    tables = []
    for text in texts if layers else ():
        values = layer_values(predictor, text, steps=steps)
        if values.shape[1] >= FEWEST_WORDS and (np.ptp(values, axis=1) > 0).all():
            tables.append(np.corrcoef(rankdata(values, axis=1)))
    if len(tables) < 2:
        return None
    between = np.array([table[0, -1] for table in tables])
    return LayerAgreement(
        names=["embeddings", *(f"layer {number}" for number in range(1, layers + 1))],
        correlation=np.mean(tables, axis=0).tolist(),
        first_to_last=mean_interval(between),
        texts=len(tables),
    )


def _require_captum() -> None:
    if find_spec("captum") is None:
        raise MissingExtraError("captum", "inspect")


class _Reading:
    """One text on its way through a model.

    Attributes:
        label: number of the label that is explained.
        text: as the tokenizer reads it.
        probability: of that label.
        score_at_text: of that label.
        score_at_zero: the same with zero embeddings.
    """

    text: str
    label: int
    probability: float
    score_at_text: float
    score_at_zero: float

    def __init__(self, predictor: Predictor, text: str) -> None:
        """Encode the text, and find its label."""
        import torch

        self.predictor = predictor
        self.text = next(text_chunks([text]))[0]  # whole code points: what the tokenizer counts places in
        encoded = predictor.encode(self.text)
        chances = predictor.probabilities_of(encoded)[0]
        self.label, self.probability = int(chances.argmax()), float(chances.max())
        device = predictor.model.device
        ids = torch.from_numpy(encoded[0].astype(np.int64)).unsqueeze(0).to(device)
        with torch.no_grad():
            self.embedded = predictor.model.lstm.embedding(ids)
            self.mask = torch.ones_like(ids)
            ends = [float(self.score(each, self.mask)) for each in (self.embedded, torch.zeros_like(self.embedded))]
        self.score_at_text, self.score_at_zero = ends

    def score(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Give (rows,) scores of embedded texts, (rows, tokens, width)."""
        logits = self.predictor.model(inputs_embeds=embedded, attention_mask=mask).logits.float()
        own: Tensor = logits[:, self.label]
        return own if self.predictor.multi_label else own - logits.mean(dim=1)

    def run(self, method: Any, steps: int) -> NDArray[np.float64]:  # noqa: ANN401 - Captum ships types that say Any
        """Apply one of Captum's methods; gives one value a token."""
        values = method.attribute(
            inputs=self.embedded,
            baselines=self.embedded * 0.0,
            additional_forward_args=(self.mask,),
            n_steps=steps,
            internal_batch_size=max(1, 16_384 // self.embedded.shape[1]),
        )
        return np.asarray(values.detach().sum(dim=2).squeeze(0).cpu().numpy(), dtype=np.float64)

    def merge(self, values: NDArray[np.float64]) -> tuple[list[Word], float]:
        """Add up the tokens of each word; the second part belongs to no word."""
        return merge_words(self.text, token_places(self.predictor, self.text), values)
