"""What an inspection says in plain words of layers as representations, and of the words behind predictions."""

from __future__ import annotations

from collections.abc import Sequence

from textlstm.analysis.diagnostics.inspected import Statement, level_name
from textlstm.analysis.diagnostics.inspected_layers import DepthSummary, ProbeSummary, ReducedSummary, WordsSummary
from textlstm.analysis.wording import interval, percent, points, with_interval
from textlstm.results import Estimate

LARGE_GAP = 0.05
"""Completeness gap above which an attribution is not to be read closely."""


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
        said.append(_on_label(label))
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


def _on_label(label: ProbeSummary) -> Statement:
    """Say where the label is read best, if it is read off any level better than it is guessed."""
    scores = [score.value for score in label.trained]
    best = scores.index(max(scores))
    found = f"{percent(scores[best])} % {interval(label.trained[best])}".rstrip()
    low = label.trained[best].low
    if low is not None and low <= label.baseline:
        words = (
            f"No level is shown to hold the label in a form that a linear probe reads: at best it is right on {found},"
            f" off {_the(best)}, and the most frequent label makes up {percent(label.baseline)} %."
        )
        return Statement(part="probes", kind="open", words=words)
    level = next(k for k, score in enumerate(scores) if low is None or score >= low)
    words = f"A linear probe reads the label best off {_the(best)}: {found}."
    if level < best:
        words += f" Within that interval it is there already in {_the(level)} ({percent(scores[level])} %)."
    return Statement(part="probes", kind="fine", words=words)


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
        base = "the pooled embeddings" if kept == 0 else _first_words(kept)
        words = (
            f"{dropped} can be dropped: a new head on {base} is right on {percent(enough.score.value)} % of the texts,"
            f" on {'the only layer' if depth == 1 else f'all {depth} layers'} {percent(whole.score.value)} %; the loss"
            f" is under {less} ({_loss(enough)})."
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
        words=f"That {name[0].lower()}{name[1:]} can be dropped for less than {less} is not shown, nor that it earns"
        f" its place: without it a new head changes by {lost} points.",
        remedy=f"More labeled texts than the {found.scored:,} scored here would tell; so would `textlstm compare`, with"
        " several seeds.",
    )


def _first_words(layers: int) -> str:
    return "layer 1" if layers == 1 else f"the first {layers} layers"


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


def _the(level: int) -> str:
    return "the embeddings" if level == 0 else level_name(level)


def _plain(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
