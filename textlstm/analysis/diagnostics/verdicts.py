"""What an inspection says in plain words of signals: gradients, memory, distance, training, remedies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textlstm.analysis.diagnostics.gradients import CLIPPED, Remedy, judge_gradients
from textlstm.analysis.diagnostics.inspected import Statement
from textlstm.analysis.diagnostics.inspected_signals import (
    DistanceSummary,
    GateSummary,
    RemedySummary,
    TrainingSummary,
)
from textlstm.analysis.diagnostics.reach import Reach
from textlstm.analysis.wording import percent, with_interval
from textlstm.model import TextLSTMConfig
from textlstm.training.watch import GradientRecord

MANY_UNKNOWN = 0.3
"""Share of unknown tokens from which on the texts and the tokenizer hardly belong together."""
MANY_DEAD = 0.1
"""Share of a layer's units that may say the same about every word."""
MANY_STUCK = 0.5
"""Share of a layer's units that may have a gate that never moves."""


def on_reach(
    config: TextLSTMConfig, reach: Reach, record: GradientRecord | None = None
) -> tuple[list[Statement], list[Remedy]]:
    """Judge gradient reach, and the gradients of the training where it was watched.

    Args:
        config: of the stack.
        reach: as measured.
        record: gradient norms of the training; None where it was not watched.

    Returns:
        Statements, and the remedies in the order in which to try them.
    """
    found = judge_gradients(config, reach, record)
    remedies = "; ".join(f"{_settings(remedy)} ({remedy.why})" for remedy in found.remedies)
    kind = "act" if found.problems else "fine" if reach.longest >= 0 else "open"
    said = [Statement(part="reach", kind=kind, words=sentence) for sentence in found.sentences]
    if remedies:
        remedy = f"Train again with {remedies}; whether that raises the score, --try-remedy measures."
        said[0] = said[0].model_copy(update={"remedy": remedy})
    return said, list(found.remedies)


def _settings(remedy: Remedy) -> str:
    return " ".join(f"--set {key}={str(item).lower()}" for key, item in remedy.settings.items())


def on_gates(gates: Sequence[GateSummary], widths: Sequence[int]) -> list[Statement]:
    """Judge memory and units.

    Args:
        gates: by layer and direction.
        widths: of the layers, per direction.

    Returns:
        Statements.
    """
    said = []
    for row in gates:
        place = f"layer {row.layer}, reading {row.direction}"
        if row.dead > MANY_DEAD:
            left = max(1, math.ceil((1 - row.dead) * widths[row.layer - 1]))
            said.append(
                Statement(
                    part="memory",
                    kind="act",
                    words=f"In {place}, {percent(row.dead)} % of the units say the same about every word.",
                    remedy=f"They can go: a width of {left} would do there (model.hidden_size takes one a layer).",
                )
            )
        if row.saturated > MANY_STUCK:
            said.append(
                Statement(
                    part="memory",
                    kind="act",
                    words=f"In {place}, {percent(row.saturated)} % of the units have a gate that is always open or"
                    " always closed.",
                    remedy="Such gates hardly learn any more: a lower learning rate, or more weight decay, keeps them"
                    " moving.",
                )
            )
    if not said and gates:
        lives = [row.half_life for row in gates if row.half_life is not None]
        span = f"between {min(lives):.1f} and {max(lives):.1f} words" if lives else "without end"
        said.append(
            Statement(
                part="memory",
                kind="fine",
                words=f"Half of what the median unit holds is kept for {span}, by layer; few units are dead or stuck.",
            )
        )
    return said


def on_distance(found: DistanceSummary) -> list[Statement]:
    """Judge how far back a word still counts.

    Args:
        found: the profile.

    Returns:
        One statement.
    """
    longest = found.distances[-1]
    least = "at least " if found.censored else ""
    words = (
        f"Hiding a word moves the answer up to {least}{found.effective} words from the {found.counted_from} of the text"
        f" (the longest distance looked at is {longest})."
    )
    if found.tests_memory and not found.censored and found.effective < longest / 2:
        remedy = (
            "Pool all states (--pooling max) or read from both ends (model.bidirectional=true): nothing then has to"
        )
        return [Statement(part="distance", kind="act", words=words, remedy=f"{remedy} be carried that far.")]
    return [Statement(part="distance", kind="fine", words=f"{words} {found.meaning}")]


def on_training(found: TrainingSummary) -> list[Statement]:
    """Judge the gradient norms of the model's own training.

    Args:
        found: by epoch.

    Returns:
        A statement where clipping decided most steps.
    """
    share = sum(found.clipped) / len(found.clipped)
    if share <= CLIPPED:
        return []
    return [
        Statement(
            part="reach",
            kind="act",
            words=f"In training, {percent(share)} % of the updates were clipped at a norm of {found.limit:g}: the"
            " limit, and not the learning rate, set the size of the steps.",
            remedy="Try a higher training.max_grad_norm together with a lower --learning-rate.",
        )
    ]


def on_remedy(found: RemedySummary) -> Statement:
    """Say what a remedy brought.

    Args:
        found: pairs of runs with and without it.

    Returns:
        The statement.
    """
    name = " ".join(f"--set {setting}" for setting in found.settings)
    brought = with_interval(found.score, _signed)
    words = (
        f"{name} changes accuracy on {found.split} by {brought} points over {found.seeds} seeds, and the gain from"
        f" layer 1 after training by a factor of {10**found.reach_end.value:.3g}."
    )
    if found.score.low is not None and found.score.low > 0:
        return Statement(part="reach", kind="act", words=words, remedy=f"Train with {name}.")
    lower = found.score.high is not None and found.score.high < 0
    if lower:
        return Statement(part="reach", kind="fine", words=words)
    remedy = f"More seeds would tell: --try-remedy {max(5, 2 * found.seeds)}."
    return Statement(part="reach", kind="open", words=words, remedy=remedy)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
