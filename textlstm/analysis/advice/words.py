"""The advice in sentences: what it would say now, and what it says in the end."""

from __future__ import annotations

from textlstm.analysis.advice.decision import Standing, close_chance
from textlstm.analysis.advice.looks import Comparison, LookRules
from textlstm.analysis.wording import layers_words, points


def now_words(standing: Standing) -> str:
    """Say in one line what the advice would be now.

    Args:
        standing: of `decide`.

    Returns:
        Such as "1 layer, undecided (2 layers −0.4 [−2.1, +1.3], 5 seeds)".
    """
    head = layers_words(standing.depth)
    if not standing.comparisons:
        return f"{head}, before the first look"
    parts = [
        f"{layers_words(depth)} {points(one.gain)} [{points(one.shown[0])}, {points(one.shown[1])}], {one.seeds} seeds"
        for depth, one in standing.comparisons.items()
    ]
    return f"{head}, {_CERTAINTY[standing.certainty]} ({'; '.join(parts)})"


def answer_words(standing: Standing, rules: LookRules, *, out_of_time: bool) -> list[str]:
    """Say what the study ends with.

    Args:
        standing: at the end.
        rules: of the looks.
        out_of_time: whether the budget ended it.

    Returns:
        Sentences, the advice first.
    """
    base, delta = layers_words(standing.shallowest), 100 * rules.delta
    one = standing.gain
    if standing.certainty == "found" and one is not None:
        words = [f"Take {layers_words(standing.depth)}: {_gain_words(one)} over {base}."]
        if one.low < rules.delta:
            words.append(
                f"That it is {delta:g} points or more, which a layer should be worth, is likely but not shown."
            )
        return words
    if standing.certainty == "enough":
        return [f"Take {base}: it is enough. No deeper stack, up to {max(standing.seeds)}, gains {delta:g} points."]
    words = [f"Take {layers_words(standing.depth)}; this is a best guess, not a finding."]
    if one is not None:
        words.append(f"Measured: {_gain_words(one)} over {base}, which is too uncertain to be called a gain.")
    words.append(
        f"With a chance of {100 * close_chance(standing, rules):.0f} % or more, no other depth tried is better by"
        f" {delta:g} points or more."
    )
    if out_of_time:
        words.append("The budget ended the comparison; a larger --budget goes on from here.")
    elif standing.comparisons:
        widest = max(standing.comparisons.values(), key=lambda other: other.error)
        words.append(
            "More seeds would hardly change this: the difference is within what"
            f" {widest.seeds} seeds on these rows can tell apart (standard error {100 * widest.error:.1f} points). More"
            " labeled texts would."
        )
    return words


def _gain_words(one: Comparison) -> str:
    return f"{points(one.gain)} points [{points(one.shown[0])}, {points(one.shown[1])}]"


_CERTAINTY = {"found": "found better", "enough": "found enough", "undecided": "undecided"}
