"""The advice in sentences: what it would say now, and what it says in the end."""

from __future__ import annotations

import math

from textlstm.analysis.advice.decision import Standing, close_chance
from textlstm.analysis.advice.looks import Comparison, LookRules, seeds_to_tell
from textlstm.analysis.wording import layers_words, points

_MOST_SEEDS = 60
"""More than that nobody trains to tell a point."""


def now_words(standing: Standing) -> str:
    """Say in one line what the advice would be now.

    Args:
        standing: of `decide`.

    Returns:
        Such as "1 layer, undecided (2 layers −0.4 [−2.1, +1.3], 5 seeds)". An interval that leaves 0 out where nothing
        is found is said to be of this look alone: bounds over all looks are wider.
    """
    head = layers_words(standing.depth)
    if not standing.comparisons:
        return f"{head}, before the first look"
    parts = [
        f"{layers_words(depth)} {points(one.gain)} [{points(one.shown[0])}, {points(one.shown[1])}], {one.seeds} seeds"
        for depth, one in standing.comparisons.items()
    ]
    if any(one.state == "open" and not one.span[0] <= 0 <= one.span[1] for one in standing.comparisons.values()):
        parts.append("intervals where nothing is found are of this look alone")
    return f"{head}, {_CERTAINTY[standing.certainty]} ({'; '.join(parts)})"


def pays_words(layers: int, shallowest: int) -> str:
    """Begin the sentence on how many examples a layer needs.

    Args:
        layers: the advice.
        shallowest: the depth that the others are compared with.

    Returns:
        Such as "One more layer would start to pay", or "3 layers start to pay over 1 layer" where 3 are advised.
    """
    if layers == shallowest:
        return "One more layer would start to pay"
    return f"{layers_words(layers)} start to pay over {layers_words(shallowest)}"


def answer_words(standing: Standing, rules: LookRules, *, out_of_time: bool) -> list[str]:
    """Say what the study ends with.

    Args:
        standing: at the end.
        rules: of the looks.
        out_of_time: whether the budget ended it.

    Returns:
        Sentences, the advice first.
    """
    base, delta = layers_words(standing.shallowest), delta_words(rules.delta)
    one = standing.gain
    if standing.certainty == "found" and one is not None:
        words = [f"Take {layers_words(standing.depth)}: {_gain_words(one)} over {base}.", *_expected_words(one)]
        if one.low < rules.delta:
            words.append(
                f"That it is {delta} or more, which a layer should be worth, is likely but not shown."
                if one.expected >= rules.delta
                else f"It scores higher, but by less than the {delta} that a layer should be worth, as far as is known."
            )
        return words
    against = f"Measured over {base}: {'; '.join(_depth_words(other) for other in standing.comparisons.values())}."
    if standing.certainty == "enough":
        deepest = max(standing.seeds)
        return [f"Take {base}: it is enough. No deeper stack, up to {deepest}, gains {delta}.", against]
    words = [f"Take {layers_words(standing.depth)}; this is a best guess, not a finding.", against]
    words += [] if one is None else _expected_words(one)
    chance = min(99, math.floor(100 * close_chance(standing, rules)))  # a lower bound is not rounded up
    words.append(
        f"With a chance of {chance} % or more, by what is usual and what was seen, no"
        f" other depth tried is better by {delta} or more."
    )
    if any(
        other.state == "open" and (other.span[0] > 0 or other.span[1] < rules.delta)
        for other in standing.comparisons.values()
    ):
        words.append(
            "Intervals are of the last look alone; bounds that hold over all looks are wider and find nothing."
        )
    if out_of_time:
        words.append("The budget ended the comparison; a larger --budget goes on from here.")
    else:
        words.append(_more_seeds_words(standing, rules))
    return words


def _expected_words(one: Comparison) -> list[str]:
    """Say what to expect of a depth that was taken because it stood highest: less than it scored."""
    if one.expected >= one.gain or points(one.expected) == points(one.gain):
        return []
    return [
        "It is taken because it stood highest, which flatters it: by what is usual,"
        f" {points(one.expected)} points are to be expected."
    ]


def _more_seeds_words(standing: Standing, rules: LookRules) -> str:
    """Say what it would take to tell what these seeds could not."""
    still_open = [other for other in standing.comparisons.values() if other.state == "open"]
    widest = max(still_open or standing.comparisons.values(), key=lambda other: other.error)
    now = (
        f"{widest.seeds} seeds on these rows tell differences apart to a standard error of"
        f" {100 * widest.error:.1f} points"
    )
    needed = [seeds_to_tell(other, rules, alpha=rules.alpha / len(standing.comparisons)) for other in still_open]
    known = [seeds for seeds in needed if seeds is not None]
    if known and len(known) == len(needed) and max(known) <= _MOST_SEEDS:
        return (
            f"{now[0].upper()}{now[1:]}. About {max(known)} seeds would likely tell, if the gains are what they seem;"
            " `textlstm compare --seeds` runs as many, though there the test texts set a limit too."
        )
    return (
        f"More seeds would hardly change this: {now}, and more of them would not help enough. More labeled texts would."
    )


def delta_words(delta: float) -> str:
    """Write the smallest difference worth a layer.

    Args:
        delta: a share.

    Returns:
        Such as "1 point" or "0.5 points".
    """
    figure = f"{100 * delta:g}"
    return f"{figure} point{'' if figure == '1' else 's'}"


def _gain_words(one: Comparison) -> str:
    return f"{points(one.gain)} points [{points(one.shown[0])}, {points(one.shown[1])}]"


def _depth_words(one: Comparison) -> str:
    return f"{layers_words(one.depth)} {_gain_words(one)}"


_CERTAINTY = {"found": "found better", "enough": "found enough", "undecided": "undecided"}
