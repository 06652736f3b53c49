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

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from textlstm.analysis.diagnostics.facts import Fact, listops_facts, text_facts, token_facts
from textlstm.analysis.diagnostics.states import (
    Integers,
    LayerStates,
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
FIT, CHOOSE, SCORE = 0, 1, 2
_SIDE_SHARES = (0.5, 0.2)  # fitted on, chosen on; the rest is scored
STRENGTHS = (1e-3, 3e-2, 1.0)
"""Inverse regularization of the logistic regression: from strong to weak, so that each fit starts from the last."""
PENALTIES = (1e4, 1e2, 1.0)
"""Penalties of the ridge regression."""
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
        vocabulary = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        facts += listops_facts(encoded, sample, vocabulary, seed=seed)
    notes = [] if labels is None or any(fact.name == "label" for fact in facts) else [_NO_LABEL]
    beside = untrained_like(model, seed=seed) if untrained is None else untrained
    tables: list[list[_Scored]] = []
    sides = np.empty(0, dtype=np.int64)
    for stack in (model, beside):
        states = layer_states(stack, encoded, sample=sample, pooling=pooling)
        sides = part_texts(states.groups, seed=seed)
        tables.append([_probe(fact, states, sides) for fact in facts])
    return _put_together(facts, tables, notes, resamples=resamples, seed=seed)


_NO_LABEL = "The label was left out: no two classes have ten of the texts or more."


def part_texts(groups: Integers, *, seed: int) -> Integers:
    """Part texts to three sides: fitted on (half), chosen on (a fifth), scored.

    Args:
        groups: (texts,) equal numbers stay together.
        seed: of the draw.

    Returns:
        (texts,) `FIT`, `CHOOSE` or `SCORE`.
    """
    count = int(groups.max(initial=-1)) + 1
    order = np.random.default_rng([seed, 7]).permutation(count)
    fitted, chosen = round(_SIDE_SHARES[0] * count), round(sum(_SIDE_SHARES) * count)
    side = np.full(count, SCORE, dtype=np.int64)
    side[order[:chosen]] = CHOOSE
    side[order[:fitted]] = FIT
    return side[groups]


@dataclass(frozen=True)
class _Scored:
    """Sums of one fact over the scored texts, a row each: what every figure is a function of.

    For classes the columns are: samples, then right answers by level, then the control's. For numbers: samples, sum and
    sum of squares of the answers and of the control's answers, then squared errors by level, then the control's.
    """

    columns: Floats
    levels: int
    baseline: float


def _probe(fact: Fact, states: LayerStates, sides: Integers) -> _Scored:
    """Fit and score probes of one fact on every level."""
    text = states.sample.text if fact.about == "token" else np.arange(len(sides))
    layers = states.tokens if fact.about == "token" else states.pooled
    side = np.where(fact.counted, sides[text], -1)
    scored = side == SCORE
    # One row for each different text of that side, those without a sample of this fact too: all facts share the draws.
    present, place = np.unique(states.groups[sides == SCORE], return_inverse=True)
    row_of = np.full(int(states.groups.max()) + 1, -1, dtype=np.int64)
    row_of[states.groups[sides == SCORE]] = place
    rows = row_of[states.groups[text[scored]]]
    columns = [np.ones(len(rows))]
    answers, control = fact.answers, fact.control
    baseline = 0.0
    if fact.is_number:
        center, spread = answers[side == FIT].mean(), answers[side == FIT].std() or 1.0
        answers, control = (answers - center) / spread, (control - center) / spread
        for values in (answers[scored], control[scored]):
            columns += [values, values**2]
    else:
        baseline = float(np.bincount(answers[scored].astype(np.int64)).max() / max(1, len(rows)))
    asked, controlled = [], []
    for layer in layers:
        found, strength = _fit(layer, answers, side, numbers=fact.is_number)
        by_heart, _ = _fit(layer, control, side, numbers=fact.is_number, strengths=(strength,))
        for guesses, truth, kept in ((found, answers[scored], asked), (by_heart, control[scored], controlled)):
            kept.append((guesses - truth) ** 2 if fact.is_number else (guesses == truth).astype(np.float64))
    table = np.stack([*columns, *asked, *controlled], axis=1)
    sums = np.stack([np.bincount(rows, weights=column, minlength=len(present)) for column in table.T], axis=1)
    return _Scored(sums, len(layers), baseline)


def _fit(
    layer: NDArray[np.float32],
    answers: NDArray[np.generic],
    side: Integers,
    *,
    numbers: bool,
    strengths: Sequence[float] | None = None,
) -> tuple[NDArray[np.generic], float]:
    """Fit a probe at each regularization, choose by the second side, and answer the third.

    A control task takes the regularization of its fact: it asks what this probe could learn by heart.

    Args:
        layer: (samples, width) states.
        answers: (samples,).
        side: (samples,) which side each sample is on; below 0 is on none.
        numbers: whether answers are numbers.
        strengths: to choose from; the module's own when None.

    Returns:
        Answers for the samples of the third side, and the chosen strength.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(layer[side == FIT])
    fit, choose, score = (scaler.transform(layer[side == which]) for which in (FIT, CHOOSE, SCORE))
    choices = strengths or (PENALTIES if numbers else STRENGTHS)
    truth = answers[side == FIT]
    if len(np.unique(truth)) < 2:  # one class among the fitted: the probe can only say that
        return np.full(len(score), truth[0] if len(truth) else 0), choices[0]
    probe = Ridge() if numbers else LogisticRegression(max_iter=200, tol=1e-3, warm_start=True)
    best, answered, chosen = -np.inf, np.empty(0), choices[0]
    for strength in choices:
        probe.set_params(**{"alpha" if numbers else "C": strength})
        with warnings.catch_warnings():
            # A probe that has not quite settled is scored like any other, and the choice is by its score.
            warnings.simplefilter("ignore", ConvergenceWarning)
            probe.fit(fit, truth)
        if len(choices) == 1:
            return probe.predict(score), strength
        quality = float(probe.score(choose, answers[side == CHOOSE])) if len(choose) > 1 else 0.0
        if quality > best:
            best, answered, chosen = quality, probe.predict(score), strength
    return answered, chosen


def _put_together(
    facts: Sequence[Fact], tables: Sequence[Sequence[_Scored]], notes: Sequence[str], *, resamples: int, seed: int
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
            scores = _scores(everything[:, start : start + width], scored.levels, numbers=fact.is_number)
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


def _scores(sums: Floats, levels: int, *, numbers: bool) -> Floats:
    """Scores from column sums, (draws, 2, levels): of the fact, and of its control."""
    count = np.maximum(sums[:, :1], 1.0)
    if not numbers:
        return np.asarray(sums[:, 1:].reshape(len(sums), 2, levels) / count[:, None])
    errors = sums[:, 5:].reshape(len(sums), 2, levels)
    around = sums[:, [2, 4]] - sums[:, [1, 3]] ** 2 / count  # squared distances from the mean, (draws, 2)
    # Below 0 a probe is worse than the mean, which it knows too: that is overfitting, and no less than nothing.
    return np.asarray(np.maximum(0.0, 1 - errors / np.maximum(around, 1e-12)[:, :, None]))


def _fact_probe(fact: Fact, scored: _Scored, scores: Floats, center: Floats) -> FactProbe:
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
