"""How good the advice of `textlstm advise` is: tables of replays, a live study beside its replay, and simulations.

    python benchmarks/advice_tables.py replay benchmarks/evidence/advice         # fails where a goal is missed
    python benchmarks/advice_tables.py live benchmarks/evidence/advice trec 250  # a real study beside its replay
    python benchmarks/advice_tables.py simulate                                  # needs no bank

`advice_replay.py` says what a replay is.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from advice_bank import BANK_FILE, DEPTHS, SIZES, Setting, bank_data, bank_recipe, unpack
from advice_replay import (
    DELTA,
    POLICIES,
    drawn,
    found_share,
    judge,
    one_word,
    planted,
    replay,
    shuffled,
    usual_gains,
    within_reach,
)

from textlstm.analysis.advice.live import advise
from textlstm.analysis.advice.looks import LookRules
from textlstm.experiment.executors import Processes


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


def simulate(*, replays: int, null_replays: int, seed: int) -> bool:
    """Print how often drawn answers lead to a false finding, and how often a planted gain is found.

    Returns:
        Whether false findings are as rare as they have to be.
    """
    rng, rules = np.random.default_rng(seed), LookRules(delta=DELTA)
    allowed = 0.05 + 2 * (0.05 * 0.95 / null_replays) ** 0.5
    print(f"drawn answers, 3 depths, 12 seeds; false findings allowed: {100 * allowed:.1f} %\n")
    print(
        "| rows | shuffled: found | time | one word: found | time | +2 found | one test of 12 | +3 found | likewise |"
    )
    print("|---" * 9 + "|")
    rare = True
    for size in SIZES:
        base = drawn(seed, rows=size)
        shares = [
            found_share(
                lambda g, n=size: shuffled(drawn(g, gains=(0.03, -0.03), rows=n), g),
                rules,
                replays=null_replays,
                rng=rng,
            ),
            found_share(lambda g, n=size: one_word(n, g), rules, replays=null_replays, rng=rng),
        ]
        rare = rare and all(found <= allowed for found, _, _ in shares)
        words = [f"{100 * found:.1f} % | {100 * time:.0f} %" for found, _, time in shares]
        for gain in (0.02, 0.03):
            found, _, _ = found_share(
                lambda g, s=base, x=gain: planted(shuffled(s, g), x, g), rules, replays=replays, rng=rng
            )
            most = within_reach(base, gain, rules, replays=replays, rng=rng)
            words.append(f"{100 * found:.0f} % | {100 * most:.0f} %")
        print(f"| {size:,} | {' | '.join(words)} |", flush=True)
    return rare


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    replaying = commands.add_parser("replay")
    replaying.add_argument("target", type=Path)
    simulating = commands.add_parser("simulate")
    for parsed in (replaying, simulating):
        parsed.add_argument("--replays", type=int, default=200)
        parsed.add_argument("--null-replays", type=int, default=1000)
        parsed.add_argument("--seed", type=int, default=0)
    running = commands.add_parser("live")
    running.add_argument("target", type=Path)
    running.add_argument("set")
    running.add_argument("size", type=int)
    running.add_argument("--workers", type=int, default=2, help="runs at a time; 0: one, in this process")
    running.add_argument("--updates", type=int, default=1000, help="fewest optimizer updates of a run, as in the bank")
    options = parser.parse_args()
    if options.command == "simulate":
        rare = simulate(replays=options.replays, null_replays=options.null_replays, seed=options.seed)
        raise SystemExit(not rare)
    bank = unpack(options.target)
    if options.command == "live":
        own = [one for one in bank if (one.name, one.size) == (options.set, options.size)]
        if not own:
            raise SystemExit(f"{options.target / BANK_FILE} has no whole setting {options.set} {options.size}")
        raise SystemExit(not live(own[0], workers=options.workers, updates=options.updates))
    goals = report(bank, replays=options.replays, null_replays=options.null_replays, seed=options.seed)
    print("\nall goals are met" if not goals else "\n" + "\n".join(f"MISS: {goal}" for goal in goals))
    raise SystemExit(bool(goals))
