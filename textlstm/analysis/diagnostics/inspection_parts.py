"""Each part of an inspection: the measurement is called, and what it gives is turned into plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics import inspected as value
from textlstm.analysis.diagnostics.attribution import attribute_texts, layer_agreement
from textlstm.analysis.diagnostics.depth import LayerWorth, ReducedStack, layer_worth
from textlstm.analysis.diagnostics.facts import FEWEST_OF_A_CLASS, label_classes
from textlstm.analysis.diagnostics.gates import gate_memory
from textlstm.analysis.diagnostics.influence import word_influence
from textlstm.analysis.diagnostics.probes import FactProbe, StackProbes, probe_stack
from textlstm.analysis.diagnostics.reach import Reach, gradient_reach, reach_distances
from textlstm.analysis.diagnostics.similarity import layer_similarity
from textlstm.analysis.diagnostics.states import choose_texts, text_groups
from textlstm.errors import DataError
from textlstm.inference.predictor import Predictor
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.results import Estimate
from textlstm.text.datasets import Split
from textlstm.text.encoding import Encoded

Labels = NDArray[np.generic]


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


def look_at_reach(look: Look) -> tuple[value.ReachSummary, Reach]:
    """Measure gradient reach in this stack and in an untrained one.

    Args:
        look: what is looked at.

    Returns:
        The values, and the measurement itself, on which a verdict is passed.
    """
    own, fresh = (
        gradient_reach(model, look.encoded, texts=look.effort.reach_texts, seed=look.seed)
        for model in (look.model, look.untrained)
    )
    until = [
        value.ReachUntil(direction=found.direction, level=found.level, words=found.words, censored=found.censored)
        for found in reach_distances(own)
    ]
    summary = value.ReachSummary(
        directions=list(own.directions),
        gains=_known(own),
        texts=own.texts.tolist(),
        until=until,
        untrained=_known(fresh),
    )
    return summary, own


def _known(reach: Reach) -> list[list[list[float | None]]]:
    """Gains up to the longest distance that is spoken about."""
    end = reach.longest + 1
    return [
        [[gain if math.isfinite(gain) else None for gain in level[:end]] for level in direction]
        for direction in reach.gains.tolist()
    ]


def look_at_gates(look: Look) -> list[value.GateSummary]:
    """Read gates and units.

    Args:
        look: what is looked at.

    Returns:
        One entry a layer and direction.
    """
    rows = [found.summary() for found in gate_memory(look.model, look.encoded, texts=look.effort.gate_texts)]
    endless = {key: None for row in rows for key, figure in row.items() if figure == math.inf}
    return [
        value.GateSummary(**{key: endless.get(key) if figure == math.inf else figure for key, figure in row.items()})
        for row in rows
    ]


def look_at_distance(look: Look) -> value.DistanceSummary:
    """Measure how far back a word still moves the answer.

    Args:
        look: what is looked at.

    Returns:
        The profile, counted from the end of the text.
    """
    found = word_influence(look.model, look.encoded, texts=look.effort.influence_texts, seed=look.seed)
    bounds = zip(found.moved.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return value.DistanceSummary(
        counted_from=found.counted_from,
        distances=found.distances.tolist(),
        moved=[Estimate(value=middle, low=low, high=high) for middle, low, high in bounds],
        texts=found.texts.tolist(),
        share=found.share,
        effective=found.effective,
        censored=found.censored,
        tests_memory=found.tests_memory,
        meaning=found.meaning,
    )


def look_at_probes(look: Look) -> tuple[list[value.ProbeSummary], StackProbes]:
    """Probe every level, and those of an untrained stack.

    Args:
        look: what is looked at.

    Returns:
        One entry a fact, and the measurement itself.
    """
    found = probe_stack(
        look.model,
        look.encoded,
        labels=look.rows.labels,
        tokenizer=look.predictor.tokenizer,
        untrained=look.untrained,
        max_texts=look.effort.texts,
        max_tokens=look.effort.tokens,
        resamples=look.effort.resamples,
        seed=look.seed,
    )
    pairs = zip(found.trained, found.untrained, strict=True)
    return [_probe(trained, untrained) for trained, untrained in pairs], found


def _probe(trained: FactProbe, untrained: FactProbe) -> value.ProbeSummary:
    return value.ProbeSummary(
        fact=trained.fact,
        abstract=trained.abstract,
        about=trained.about,
        measure=trained.measure,
        baseline=trained.baseline,
        samples=trained.samples,
        trained=[level.score for level in trained.levels],
        control=[level.control for level in trained.levels],
        untrained=[level.score for level in untrained.levels],
        center=trained.center,
        untrained_center=untrained.center,
    )


def look_at_similarity(look: Look) -> value.SimilaritySummary:
    """Compare levels with each other.

    Args:
        look: what is looked at.

    Returns:
        The matrices.
    """
    found = layer_similarity(
        look.model, look.encoded, untrained=look.untrained, max_texts=look.effort.texts, seed=look.seed
    )
    return value.SimilaritySummary(
        trained=found.trained.tolist(), untrained=found.untrained.tolist(), samples=found.samples
    )


def look_at_depth(look: Look, *, delta: float) -> value.DepthSummary:
    """Measure what each layer is worth, by new heads on fewer layers.

    Args:
        look: what is looked at.
        delta: smallest loss that matters, as a share.

    Returns:
        The values.

    Raises:
        DataError: there are no labels, or too few of them.
    """
    rows, encoded, fit, fit_encoded = look.rows, look.encoded, look.fit, look.fit_encoded
    if rows.labels is None:
        raise DataError(f"New heads need labels, and there are none: {look.unlabeled}")
    if fit is None or fit_encoded is None:
        left, right = halves(rows, encoded, seed=look.seed)
        fit, fit_encoded, rows, encoded = rows.take(left), encoded.take(left), rows.take(right), encoded.take(right)
    assert fit.labels is not None and rows.labels is not None  # noqa: S101 - halves of labeled rows have labels
    for side, labels in (("fit new heads on", fit.labels), ("score them on", rows.labels)):
        _check_classes(labels, side)
    found = layer_worth(
        look.model,
        fit_encoded,
        fit.labels,
        encoded,
        rows.labels,
        delta=delta,
        max_fit=look.effort.fit_texts,
        max_held=look.effort.texts,
        seed=look.seed,
    )
    return _worth(found)


def _check_classes(labels: Labels, purpose: str) -> None:
    """Refuse rows of which no two classes have enough."""
    counts = np.sort(np.unique(label_classes(labels), return_counts=True)[1])[::-1].tolist()
    if sum(count >= FEWEST_OF_A_CLASS for count in counts) < 2:
        listed = ", ".join(map(str, counts[:5])) + (", ..." if len(counts) > 5 else "")
        raise DataError(
            f"The worth of layers takes two classes with {FEWEST_OF_A_CLASS} texts each or more to {purpose}, and the"
            f" classes have {listed or 'no'} texts; give more labeled texts."
        )


def _worth(found: LayerWorth) -> value.DepthSummary:
    return value.DepthSummary(
        prefixes=[_reduced(stack) for stack in found.prefixes],
        without=[_reduced(stack) for stack in found.without],
        own_score=found.own_score,
        delta=found.delta,
        fitted=found.fitted,
        scored=found.scored,
    )


def _reduced(stack: ReducedStack) -> value.ReducedSummary:
    change = stack.difference
    known = change is not None and math.isfinite(change.low) and math.isfinite(change.high)
    return value.ReducedSummary(
        layers=list(stack.layers),
        score=stack.score,
        difference=None
        if change is None
        else Estimate(value=change.value, low=change.low if known else None, high=change.high if known else None),
        bound=stack.bound,
        needless=stack.needless,
    )


def look_at_words(look: Look, *, texts: int, source: Sequence[str] | None = None) -> value.WordsSummary:
    """Explain some predictions word by word.

    Args:
        look: what is looked at.
        texts: of the rows, how many; half of them errors where there are labels and so many errors.
        source: texts of the user's own to explain in place of rows.

    Returns:
        The explained texts, and how far the levels agree.
    """
    names = look.predictor.label_names
    picked = choose_explained(look, texts=texts)
    own = [str(text) for text in look.rows.texts.take(picked).to_pylist()] if source is None else list(source)
    explained = []
    for place, found in enumerate(attribute_texts(look.predictor, own)):
        true = None
        if source is None and look.rows.labels is not None:
            labels = look.rows.labels[picked[place]]
            true = ", ".join(np.array(names)[labels]) if labels.ndim else names[int(labels)]
        explained.append(
            value.ExplainedText(
                row=int(look.rows.rows[picked[place]]) if source is None else place,
                text=found.text,
                label=found.label,
                true_label=true,
                probability=found.probability,
                score=found.score,
                baseline=found.baseline,
                gap=found.gap,
                other=found.other,
                words=[value.WordValue(start=word.start, end=word.end, value=word.value) for word in found.words],
                steps=found.steps,
            )
        )
    compared = choose_texts(len(look.rows), most=look.effort.agreement_texts, seed=look.seed)
    agreement = layer_agreement(look.predictor, look.rows.texts.take(compared).to_pylist())
    return value.WordsSummary(
        texts=explained,
        agreement=agreement
        and value.AgreementSummary(
            names=agreement.names,
            correlation=agreement.correlation,
            first_to_last=agreement.first_to_last,
            texts=agreement.texts,
        ),
    )


def choose_explained(look: Look, *, texts: int) -> NDArray[np.int64]:
    """Pick rows to explain: the surest errors first, then right ones drawn at random.

    Args:
        look: what is looked at.
        texts: how many.

    Returns:
        Positions in the rows; without labels all are drawn at random.
    """
    drawn = np.random.default_rng([look.seed, 13]).permutation(len(look.rows))
    labels = look.rows.labels
    if labels is None:
        return drawn[:texts]
    chances = look.predictor.probabilities_of(look.encoded)
    if labels.ndim == 2:
        wrong = (look.predictor.given(chances) != labels.astype(bool)).any(axis=1)
    else:
        wrong = chances.argmax(axis=1) != labels
    surest = np.flatnonzero(wrong)[np.argsort(-chances.max(axis=1)[wrong], kind="stable")]
    errors = surest[: texts // 2]
    right = drawn[~wrong[drawn]][: texts - len(errors)]
    return np.concatenate([errors, right]).astype(np.int64)


def unknown_share(look: Look) -> float:
    """Count what the tokenizer does not know.

    Args:
        look: what is looked at.

    Returns:
        Share of unknown tokens, from 0 to 1.
    """
    unknown = look.predictor.classifier.unk_id
    return float((look.encoded.ids == unknown).mean()) if len(look.encoded.ids) else 0.0
