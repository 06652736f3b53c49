"""What an inspection says in plain words: each part's finding, and what to do about it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textlstm.analysis.diagnostics.gradients import CLIPPED, Remedy, judge_gradients
from textlstm.analysis.diagnostics.inspected import (
    DepthSummary,
    DistanceSummary,
    GateSummary,
    ProbeSummary,
    ReducedSummary,
    RemedySummary,
    Statement,
    TrainingSummary,
    WordsSummary,
    level_name,
)
from textlstm.analysis.diagnostics.reach import Reach
from textlstm.analysis.wording import interval, layers_words, percent, points, with_interval
from textlstm.model import TextLSTMConfig
from textlstm.results import Estimate

MANY_UNKNOWN = 0.3
"""Share of unknown tokens from which on the texts and the tokenizer hardly belong together."""
MANY_DEAD = 0.1
"""Share of a layer's units that may say the same about every word."""
MANY_STUCK = 0.5
"""Share of a layer's units that may have a gate that never moves."""
LARGE_GAP = 0.05
"""Completeness gap above which an attribution is not to be read closely."""

__all__ = ["Remedy"]


def on_reach(config: TextLSTMConfig, reach: Reach) -> tuple[list[Statement], list[Remedy]]:
    """Judge gradient reach.

    Args:
        config: of the stack.
        reach: as measured.

    Returns:
        Statements, and the remedies in the order in which to try them.
    """
    found = judge_gradients(config, reach)
    remedies = "; ".join(f"{_settings(remedy)} ({remedy.why})" for remedy in found.remedies)
    kind = "act" if found.problems else "fine"
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
                    remedy=f"They can go: a width of {left} would do there (model.hidden_size takes one width a layer).",
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


def on_probes(probes: Sequence[ProbeSummary], gained: Estimate | None) -> list[Statement]:
    """Judge what the levels hold.

    Args:
        probes: by fact.
        gained: the order of facts over levels that training brought.

    Returns:
        Statements.
    """
    said = []
    label = next((probe for probe in probes if probe.fact == "label"), None)
    if label is not None and len(label.trained) > 1:
        scores = [score.value for score in label.trained]
        best = scores.index(max(scores))
        low = label.trained[best].low
        level = next(k for k, score in enumerate(scores) if low is None or score >= low)
        words = (
            f"A linear probe reads the label best off {_the(best)}: {percent(scores[best])} %"
            f" {interval(label.trained[best])}."
        )
        if level < best:
            words += f" Within that interval it is there already in {_the(level)} ({percent(scores[level])} %)."
        said.append(Statement(part="probes", kind="fine", words=words.replace("% .", "%.")))
    if gained is not None and gained.low is not None and gained.high is not None:
        span = f"{_signed(gained.value)} levels [{_signed(gained.low)}, {_signed(gained.high)}]"
        if gained.low > 0:
            words = f"Training has put what must be worked out above what can be read off the text: {span}, beside an"
            said.append(Statement(part="probes", kind="fine", words=f"{words} untrained stack."))
        elif gained.high < 0:
            words = f"Training has put what must be worked out below what can be read off the text: {span}, beside an"
            said.append(Statement(part="probes", kind="fine", words=f"{words} untrained stack."))
        else:
            words = f"No order of facts over the layers is shown that an untrained stack has not, too: {span}."
            said.append(Statement(part="probes", kind="open", words=words))
    return said


def on_depth(found: DepthSummary) -> list[Statement]:
    """Judge which layers can go.

    Args:
        found: new heads on fewer layers.

    Returns:
        Statements; "can be dropped" only where the head without is not worse by the non-inferiority test.
    """
    depth = len(found.prefixes) - 1
    if depth == 0:
        return []
    whole = found.prefixes[-1]
    limit = points(found.delta).removeprefix("+")
    less = f"{limit} point{'s' if found.delta != 0.01 else ''}"
    enough = next((stack for stack in found.prefixes[:-1] if stack.needless), None)
    said = []
    if enough is not None:
        kept = len(enough.layers)
        dropped = f"Layer {depth}" if depth - kept == 1 else f"Layers {kept + 1} to {depth}"
        base = "the pooled embeddings" if kept == 0 else f"the first {layers_words(kept)}"
        words = (
            f"{dropped} can be dropped: a new head on {base} is right on {percent(enough.score.value)} % of the texts,"
            f" on {'the only layer' if depth == 1 else f'all {depth}'} {percent(whole.score.value)} %; the loss is under"
            f" {less} ({_loss(enough)})."
        )
        remedy = (
            f"Train with --layers {kept}; `textlstm compare DATA --layers {kept},{depth}` tells whether that holds for"
            " other seeds."
        )
        said.append(Statement(part="depth", kind="act", words=words, remedy=remedy))
    else:
        said.append(_upper(found, depth, less))
    for stack in found.without:
        if stack.needless and (enough is None or len(stack.layers) < len(enough.layers)):
            missing = next(layer for layer in range(1, depth + 1) if layer not in stack.layers)
            words = f"Layer {missing} can be left out by itself: the loss is under {less} ({_loss(stack)})."
            said.append(Statement(part="depth", kind="act", words=words, remedy=f"Train with --layers {depth - 1}."))
    return said


def _upper(found: DepthSummary, depth: int, less: str) -> Statement:
    """Say why no upper layer can be dropped: it is worth something, or that cannot be told."""
    below = found.prefixes[-2]
    change = below.difference
    lost = (
        "" if change is None else with_interval(Estimate(value=change.value, low=change.low, high=change.high), points)
    )
    name = "The layer" if depth == 1 else f"Layer {depth}"
    if change is not None and change.high is not None and change.high < 0:
        words = f"{name} earns its place: without it a new head changes by {lost} points."
        return Statement(part="depth", kind="fine", words=words)
    return Statement(
        part="depth",
        kind="open",
        words=f"That {name[0].lower()}{name[1:]} can be dropped for less than {less} is not shown, nor that it earns its"
        f" place: without it a new head changes by {lost} points.",
        remedy=f"More labeled texts than the {found.scored:,} scored here would tell; so would `textlstm compare`, with"
        " several seeds.",
    )


def _loss(stack: ReducedSummary) -> str:
    """How much worse a reduced stack may be."""
    if stack.bound is None:
        return ""
    return f"at most {points(abs(min(0.0, stack.bound))).removeprefix('+')} points"


def on_words(found: WordsSummary) -> list[Statement]:
    """Judge attributions.

    Args:
        found: explained texts, and agreement.

    Returns:
        Statements.
    """
    said = []
    if large := sum(text.gap > LARGE_GAP for text in found.texts):
        words = (
            f"For {large} of {len(found.texts)} texts the words' values miss the score by more than"
            f" {percent(LARGE_GAP)} %; read those as a rough picture."
        )
        said.append(Statement(part="words", kind="open", words=words))
    if found.agreement is not None:
        first = found.agreement.first_to_last
        top = found.agreement.names[-1]
        words = (
            f"Embeddings and {top} rank the words of a text alike with a correlation of {_plain(first.value)}"
            f" {interval(first, _plain)}"
        )
        if first.high is not None and first.high < 0.5:
            words += ": by the top, the evidence has moved away from the words that brought it"
        said.append(Statement(part="words", kind="fine", words=f"{words}."))
    return said


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
            words=f"In training, {percent(share)} % of the updates were clipped at a norm of {found.limit:g}: the limit,"
            " and not the learning rate, set the size of the steps.",
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
    return Statement(part="reach", kind="fine" if lower else "open", words=words)


def _the(level: int) -> str:
    return "the embeddings" if level == 0 else level_name(level)


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
