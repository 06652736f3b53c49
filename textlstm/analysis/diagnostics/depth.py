"""What the upper layers of one trained stack are good for: scores with a new head on fewer of its layers.

The stack stays as it is; heads are logistic regressions on pooled states. A layer is called needless only where the
head without it is not worse than the head with all layers by a non-inferiority test over texts. There is one trained
model behind this, so the intervals are over texts: a stack trained with another seed, or one trained from the start
with fewer layers, may come out otherwise; `textlstm compare` and `textlstm advise` answer that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.facts import label_classes
from textlstm.analysis.diagnostics.probe_fits import CHOOSE, FIT, STRENGTHS, part_texts
from textlstm.analysis.diagnostics.states import Integers, choose_texts, layer_states, text_groups
from textlstm.errors import DataError
from textlstm.inference.torch_classifier import predict_logits
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.model.pooling import valid_positions
from textlstm.results import Estimate
from textlstm.stats.families import unseen
from textlstm.stats.intervals import mean_interval
from textlstm.stats.paired import Difference, paired_difference
from textlstm.text.encoding import Encoded

FEWEST_TEXTS = 50
ALPHA = 0.05
"""Chance that any layer is called needless that is worth delta or more."""


@dataclass(frozen=True)
class ReducedStack:
    """The stack with fewer layers and a new head, against the same with all layers.

    Attributes:
        layers: those that are left, from 1.
        score: share of the scored texts that are right, with a t interval over texts.
        difference: this score minus that of the head on all layers, in shares, paired by text; None for all layers.
        bound: simultaneous lower bound of the true difference; None for all layers.
        needless: whether `bound` lies above minus delta, so that the layers left out may be dropped.
    """

    layers: tuple[int, ...]
    score: Estimate
    difference: Difference | None
    bound: float | None
    needless: bool


@dataclass(frozen=True)
class LayerWorth:
    """What each layer of one trained stack is worth.

    Attributes:
        prefixes: only the first k layers, k from 0 (the word embeddings alone) to all.
        without: one layer below the top left out, its input passed on; only layers as wide as what they read, for the
            others cannot be left out by themselves.
        own_score: share right by the model's own head, on the same texts.
        delta: smallest loss that matters, as a share.
        fitted: texts that the heads were fitted on.
        scored: texts that they were scored on.
    """

    prefixes: tuple[ReducedStack, ...]
    without: tuple[ReducedStack, ...]
    own_score: Estimate
    delta: float
    fitted: int
    scored: int


def layer_worth(
    model: TextLSTMForSequenceClassification,
    fit: Encoded,
    fit_labels: NDArray[np.generic],
    held: Encoded,
    held_labels: NDArray[np.generic],
    *,
    delta: float = 0.01,
    max_fit: int = 4000,
    max_held: int = 4000,
    seed: int = 0,
) -> LayerWorth:
    """Score a trained stack with only its first k layers kept, and with single layers left out, a new head each time.

    Args:
        model: the trained stack.
        fit: ids of texts to fit heads on: the training texts, or better, texts like them that the stack has not seen.
        fit_labels: (texts,) class numbers, or (texts, classes) bool, of which a whole row must be right.
        held: ids of texts to score on, none of which the stack or a head was fitted on.
        held_labels: their labels.
        delta: smallest loss that matters, as a share of texts.
        max_fit: texts fitted on, at most; drawn at random from more.
        max_held: texts scored on, at most.
        seed: of the draws.

    Returns:
        Scores, differences and what may be dropped.

    Raises:
        DataError: there are fewer than 50 texts on either side, or only one class to fit on.
    """
    rows = choose_texts(len(fit), most=max_fit, seed=seed)
    fit, fit_labels = fit.take(rows), fit_labels[rows]
    rows = choose_texts(len(held), most=max_held, seed=seed)
    held, held_labels = held.take(rows), held_labels[rows]
    if min(len(fit), len(held)) < FEWEST_TEXTS:
        raise DataError(
            f"The worth of layers is measured with {FEWEST_TEXTS} texts or more to fit on and as many to score on, and"
            f" {len(fit)} and {len(held)} were found; give more texts."
        )
    classes = label_classes(np.concatenate([fit_labels, held_labels]))
    answers, truth = classes[: len(fit)], classes[len(fit) :]
    if len(np.unique(answers)) < 2:
        raise DataError(
            f"Heads need texts of two classes or more, and all {len(fit)} to fit on have one; check the label column."
        )
    sides = part_texts(text_groups(fit), seed=seed)
    depth = int(model.config.num_layers)
    by_level = _right(model, fit, answers, held, truth, sides)
    cut = {layer: _right_without(model, layer, fit, answers, held, truth, sides) for layer in _removable(model)}
    candidates = depth + len(cut)
    whole = by_level[depth]
    prefixes = [
        _reduced(right, whole if level < depth else None, range(1, level + 1), candidates, delta)
        for level, right in enumerate(by_level)
    ]
    without = [
        _reduced(right, whole, (k for k in range(1, depth + 1) if k != layer), candidates, delta)
        for layer, right in cut.items()
    ]
    own = _own_right(model, held, held_labels)
    return LayerWorth(tuple(prefixes), tuple(without), mean_interval(own), delta, len(fit), len(held))


def _right(
    model: TextLSTMForSequenceClassification,
    fit: Encoded,
    answers: Integers,
    held: Encoded,
    truth: Integers,
    sides: Integers,
    levels: slice = slice(None),
) -> list[NDArray[np.float64]]:
    """By level: which of the held texts a head fitted on that level gets right, as 0 and 1."""
    below, above = layer_states(model, fit).pooled[levels], layer_states(model, held).pooled[levels]
    return [_head(*pair, answers, truth, sides) for pair in zip(below, above, strict=True)]


def _head(
    fit: NDArray[np.float32], held: NDArray[np.float32], answers: Integers, truth: Integers, sides: Integers
) -> NDArray[np.float64]:
    """Choose a head's regularization on texts apart, fit it on all, and say which of the held texts it gets right."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    def fitted(rows: NDArray[np.bool_], strengths: tuple[float, ...]) -> Iterator[Any]:
        head = LogisticRegression(max_iter=300, tol=1e-3, warm_start=True)
        for strength in strengths:
            head.set_params(C=strength)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # it is scored as it is, on other texts
                yield head.fit(states[rows], answers[rows])

    scaler = StandardScaler().fit(fit)
    states = scaler.transform(fit)
    choosing = sides == CHOOSE
    apart = sides == FIT
    strengths = STRENGTHS[-1:]
    if choosing.any() and len(np.unique(answers[apart])) > 1:
        quality = [head.score(states[choosing], answers[choosing]) for head in fitted(apart, STRENGTHS)]
        strengths = (STRENGTHS[int(np.argmax(quality))],)
    (head,) = fitted(np.ones(len(states), dtype=np.bool_), strengths)
    return np.asarray(head.predict(scaler.transform(held)) == truth, dtype=np.float64)


