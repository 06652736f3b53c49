"""Linear probes: what can be read off each layer by a straight line, beside control tasks and an untrained stack.

A probe is a logistic regression (classes) or a ridge regression (numbers) on standardized states. Texts are parted to
three sides, copies of one text on one side: probes are fitted on half of them, their regularization is chosen on a
fifth and they are scored on the rest. Intervals come from resampling the scored texts (percentile bootstrap); there is
one trained model behind them, so they say nothing about another seed's.

The center of gravity of a fact is the mean level (0: embeddings, k: layer k), weighed by the selectivity there: the
score minus that of the control task (Hewitt and Liang 2019; centers of gravity after Tenney, Das and Pavlick 2019,
"BERT Rediscovers the Classical NLP Pipeline", who weigh by mixing weights).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from textlstm.analysis.diagnostics.facts import Fact, listops_facts, text_facts, token_facts
from textlstm.analysis.diagnostics.probe_fits import Scored, part_texts, score_fact, scores_from
from textlstm.analysis.diagnostics.states import (
    PoolingName,
    choose_texts,
    layer_states,
    sample_tokens,
    text_groups,
    untrained_like,
)
from textlstm.errors import DataError
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.results import Estimate
from textlstm.stats.intervals import bootstrap_sums, percentile_interval
from textlstm.text.encoding import Encoded

Floats = NDArray[np.float64]

FEWEST_TEXTS = 60
_FLOOR = 0.01  # selectivity that every level gets on top


@dataclass(frozen=True)
class LevelProbe:
    """A fact read off one level.

    Attributes:
        level: 0 for the embeddings, k for layer k.
        score: accuracy, or R squared for numbers (not below 0), on texts that the probe has not seen.
        control: the same of the control task.
        selectivity: score minus control.
    """

    level: int
    score: Estimate
    control: Estimate
    selectivity: Estimate


@dataclass(frozen=True)
class FactProbe:
    """A fact read off every level of one stack.

    Attributes:
        fact: its name.
        abstract: whether it must be worked out, in place of being read off the text.
        about: "text" where pooled states were asked, "token" where a token's states were.
        measure: "accuracy" or "R squared".
        baseline: score without any states: the share of the most frequent class, or 0.
        levels: from the embeddings up.
        center: its center of gravity, in levels. Each level's selectivity gets 0.01 on top, so that a fact that no
            level holds has its center in the middle of the stack, in place of anywhere.
        samples: texts or tokens scored.
    """

    fact: str
    abstract: bool
    about: Literal["text", "token"]
    measure: Literal["accuracy", "R squared"]
    baseline: float
    levels: tuple[LevelProbe, ...]
    center: Estimate
    samples: int


@dataclass(frozen=True)
class StackProbes:
    """All facts in a trained stack and in an untrained one of the same configuration.

    Attributes:
        trained: one entry a fact.
        untrained: the same of the untrained stack, on the same samples and sides.
        order: mean center of the abstract facts minus that of the surface facts, in levels; None where either is
            missing.
        untrained_order: the same of the untrained stack.
        gained: order minus untrained order: what training has moved.
        texts: different texts scored, which the intervals are over.
        notes: what was left out, in sentences.
    """

    trained: tuple[FactProbe, ...]
    untrained: tuple[FactProbe, ...]
    order: Estimate | None
    untrained_order: Estimate | None
    gained: Estimate | None
    texts: int
    notes: tuple[str, ...] = ()


def probe_stack(
    model: TextLSTMForSequenceClassification,
    encoded: Encoded,
    *,
    labels: NDArray[np.generic] | None = None,
    tokenizer: PreTrainedTokenizerFast | None = None,
    untrained: TextLSTMForSequenceClassification | None = None,
    pooling: PoolingName = "own",
    max_texts: int = 2000,
    max_tokens: int = 3000,
    resamples: int = 1000,
    seed: int = 0,
) -> StackProbes:
    """Probe every level of a stack, and of an untrained one beside it.

    Args:
        model: the trained stack.
        encoded: ids of texts that it was not trained on.
        labels: (texts,) class numbers or (texts, classes) bool; None leaves the label out.
        tokenizer: tells ListOps, for nesting depth and partial value; without it they are left out.
        untrained: the stack to compare with; fresh weights from `seed` when None.
        pooling: of the states that are asked about texts.
        max_texts: texts looked at, at most.
        max_tokens: tokens looked at, at most.
        resamples: bootstrap draws of texts.
        seed: of the samples, the sides, the controls and the untrained weights.

    Returns:
        Scores, controls and centers with intervals over texts.

    Raises:
        DataError: there are fewer than 60 different texts.
    """
    rows = choose_texts(len(encoded), most=max_texts, seed=seed)
    encoded = encoded.take(rows)
    labels = None if labels is None else labels[rows]
    different = len(np.unique(text_groups(encoded)))
    if different < FEWEST_TEXTS:
        raise DataError(
            f"Probes are fitted, chosen and scored on texts apart, which takes {FEWEST_TEXTS} different texts or more,"
            f" and {different} were found; give more texts."
        )
    sample = sample_tokens(encoded, most=max_tokens, seed=seed)
    facts = text_facts(encoded, labels, seed=seed) + token_facts(encoded, sample, seed=seed)
    if tokenizer is not None:
        vocabulary = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        facts += listops_facts(encoded, sample, vocabulary, seed=seed)
    notes = [] if labels is None or any(fact.name == "label" for fact in facts) else [_NO_LABEL]
    beside = untrained_like(model, seed=seed) if untrained is None else untrained
    tables: list[list[Scored]] = []
    sides = np.empty(0, dtype=np.int64)
    for stack in (model, beside):
        states = layer_states(stack, encoded, sample=sample, pooling=pooling)
        sides = part_texts(states.groups, seed=seed)
        tables.append([score_fact(fact, states, sides) for fact in facts])
    return _put_together(facts, tables, notes, resamples=resamples, seed=seed)


_NO_LABEL = "The label was left out: no two classes have ten of the texts or more."


def _put_together(
    facts: Sequence[Fact], tables: Sequence[Sequence[Scored]], notes: Sequence[str], *, resamples: int, seed: int
) -> StackProbes:
    """Turn the sums of both stacks into figures with intervals over one set of draws."""
    whole = np.concatenate([scored.columns for table in tables for scored in table], axis=1)
    drawn = bootstrap_sums(whole, resamples=resamples, seed=seed)
    everything = np.concatenate([whole.sum(axis=0, keepdims=True), drawn])  # the first row is the texts as they are
    start = 0
    probes: list[list[FactProbe]] = []
    centers: list[list[Floats]] = []
    for table in tables:
        probes.append([])
        centers.append([])
        for fact, scored in zip(facts, table, strict=True):
            width = scored.columns.shape[1]
            scores = scores_from(everything[:, start : start + width], scored.levels, numbers=fact.is_number)
            start += width
            selectivity = scores[:, 0] - scores[:, 1]
            centers[-1].append(center_of_gravity(selectivity))
            probes[-1].append(_fact_probe(fact, scored, scores, centers[-1][-1]))
    orders = [_order(facts, side) for side in centers]
    gained = None if orders[0] is None or orders[1] is None else orders[0] - orders[1]
    return StackProbes(
        trained=tuple(probes[0]),
        untrained=tuple(probes[1]),
        order=_estimate(orders[0]),
        untrained_order=_estimate(orders[1]),
        gained=_estimate(gained),
        texts=len(whole),
        notes=tuple(notes),
    )


def center_of_gravity(selectivity: Floats) -> Floats:
    """Weigh levels by what they hold of a fact.

    Args:
        selectivity: (..., levels), the embeddings first; what is below 0 counts as 0, and every level gets 0.01 more.

    Returns:
        (...,) mean level.
    """
    weights = np.maximum(selectivity, 0.0) + _FLOOR
    return np.asarray((weights * np.arange(weights.shape[-1])).sum(axis=-1) / weights.sum(axis=-1))


def _fact_probe(fact: Fact, scored: Scored, scores: Floats, center: Floats) -> FactProbe:
    """One fact's figures; the first row of the draws is the texts as they are."""
    levels = []
    for level in range(scored.levels):
        asked, control = scores[:, 0, level], scores[:, 1, level]
        levels.append(LevelProbe(level, _whole(asked), _whole(control), _whole(asked - control)))
    return FactProbe(
        fact=fact.name,
        abstract=fact.abstract,
        about=fact.about,
        measure="R squared" if fact.is_number else "accuracy",
        baseline=scored.baseline,
        levels=tuple(levels),
        center=_whole(center),
        samples=int(scored.columns[:, 0].sum()),
    )


def _order(facts: Sequence[Fact], centers: Sequence[Floats]) -> Floats | None:
    """Mean center of the abstract facts minus that of the surface facts, by draw."""
    sides = [
        [center for fact, center in zip(facts, centers, strict=True) if fact.abstract is side] for side in (True, False)
    ]
    if not all(sides):
        return None
    return np.asarray(np.mean(sides[0], axis=0) - np.mean(sides[1], axis=0))


def _whole(draws: Floats) -> Estimate:
    """The figure on the texts as they are, with the interval of the other draws."""
    return percentile_interval(float(draws[0]), draws[1:])


def _estimate(draws: Floats | None) -> Estimate | None:
    return None if draws is None else _whole(draws)
