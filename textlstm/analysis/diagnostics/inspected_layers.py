"""What an inspection yields on layers as representations, and on the words behind predictions, as plain values.

Shares lie between 0 and 1. Levels are counted from 0, the word embeddings, to the top layer.
"""

from __future__ import annotations

from typing import Literal

from textlstm.analysis.diagnostics.inspected_signals import Value
from textlstm.results import Estimate


class ProbeSummary(Value):
    """One fact read off every level by a linear probe, in this stack and in an untrained one.

    Attributes:
        fact: such as "label" or "position".
        abstract: whether it must be worked out, in place of being read off the text.
        about: "text" where pooled states were asked, "token" where a token's states were.
        measure: "accuracy" or "R squared".
        baseline: what can be had without any states.
        samples: scored.
        trained: by level, on texts that the probe has not seen.
        control: by level, the same of the control task (Hewitt and Liang 2019).
        untrained: by level, in a stack with fresh weights.
        center: center of gravity of the selectivity (trained minus control), in levels.
        untrained_center: the same of the untrained stack.
    """

    fact: str
    abstract: bool
    about: Literal["text", "token"]
    measure: Literal["accuracy", "R squared"]
    baseline: float
    samples: int
    trained: list[Estimate]
    control: list[Estimate]
    untrained: list[Estimate]
    center: Estimate
    untrained_center: Estimate


class SimilaritySummary(Value):
    """Debiased CKA between levels, from about 0 (unrelated) to 1 (equal up to rotation and scale).

    Attributes:
        trained: each level with each.
        untrained: the same of a stack with fresh weights.
        samples: tokens compared.
    """

    trained: list[list[float]]
    untrained: list[list[float]]
    samples: int


class ReducedSummary(Value):
    """The stack with fewer of its layers and a new head.

    Attributes:
        layers: those that are left, from 1.
        score: share right.
        difference: score minus that of a new head on all layers, paired by text; None for all layers.
        bound: simultaneous lower bound of the true difference.
        needless: whether the bound lies above minus delta: what was left out may be dropped.
    """

    layers: list[int]
    score: Estimate
    difference: Estimate | None
    bound: float | None
    needless: bool


class DepthSummary(Value):
    """What each layer of this stack is worth.

    Attributes:
        prefixes: only the first k layers, k from 0 to all.
        without: single layers left out.
        own_score: share right by the model's own head.
        delta: smallest loss that matters, as a share.
        fitted: texts that new heads were fitted on.
        scored: texts that they were scored on.
    """

    prefixes: list[ReducedSummary]
    without: list[ReducedSummary]
    own_score: Estimate
    delta: float
    fitted: int
    scored: int


class WordValue(Value):
    """A word of a text: its place, first character and the one after its last, and its value in logits."""

    start: int
    end: int
    value: float


class ExplainedText(Value):
    """Why one text got its label, by integrated gradients.

    Attributes:
        row: its number in the source.
        text: the whole text.
        label: what the model says.
        true_label: what the data says; None without labels.
        probability: of `label`.
        score: the label's logit minus the mean of all.
        baseline: the same of the text with zero embeddings.
        gap: completeness gap, as a share of score - baseline.
        other: value of tokens that are no part of the text.
        words: what each word adds; above 0 speaks for the label.
        steps: of the sum.
    """

    row: int
    text: str
    label: str
    true_label: str | None
    probability: float
    score: float
    baseline: float
    gap: float
    other: float
    words: list[WordValue]
    steps: int


class AgreementSummary(Value):
    """Rank correlation of the words' values between levels, mean over texts."""

    names: list[str]
    correlation: list[list[float]]
    first_to_last: Estimate
    texts: int


class WordsSummary(Value):
    """Attributions of single predictions, and how far the levels agree on them."""

    texts: list[ExplainedText]
    agreement: AgreementSummary | None
