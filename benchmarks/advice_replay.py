"""Replays of `textlstm advise` on the bank of `advice_bank.py`, and on drawn answers with or without a planted gain.

What a replay is: the seeds come in a random order; the engine looks after 3, 5 and 8 of them, by hold-out rows alone.
The last four seeds are the yardstick, with the test rows: best depth by one half of the rows and two seeds, regret by
the other half and the other two, both ways round (cross-fitting: the best of three noisy figures is not the best
depth). Beyond delta: what is left of the regret after delta where the first half sees more than delta. "All seeds"
takes the best depth and the regret from all seeds and test rows instead, and is too high by what noise adds. The look
at 12 is cut off there, as by a budget; the replays without a yardstick (null, power, time) have it. The prior of the
engine is estimated on the other data sets each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from advice_bank import Floats, Setting
from numpy.typing import NDArray

from textlstm.analysis.advice.decision import Standing, decide, next_step
from textlstm.analysis.advice.looks import LookRules, Prior
from textlstm.stats.sequential import measured_overlap

HELD_OUT_SEEDS = 4
DELTA = 0.01
LEAST_SPREAD = 0.01  # a prior that knew better than delta would leave nothing to look for


def usual_gains(settings: Sequence[Setting]) -> Prior:
    """Estimate what a layer more brings, from hold-out scores of all seeds: mean, and spread beyond the noise."""
    gains, noise, layers = [], [], []
    for setting in settings:
        scores = setting.scores
        for depth in range(1, len(scores)):
            own = scores[depth] - scores[0]
            overlap = measured_overlap(_differences(setting, depth, np.arange(len(own))), cap=1 / 3)
            gains.append(own.mean())
            noise.append(own.var(ddof=1) * (1 / len(own) + overlap))
            layers.append(depth)
    steps = np.array(layers, dtype=np.float64)
    slope = float(np.array(gains) @ steps / (steps @ steps))
    left = np.array(gains) - slope * steps
    return Prior(slope, float(np.sqrt(max(LEAST_SPREAD**2, (left**2).mean() - np.mean(noise)))))


def _differences(setting: Setting, depth: int, seeds: NDArray[np.int64]) -> Floats:
    change = setting.hits[depth, seeds].astype(np.float64) - setting.hits[0, seeds]
    return np.where(setting.held[seeds], change, np.nan)


def replay(setting: Setting, order: NDArray[np.int64], rules: LookRules, *, most: int) -> tuple[Standing, float, int]:
    """Let the engine loose on seeds in some order.

    Returns:
        What it says, seconds spent, and the largest number of seeds that it has seen of a depth.
    """
    scores = setting.scores[:, order]
    taken = [0] * len(scores)

    def stand(before: Standing | None) -> Standing:
        seen = {depth + 1: scores[depth, : taken[depth]] for depth in range(len(scores))}
        overlaps = {
            depth + 1: measured_overlap(_differences(setting, depth, order[: taken[depth]]), cap=rules.overlap)
            for depth in range(1, len(scores))
            if taken[depth] > 1
        }
        return decide(seen, rules, overlaps=overlaps, given_up=before.given_up if before else frozenset())

    standing = stand(None)
    while (step := next_step(standing, rules)) is not None and step.seeds <= most:
        for depth in step.depths:
            taken[depth - 1] = max(taken[depth - 1], step.seeds)
        standing = stand(standing)
    spent = sum(float(setting.seconds[depth, order[:seeds]].sum()) for depth, seeds in enumerate(taken))
    return standing, spent, max(taken)


@dataclass(frozen=True)
class Outcome:
    """Means over the replays of one setting: by policy, and of the engine alone."""

    regret: dict[str, float]
    beyond: dict[str, float]
    against_all: dict[str, float]
    time: float
    undecided: float
    chosen: tuple[float, ...]


POLICIES = ("advice", "always 1", "always 2", "best of 3 seeds")


def judge(setting: Setting, rules: LookRules, *, replays: int, rng: np.random.Generator) -> Outcome:
    """Replay a setting against its yardstick."""
    depths, seeds = setting.seconds.shape
    regret: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    beyond: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    against_all: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    truth = setting.test.mean(axis=(1, 2))
    times, undecided, chosen = [], [], np.zeros(depths)
    for _ in range(replays):
        order = rng.permutation(seeds)
        standing, spent, _ = replay(setting, order, rules, most=seeds - HELD_OUT_SEEDS)
        times.append(spent / setting.seconds.sum())
        undecided.append(standing.certainty == "undecided")
        chosen[standing.depth - 1] += 1 / replays
        # As many seeds of every depth as the advice's time pays for, three at least.
        each = np.cumsum(setting.seconds[:, order].sum(axis=0))
        affordable = max(3, int((each <= spent * 1.001).sum()))
        naive = int(setting.scores[:, order[:affordable]].mean(axis=1).argmax())
        choice = dict(zip(POLICIES, (standing.depth - 1, 0, 1, naive), strict=True))
        for policy, depth in choice.items():
            against_all[policy].append(max(0.0, float(truth.max() - truth[depth]) - rules.delta))
        halves = np.array_split(rng.permutation(setting.test.shape[2]), 2)
        judges = np.array_split(order[-HELD_OUT_SEEDS:], 2)
        for a, b in ((0, 1), (1, 0)):
            first = setting.test[:, judges[a]][:, :, halves[a]].mean(axis=(1, 2))
            second = setting.test[:, judges[b]][:, :, halves[b]].mean(axis=(1, 2))
            best = int(first.argmax())
            for policy, depth in choice.items():
                gap = float(second[best] - second[depth])
                regret[policy].append(gap)
                beyond[policy].append(gap - rules.delta if first[best] - first[depth] > rules.delta else 0.0)
    return Outcome(
        {policy: float(np.mean(figures)) for policy, figures in regret.items()},
        {policy: float(np.mean(figures)) for policy, figures in beyond.items()},
        {policy: float(np.mean(figures)) for policy, figures in against_all.items()},
        float(np.mean(times)),
        float(np.mean(undecided)),
        tuple(chosen.tolist()),
    )


def shuffled(setting: Setting, rng: np.random.Generator) -> Setting:
    """Deal the depths' runs out anew within each seed, so that there is nothing to find."""
    depths, seeds = setting.seconds.shape
    deal = np.argsort(rng.random((depths, seeds)), axis=0)
    return replace(setting, hits=setting.hits[deal, np.arange(seeds)])


