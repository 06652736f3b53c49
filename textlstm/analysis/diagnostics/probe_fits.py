"""How a probe is fitted and scored: sides that part texts, regularization chosen apart, sums by scored text."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.facts import Fact
from textlstm.analysis.diagnostics.states import Integers, LayerStates

Floats = NDArray[np.float64]

FIT, CHOOSE, SCORE = 0, 1, 2
_SIDE_SHARES = (0.5, 0.2)  # fitted on, chosen on; the rest is scored
STRENGTHS = (1e-3, 3e-2, 1.0)
"""Inverse regularization of the logistic regression: from strong to weak, so that each fit starts from the last."""
PENALTIES = (1e4, 1e2, 1.0)
"""Penalties of the ridge regression."""


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
class Scored:
    """Sums of one fact over the scored texts, a row each: what every figure is a function of.

    For classes the columns are: samples, then right answers by level, then the control's. For numbers: samples, sum and
    sum of squares of the answers and of the control's answers, then squared errors by level, then the control's.
    """

    columns: Floats
    levels: int
    baseline: float


def score_fact(fact: Fact, states: LayerStates, sides: Integers) -> Scored:
    """Fit and score probes of one fact on every level.

    Args:
        fact: the question, its answers and its control.
        states: of one stack.
        sides: (texts,) of `part_texts`.

    Returns:
        Sums by scored text.
    """
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
    asked: list[Floats] = []
    controlled: list[Floats] = []
    for layer in layers:
        found, strength = _fit(layer, answers, side, numbers=fact.is_number)
        by_heart, _ = _fit(layer, control, side, numbers=fact.is_number, strengths=(strength,))
        for guesses, truth, kept in ((found, answers[scored], asked), (by_heart, control[scored], controlled)):
            kept.append((guesses - truth) ** 2 if fact.is_number else (guesses == truth).astype(np.float64))
    table = np.stack([*columns, *asked, *controlled], axis=1)
    sums = np.stack([np.bincount(rows, weights=column, minlength=len(present)) for column in table.T], axis=1)
    return Scored(np.asarray(sums, dtype=np.float64), len(layers), baseline)


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


def scores_from(sums: Floats, levels: int, *, numbers: bool) -> Floats:
    """Turn column sums into scores.

    Args:
        sums: (draws, columns) of a `Scored`.
        levels: of the stack.
        numbers: whether answers are numbers.

    Returns:
        (draws, 2, levels): of the fact, and of its control.
    """
    count = np.maximum(sums[:, :1], 1.0)
    if not numbers:
        return np.asarray(sums[:, 1:].reshape(len(sums), 2, levels) / count[:, None])
    errors = sums[:, 5:].reshape(len(sums), 2, levels)
    around = sums[:, [2, 4]] - sums[:, [1, 3]] ** 2 / count  # squared distances from the mean, (draws, 2)
    # Below 0 a probe is worse than the mean, which it knows too: that is overfitting, and no less than nothing.
    return np.asarray(np.maximum(0.0, 1 - errors / np.maximum(around, 1e-12)[:, :, None]))
