"""Judge `textlstm advise` by replaying it on the bank of `advice_bank.py`, whose runs are all there already.

    python benchmarks/advice_replay.py tables benchmarks/evidence/advice         # fails where a goal is missed
    python benchmarks/advice_replay.py live benchmarks/evidence/advice trec 250  # a real study beside its replay

What a replay is: the seeds come in a random order; the engine looks after 3, 5 and 8 of them, by hold-out rows alone.
The last four seeds are the yardstick, with the test rows: best depth by one half of the rows and two seeds, regret by
the other half and the other two, both ways round (cross-fitting: the best of three noisy figures is not the best
depth). Beyond delta: what is left of the regret after delta where the first half sees more than delta. "All seeds"
takes the best depth and the regret from all seeds and test rows instead, and is too high by what noise adds. The look
at 12 is cut off there, as by a budget; the replays without a yardstick (null, power, time) have it. The prior of the
engine is estimated on the other data sets each time.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from advice_bank import BANK_FILE, DEPTHS, Floats, Setting, bank_data, bank_recipe, unpack
from numpy.typing import NDArray

from textlstm.analysis.advice.decision import Standing, decide, next_step
from textlstm.analysis.advice.live import advise
from textlstm.analysis.advice.looks import LookRules, Prior
from textlstm.experiment.executors import Processes
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


def live(setting: Setting, *, workers: int, updates: int) -> bool:
    """Run a real study on a setting's rows and hold it against the replay with the seeds in their order.

    Returns:
        Whether depth, certainty, seeds and gains agree.
    """
    rules = LookRules(delta=DELTA)
    expected, _, _ = replay(setting, np.arange(setting.seconds.shape[1]), rules, most=rules.looks[-1])
    recipe = bank_recipe(setting.name, setting.size).override({"training.min_updates": updates})
    with tempfile.TemporaryDirectory() as folder:
        found = advise(
            recipe,
            bank_data(setting.name, setting.size),
            Path(folder),
            budget=24 * 3600.0,
            max_layers=DEPTHS[-1],
            workers=max(1, workers),
            executor=Processes(workers),
            tell=lambda text: print(text, flush=True),
        )
    mine = (found.layers, found.certainty, {one.layers: one.seeds for one in found.depths})
    replayed = (expected.depth, expected.certainty, expected.seeds)
    gains = {one.layers: one.gain.value for one in found.depths if one.gain is not None}
    agree = mine == replayed and all(abs(gains[depth] - one.gain) < 1e-9 for depth, one in expected.comparisons.items())
    print(f"\nlive: {mine}\nreplay: {replayed}\n{'they agree' if agree else 'MISS: they differ'}")
    return agree


def report(settings: list[Setting], *, replays: int, null_replays: int, seed: int) -> list[str]:
    """Print the tables.

    Returns:
        The goals that are missed.
    """
    rng = np.random.default_rng(seed)
    missed: list[str] = []
    rules_of = {
        name: LookRules(delta=DELTA, prior=usual_gains([other for other in settings if other.name != name] or settings))
        for name in dict.fromkeys(setting.name for setting in settings)
    }
    everything = usual_gains(settings)
    print(f"prior over all sets: {100 * everything.gain:+.2f} points a layer, spread {100 * everything.spread:.2f}\n")
    print(
        "| set | rows | gain of 2, 3 on test | advised 1, 2, 3 | undecided | time | regret: "
        + " | ".join(POLICIES)
        + " |"
    )
    print("|---" * (6 + len(POLICIES)) + "|")
    outcomes = []
    for setting in settings:
        outcome = judge(setting, rules_of[setting.name], replays=replays, rng=rng)
        outcomes.append(outcome)
        gains = 100 * (setting.test[1:].mean(axis=(1, 2)) - setting.test[0].mean())
        figures = [f"{100 * outcome.regret[policy]:+.2f}" for policy in POLICIES]
        print(
            f"| {setting.name} | {setting.size} | {', '.join(f'{gain:+.1f}' for gain in gains)} |"
            f" {', '.join(f'{100 * share:.0f}' for share in outcome.chosen)} % | {100 * outcome.undecided:.0f} % |"
            f" {100 * outcome.time:.0f} % | {' | '.join(figures)} |"
        )
    print(
        "\n| policy | mean regret, points | beyond delta | beyond delta, all seeds | advice's regret less this one's |"
    )
    print("|---" * 5 + "|")
    sets = [setting.name for setting in settings]
    for policy in POLICIES:
        own = _clustered([outcome.regret[policy] for outcome in outcomes], sets)
        far = _clustered([outcome.beyond[policy] for outcome in outcomes], sets)
        less = _clustered([one.regret["advice"] - one.regret[policy] for one in outcomes], sets)
        whole = _clustered([outcome.against_all[policy] for outcome in outcomes], sets)
        words = "" if policy == "advice" else _figure(less)
        print(f"| {policy} | {_figure(own)} | {_figure(far)} | {_figure(whole)} | {words} |")
        if policy != "advice" and less[0] > 0:
            missed.append(f"mean regret is higher than that of {policy} by {100 * less[0]:.2f} points")
        if policy == "advice" and far[0] > 0.001:
            missed.append(f"regret beyond delta is {100 * far[0]:.2f} points (goal 0.1)")
    time, undecided = (float(np.mean([getattr(one, name) for one in outcomes])) for name in ("time", "undecided"))
    print(f"\ntime: {100 * time:.1f} % of the grid's (goal: at most 35 %); undecided: {100 * undecided:.0f} %")
    if time > 0.35:
        missed.append(f"time is {100 * time:.1f} % of the grid's")
    allowed = 0.05 + 2 * np.sqrt(0.05 * 0.95 / null_replays)
    print(
        "\nAll twelve seeds, with nothing to find, or +2 / +3 points planted at 2 and 3 layers"
        f" (null: at most {100 * allowed:.1f} %):"
    )
    headers = [f"+{points} {what}" for points in (2, 3) for what in ("found", "in one test of 12", "advised")]
    print(f"\n| set | rows | null: found better | advised deeper | time | {' | '.join(headers)} |")
    print("|---" * 11 + "|")
    powers = []
    for setting in settings:
        rules = rules_of[setting.name]
        null = found_share(lambda g, s=setting: shuffled(s, g), rules, replays=null_replays, rng=rng)
        with_gain = [
            found_share(lambda g, s=setting, x=x: planted(shuffled(s, g), x, g), rules, replays=replays, rng=rng)
            for x in (0.02, 0.03)
        ]
        most = [within_reach(setting, gain, rules, replays=replays, rng=rng) for gain in (0.02, 0.03)]
        powers.append([power[0] for power in with_gain])
        cells = " | ".join(
            f"{100 * found:.0f} % | {100 * limit:.0f} % | {100 * deeper:.0f} %"
            for (found, deeper, _), limit in zip(with_gain, most, strict=True)
        )
        print(
            f"| {setting.name} | {setting.size} | {100 * null[0]:.1f} % | {100 * null[1]:.0f} % |"
            f" {100 * null[2]:.0f} % | {cells} |",
            flush=True,
        )
        if null[0] > allowed:
            missed.append(f"{setting.name} {setting.size}: false findings in {100 * null[0]:.1f} % of null replays")
    for size in (250, 1000, 4000):
        rules = LookRules(delta=DELTA, prior=everything)
        null = found_share(lambda g, n=size: one_word(n, g), rules, replays=null_replays, rng=rng)
        figures = f"{100 * null[0]:.1f} % | {100 * null[1]:.0f} % | {100 * null[2]:.0f} %"
        print(f"| one word, 15 % noise | {size} | {figures} | | | | | | |")
        if null[0] > allowed:
            missed.append(f"one word, {size} rows: false findings in {100 * null[0]:.1f} % of null replays")
    for number, (points, goal) in enumerate(((2, 0.7), (3, 0.9))):
        for size in sorted({setting.size for setting in settings}):
            own = [power[number] for power, setting in zip(powers, settings, strict=True) if setting.size == size]
            words = "PASS" if np.mean(own) >= goal else "MISS"
            share = f"{100 * np.mean(own):.0f} % (goal {100 * goal:.0f} %: {words})"
            print(f"planted +{points} at {size} rows: found in {share}")
            if np.mean(own) < goal:
                missed.append(f"planted +{points} points at {size} rows are found in {100 * np.mean(own):.0f} %")
    return missed


def _clustered(figures: Sequence[float], sets: Sequence[str]) -> tuple[float, float, float]:
    """Mean over settings, with a t interval over data sets, whose sizes go together."""
    from scipy.special import stdtrit

    means = [
        float(np.mean([f for f, s in zip(figures, sets, strict=True) if s == name])) for name in dict.fromkeys(sets)
    ]
    center = float(np.mean(means))
    if len(means) < 2:
        return center, center, center
    reach = float(stdtrit(len(means) - 1, 0.975)) * float(np.std(means, ddof=1)) / len(means) ** 0.5
    return center, center - reach, center + reach


def _figure(estimate: tuple[float, float, float]) -> str:
    value, low, high = (100 * part for part in estimate)
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    replaying = commands.add_parser("tables")
    replaying.add_argument("target", type=Path)
    replaying.add_argument("--replays", type=int, default=200)
    replaying.add_argument("--null-replays", type=int, default=1000)
    replaying.add_argument("--seed", type=int, default=0)
    running = commands.add_parser("live")
    running.add_argument("target", type=Path)
    running.add_argument("set")
    running.add_argument("size", type=int)
    running.add_argument("--workers", type=int, default=2, help="runs at a time; 0: one, in this process")
    running.add_argument("--updates", type=int, default=1000, help="fewest optimizer updates of a run, as in the bank")
    options = parser.parse_args()
    bank = unpack(options.target)
    if options.command == "live":
        own = [one for one in bank if (one.name, one.size) == (options.set, options.size)]
        if not own:
            raise SystemExit(f"{options.target / BANK_FILE} has no whole setting {options.set} {options.size}")
        raise SystemExit(not live(own[0], workers=options.workers, updates=options.updates))
    goals = report(bank, replays=options.replays, null_replays=options.null_replays, seed=options.seed)
    print("\nall goals are met" if not goals else "\n" + "\n".join(f"MISS: {goal}" for goal in goals))
    raise SystemExit(bool(goals))