def planted(setting: Setting, gain: float, rng: np.random.Generator) -> Setting:
    """Make every depth beyond the first right on some more texts, the same in all its runs: so many that it gains."""
    wrong = 1 - setting.scores.mean()
    lucky = rng.random(setting.held.shape[1]) < gain / wrong
    hits = setting.hits.copy()
    hits[1:] |= lucky
    return replace(setting, hits=hits)


def within_reach(setting: Setting, gain: float, rules: LookRules, *, replays: int, rng: np.random.Generator) -> float:
    """Share of planted replays that a plain test finds with all twelve seeds at once: no study of looks can do more.

    One-sided at 2.5 % a depth, seeds as independent: without the costs of looking early or of shared texts.
    """
    from scipy.special import stdtrit

    found = 0
    for _ in range(replays):
        scores = planted(shuffled(setting, rng), gain, rng).scores
        gains = scores[1:] - scores[0]
        seeds = gains.shape[1]
        bound = gains.mean(axis=1) - stdtrit(seeds - 1, 1 - rules.alpha / len(gains)) * (
            gains.std(axis=1, ddof=1) / seeds**0.5
        )
        found += bool((bound > 0).any())
    return found / replays


def one_word(size: int, rng: np.random.Generator, *, seeds: int = 12, depths: int = 3, noise: float = 0.15) -> Setting:
    """Draw answers on texts whose label is told by one word and flipped in 15 of 100: depth has nothing to add.

    Every run finds the word; it errs on some texts of its own, more in a run of bad luck, and on the flipped labels.
    """
    flipped = rng.random(size) < noise
    luck = np.exp(rng.normal(np.log(0.02), 0.7, size=(depths, seeds, 1)))
    hits = (rng.random((depths, seeds, size)) < luck) ^ ~flipped
    held = np.argsort(rng.random((seeds, size)), axis=1) < size // 4
    return Setting("one word", size, held, hits, np.zeros((depths, seeds, 2), dtype=bool), np.ones((depths, seeds)))


def drawn(
    seed: int | np.random.Generator = 0,
    *,
    gains: tuple[float, ...] = (0.0, 0.0),
    rows: int = 1000,
    seeds: int = 12,
    score: float = 0.8,
    texts: int = 300,
) -> Setting:
    """A setting whose texts are easy or hard for all runs, and whose depths gain something."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1.5, rows)

    def answers(shift: float, hardness: Floats) -> NDArray[np.bool_]:
        chance = 1 / (1 + np.exp(-(np.log(score / (1 - score)) * 1.5 + 7 * shift - hardness)))
        return rng.random((seeds, len(hardness))) < chance

    shifts = (0.0, *gains)
    held = np.argsort(rng.random((seeds, rows)), axis=1) < rows // 4
    return Setting(
        name="drawn",
        size=rows,
        held=held,
        hits=np.array([answers(shift, hard) for shift in shifts]),
        test=np.array([answers(shift, rng.normal(0, 1.5, texts)) for shift in shifts]),
        seconds=np.array([[float(depth)] * seeds for depth in range(1, len(shifts) + 1)]),
    )


def found_share(
    make: Callable[[np.random.Generator], Setting], rules: LookRules, *, replays: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Share of replays with all twelve seeds in which a deeper stack is found better, is advised, and time spent."""
    found, deeper, times = [], [], []
    for _ in range(replays):
        setting = make(rng)
        standing, spent, _ = replay(setting, rng.permutation(setting.seconds.shape[1]), rules, most=rules.looks[-1])
        found.append(standing.certainty == "found")
        deeper.append(standing.depth > 1)
        times.append(spent / setting.seconds.sum())
    return float(np.mean(found)), float(np.mean(deeper)), float(np.mean(times))
