"""The parts of an inspection that take layers as representations: probes, likeness, and the worth of each layer.

Each measurement is called, and what it gives is turned into plain values.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.depth import LayerWorth, ReducedStack, layer_worth
from textlstm.analysis.diagnostics.facts import FEWEST_OF_A_CLASS, label_classes
from textlstm.analysis.diagnostics.inspected_layers import DepthSummary, ProbeSummary, ReducedSummary, SimilaritySummary
from textlstm.analysis.diagnostics.look import Look, halves
from textlstm.analysis.diagnostics.probes import FactProbe, StackProbes, probe_stack
from textlstm.analysis.diagnostics.similarity import layer_similarity
from textlstm.errors import DataError
from textlstm.results import Estimate


def look_at_probes(look: Look) -> tuple[list[ProbeSummary], StackProbes]:
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


def _probe(trained: FactProbe, untrained: FactProbe) -> ProbeSummary:
    return ProbeSummary(
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


def look_at_similarity(look: Look) -> SimilaritySummary:
    """Compare levels with each other.

    Args:
        look: what is looked at.

    Returns:
        The matrices.
    """
    found = layer_similarity(
        look.model, look.encoded, untrained=look.untrained, max_texts=look.effort.texts, seed=look.seed
    )
    return SimilaritySummary(trained=found.trained.tolist(), untrained=found.untrained.tolist(), samples=found.samples)


def look_at_depth(look: Look, *, delta: float) -> DepthSummary:
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


def _check_classes(labels: NDArray[np.generic], purpose: str) -> None:
    """Refuse rows of which no two classes have enough."""
    counts = np.sort(np.unique(label_classes(labels), return_counts=True)[1])[::-1].tolist()
    if sum(count >= FEWEST_OF_A_CLASS for count in counts) < 2:
        listed = ", ".join(map(str, counts[:5])) + (", ..." if len(counts) > 5 else "")
        raise DataError(
            f"The worth of layers takes two classes with {FEWEST_OF_A_CLASS} texts each or more to {purpose}, and the"
            f" classes have {listed or 'no'} texts; give more labeled texts."
        )


def _worth(found: LayerWorth) -> DepthSummary:
    return DepthSummary(
        prefixes=[_reduced(stack) for stack in found.prefixes],
        without=[_reduced(stack) for stack in found.without],
        own_score=found.own_score,
        delta=found.delta,
        fitted=found.fitted,
        scored=found.scored,
    )


def _reduced(stack: ReducedStack) -> ReducedSummary:
    change = stack.difference
    known = change is not None and math.isfinite(change.low) and math.isfinite(change.high)
    return ReducedSummary(
        layers=list(stack.layers),
        score=stack.score,
        difference=None
        if change is None
        else Estimate(value=change.value, low=change.low if known else None, high=change.high if known else None),
        bound=stack.bound,
        needless=stack.needless,
    )