def _removable(model: TextLSTMForSequenceClassification) -> list[int]:
    """Layers below the top that can be left out by themselves: what stands above them fits what stands below."""
    config = model.config
    widths = [config.embedding_size, *config.layer_widths]
    # A residual or dense layer above the first adds to what is there: without it, that is passed on.
    return [
        layer
        for layer in range(1, config.num_layers)
        if widths[layer] == widths[layer - 1] and (layer > 1 or config.join != "dense")
    ]


def _right_without(
    model: TextLSTMForSequenceClassification,
    layer: int,
    fit: Encoded,
    answers: Integers,
    held: Encoded,
    truth: Integers,
    sides: Integers,
) -> NDArray[np.float64]:
    with _passing_on(model, layer):
        return _right(model, fit, answers, held, truth, sides, slice(-1, None))[0]


@contextmanager
def _passing_on(model: TextLSTMForSequenceClassification, layer: int) -> Iterator[None]:
    """Let a layer give what it reads; where the join adds what it reads by itself, nothing."""
    silent = layer > 1 and model.config.join in ("residual", "dense")

    def pass_on(_: torch.nn.Module, inputs: tuple[torch.Tensor, torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        if silent:
            return torch.zeros_like(output)
        read, lengths = inputs
        return read.masked_fill(~valid_positions(lengths, read.size(1)).unsqueeze(2), 0.0)

    handle = model.lstm.layers[layer - 1].register_forward_hook(pass_on)
    try:
        yield
    finally:
        handle.remove()


def _reduced(
    right: NDArray[np.float64],
    whole: NDArray[np.float64] | None,
    layers: Any,  # noqa: ANN401 - any iterable of layer numbers
    candidates: int,
    delta: float,
) -> ReducedStack:
    """Hold one reduced stack against the whole one."""
    left, score = tuple(layers), mean_interval(right)
    if whole is None:
        return ReducedStack(left, score, None, None, needless=False)
    # The crossed variance of two equal rows is that over texts alone, with n - 1 degrees of freedom: one model stands
    # behind these figures, and its seed's spread is unknown.
    found = paired_difference(np.stack([whole, whole]), np.stack([right, right]), pairing="paired")
    found = replace(found, seeds=1, seed_share=float("nan"), example_share=float("nan"), residual_share=float("nan"))
    alpha = ALPHA / candidates
    bound = found.bound("lower", alpha) - unseen(found, alpha)
    return ReducedStack(left, score, found, bound, needless=bound > -delta)


def _own_right(
    model: TextLSTMForSequenceClassification, held: Encoded, labels: NDArray[np.generic]
) -> NDArray[np.float64]:
    """Which of the held texts the model's own head gets right."""
    logits = predict_logits(model, held)
    if labels.ndim == 2:
        return np.asarray(((logits > 0) == labels.astype(bool)).all(axis=1), dtype=np.float64)
    return np.asarray(logits.argmax(axis=1) == labels, dtype=np.float64)
