"""The parts of an inspection that follow signals: gradient reach, gates, and how far back a word counts.

Each measurement is called, and what it gives is turned into plain values.
"""

from __future__ import annotations

import math

from textlstm.analysis.diagnostics.gates import gate_memory
from textlstm.analysis.diagnostics.influence import word_influence
from textlstm.analysis.diagnostics.inspected_signals import (
    DistanceSummary,
    GateSummary,
    ReachSummary,
    ReachUntil,
    TrainingSummary,
    WatchedSummary,
)
from textlstm.analysis.diagnostics.look import Look
from textlstm.analysis.diagnostics.notes import Notes
from textlstm.analysis.diagnostics.reach import Reach, gradient_reach, reach_distances
from textlstm.results import Estimate, Run


def look_at_reach(look: Look) -> tuple[ReachSummary, Reach]:
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
        ReachUntil(direction=found.direction, level=found.level, words=found.words, censored=found.censored)
        for found in reach_distances(own)
    ]
    summary = ReachSummary(
        directions=list(own.directions),
        gains=known_gains(own),
        texts=own.texts.tolist(),
        until=until,
        untrained=known_gains(fresh),
    )
    return summary, own


def known_gains(reach: Reach) -> list[list[list[float | None]]]:
    """Write a map as plain values.

    Args:
        reach: a measurement.

    Returns:
        Gains by direction, level and distance, up to the longest distance that is spoken about.
    """
    end = reach.longest + 1
    return [
        [[gain if math.isfinite(gain) else None for gain in level[:end]] for level in direction]
        for direction in reach.gains.tolist()
    ]


def look_at_gates(look: Look) -> list[GateSummary]:
    """Read gates and units.

    Args:
        look: what is looked at.

    Returns:
        One entry a layer and direction.
    """
    rows = [found.summary() for found in gate_memory(look.model, look.encoded, texts=look.effort.gate_texts)]
    endless = {key: None for row in rows for key, figure in row.items() if figure == math.inf}
    return [
        GateSummary(**{key: endless.get(key) if figure == math.inf else figure for key, figure in row.items()})
        for row in rows
    ]


def look_at_distance(look: Look) -> DistanceSummary:
    """Measure how far back a word still moves the answer.

    Args:
        look: what is looked at.

    Returns:
        The profile, counted from the end of the text.
    """
    found = word_influence(look.model, look.encoded, texts=look.effort.influence_texts, seed=look.seed)
    bounds = zip(found.moved.tolist(), found.low.tolist(), found.high.tolist(), strict=True)
    return DistanceSummary(
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


def training_summary(run: Run | None, notes: Notes | None) -> TrainingSummary | None:
    """Sum up how gradients fared in the training of a model.

    Args:
        run: that left the model; None where it is not known.
        notes: of a watched training; None where it was not watched.

    Returns:
        Norms by epoch, and what was watched; None without a run.
    """
    if run is None or not run.history:
        return None
    watched = None
    if notes is not None:
        record = notes.record
        watched = WatchedSummary(
            moments={moment: known_gains(reach) for moment, reach in notes.reach.items()},
            parts=list(record.parts),
            steps=record.steps.tolist(),
            norms=record.norms.tolist(),
            clipped=record.clipped,
            watching=notes.watching,
        )
    return TrainingSummary(
        epochs=[epoch.epoch for epoch in run.history],
        norms=[epoch.gradient_norm for epoch in run.history],
        clipped=[epoch.clipped for epoch in run.history],
        limit=float(run.settings["training"]["max_grad_norm"]),
        watched=watched,
    )
