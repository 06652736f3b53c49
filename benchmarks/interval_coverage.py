"""Do the intervals and verdicts on depth hold what they promise? Simulated grids whose truth is known.

    python benchmarks/interval_coverage.py --grids 2000 --workers 2

Prints five tables, and exits with 1 when a target is missed:

1. Coverage and width of the 95 % interval of `paired_difference`, where the second depth is 1 point better. Seeds share
   randomness (correlation 0.5) in one panel, and are independent in the other.
2. False findings of `decide` with four equally good depths.
3. Power: how often `decide` says that a deeper stack scores higher than 1 layer, where depths 2 to 4 are better than
   depth 1 by an effect.
4. Coverage where one run in twenty collapses to chance.
5. False "1 layer is enough" of `decide`, where a second layer brings just the point that the verdict denies.

Seed share is the part of the seeds in the seeds' and examples' components of the variance of the mean. "Noisier" means
that the seed effect of every depth but the first has twice the standard deviation. Widths are held against two oracles:
one that knows the true variance and takes the normal quantile (which no method that has to estimate the variance from a
few seeds can reach), and one that knows the true shares of the variance, so that it takes the true Satterthwaite t.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from scipy.special import stdtrit
from simulated_grids import ACCURACY, Design, calibrated

from textlstm.stats.crossed import crossed_variance
from textlstm.stats.decision import decide

SEEDS, SIZES, SHARES, NOISIER = (3, 5, 10), (200, 500, 1821), (0.2, 0.5, 0.8), (1.0, 2.0)
EFFECTS = (0.0, 0.01, 0.02, 0.04)
GAIN = 0.01  # of the second depth in the tables of coverage
LOWEST, HIGHEST, HIGHEST_FROM = 0.93, 0.975, 5  # the upper limit holds from 5 seeds on
WIDEST = 1.25  # times the oracle
ALPHA = 0.05
DELTA = 0.01  # what a layer must bring, as `decide` takes it by default


@dataclass(frozen=True)
class Setting:
    """One line of a table; the fields are those of `calibrated`."""

    seeds: int
    examples: int
    share: float
    noisier: float
    correlation: float = 0.5
    collapse: float = 0.0
    accuracies: tuple[float, ...] = (ACCURACY, ACCURACY + GAIN)

    def design(self) -> Design:
        """Solve for the effects that make this setting."""
        return calibrated(
            self.seeds,
            self.examples,
            self.share,
            accuracies=self.accuracies,
            noisier=self.noisier,
            seed_correlation=self.correlation,
            collapse=self.collapse,
        )

    def __str__(self) -> str:
        kind = "noisier" if self.noisier != 1 else "equal"
        return f"{self.seeds:>5} {self.examples:>6} {self.share:>6.1f} {kind:>8}"


@dataclass(frozen=True)
class Coverage:
    """What the interval did in one setting.

    Attributes:
        covered: share of grids whose interval holds the truth.
        width: mean width over the oracle's that knows the variance.
        width_t: mean width over the oracle's that knows the shares of the variance.
        paired: share of grids in which seeds were taken as pairs.
        bias: mean value minus the truth, in standard errors of that mean.
    """

    covered: float
    width: float
    width_t: float
    paired: float
    bias: float


def coverage(setting: Setting, grids: int, seed: int) -> Coverage:
    """Simulate the interval of the second depth minus the first.

    Args:
        setting: of the grids.
        grids: how many.
        seed: of the draws.

    Returns:
        How often the interval held the truth, and how wide it was.
    """
    design, truth = setting.design(), setting.design().truth(0, 1)
    found = [crossed_variance(y[:, 0], y[:, 1]) for y in design.draw(grids, np.random.default_rng(seed))]
    value, variance, freedom, paired = (
        np.concatenate([getattr(part, name) for part in found]) for name in ("value", "variance", "freedom", "paired")
    )
    half = stdtrit(freedom, 0.975) * np.sqrt(variance)
    true_variance, true_freedom = oracle(design)
    if setting.collapse:  # the mixture has no closed form here; the grids themselves tell
        true_variance = float(value.var(ddof=1))
    return Coverage(
        covered=float(np.mean(np.abs(value - truth) <= half)),
        width=float(half.mean() / (stdtrit(np.inf, 0.975) * np.sqrt(true_variance))),
        width_t=float(half.mean() / (stdtrit(true_freedom, 0.975) * np.sqrt(true_variance))),
        paired=float(paired.mean()),
        bias=float((value.mean() - truth) / np.sqrt(value.var(ddof=1) / len(value))),
    )


def oracle(design: Design) -> tuple[float, float]:
    """Work out the true variance of the mean difference, and the degrees of freedom its true parts give.

    Args:
        design: of the grids; the first two depths are compared.

    Returns:
        The variance and the degrees of freedom.
    """
    seeds, examples = design.seeds, design.examples
    by_seed, by_example, both = design.components(0, 1)
    residual = both / (seeds * examples)
    seed_part, example_part = by_seed / seeds + residual, by_example / examples + residual
    variance = seed_part + example_part - residual
    slack = seed_part**2 / (seeds - 1) + example_part**2 / (examples - 1)
    return variance, variance**2 / (slack + residual**2 / ((seeds - 1) * (examples - 1)))


def findings(setting: Setting, grids: int, seed: int) -> dict[str, float]:
    """Run `decide` on simulated grids.

    Args:
        setting: of the grids.
        grids: how many.
        seed: of the draws.

    Returns:
        Share of the grids by kind of verdict; under "finds" the share in which some depth was said to score higher than
        a shallower one, under "beats 1" higher than depth 1, and under "enough at 1" that 1 layer is enough.
    """
    counts: dict[str, float] = {"finds": 0.0, "beats 1": 0.0, "enough at 1": 0.0}
    for batch in setting.design().draw(grids, np.random.default_rng(seed)):
        for grid in batch:
            decision = decide({depth + 1: runs for depth, runs in enumerate(grid)}, alpha=ALPHA)
            counts[decision.kind] = counts.get(decision.kind, 0.0) + 1
            counts["finds"] += bool(decision.better_than)
            counts["beats 1"] += 1 in decision.better_than
            counts["enough at 1"] += decision.kind == "enough" and decision.depth == 1
    return {name: count / grids for name, count in counts.items()}


def misses(rows: Sequence[tuple[Setting, Coverage]], grids: int) -> list[str]:
    """Hold coverage and width against the targets, giving the upper limit two Monte-Carlo standard errors.

    The lower limit gets no such allowance.

    Args:
        rows: of the table of coverage.
        grids: simulated a row.

    Returns:
        One line a miss.
    """
    missed = []
    for setting, row in rows:
        if row.covered < LOWEST:
            missed.append(f"{setting}: covered {row.covered:.1%}, below {LOWEST:.0%}")
        error = np.sqrt(HIGHEST * (1 - HIGHEST) / grids)
        if setting.seeds >= HIGHEST_FROM and row.covered > HIGHEST + 2 * error:
            missed.append(f"{setting}: covered {row.covered:.1%}, above {HIGHEST:.1%} + 2 x {error:.2%}")
        if row.width_t > WIDEST or (setting.seeds >= HIGHEST_FROM and row.width > WIDEST):
            missed.append(f"{setting}: {row.width:.2f} and {row.width_t:.2f} times the oracles' width")
        if abs(row.bias) > 4.5:
            missed.append(f"{setting}: the mean is {row.bias:.1f} standard errors from the truth")
    return missed


def settings_of(seeds: Sequence[int] = SEEDS, **fixed: object) -> list[Setting]:
    """List all settings of one table."""
    return [
        Setting(s, n, share, noisier, **fixed)  # type: ignore[arg-type]
        for s in seeds
        for n in SIZES
        for share in SHARES
        for noisier in NOISIER
    ]


def _print_coverage(title: str, rows: Sequence[tuple[Setting, Coverage]]) -> None:
    print(f"\n{title}\nseeds  texts  share    depths  covered  width / z  width / t  paired")
    for setting, row in rows:
        print(f"{setting} {row.covered:>8.1%} {row.width:>10.2f} {row.width_t:>10.2f} {row.paired:>7.0%}")
    for s in SEEDS:
        some = [row for setting, row in rows if setting.seeds == s]
        covered = [row.covered for row in some]
        z, t = max(row.width for row in some), max(row.width_t for row in some)
        print(f"{s} seeds: covered {min(covered):.1%} to {max(covered):.1%}, widest {z:.2f} (z), {t:.2f} (t)")


def main(words: Sequence[str] | None = None) -> int:
    """Print the tables; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grids", type=int, default=2000, help="simulated grids a line")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    arguments = parser.parse_args(words)
    grids, start, missed = arguments.grids, time.perf_counter(), []

    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:

        def over(what: object, settings: Sequence[Setting], first: int) -> list[tuple[Setting, object]]:
            numbers = range(first, first + len(settings))
            return list(zip(settings, pool.map(what, settings, [grids] * len(settings), numbers), strict=True))

        for title, fixed, counts in (
            ("1a. Coverage, seeds share randomness (correlation 0.5)", {}, True),
            ("1b. Coverage, independent seeds", {"correlation": 0.0}, True),
            ("4. Coverage with one run in twenty at chance (reported, no target)", {"collapse": 0.05}, False),
        ):
            rows = over(coverage, settings_of(**fixed), 1000 * len(title))
            _print_coverage(f"{title}, {grids:,} grids a line", rows)
            if counts:
                missed += misses(rows, grids)

        equal = (ACCURACY,) * 4
        rows = over(findings, settings_of((5, 10), accuracies=equal), 500_000)
        limit = ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / grids)
        print(f"\n2. False findings, four equal depths, {grids:,} grids a line (limit {limit:.1%})")
        print("seeds  texts  share    depths  false findings  '1 is enough'  undecided")
        for setting, shares in rows:
            undecided = shares.get("undecided_seeds", 0) + shares.get("undecided_texts", 0)
            print(f"{setting} {shares['finds']:>15.1%} {shares['enough at 1']:>14.1%} {undecided:>10.1%}")
            if shares["finds"] > limit:
                missed.append(f"{setting}: {shares['finds']:.1%} false findings")

        edge = (ACCURACY, ACCURACY + DELTA)
        rows = over(findings, settings_of((5, 10), accuracies=edge), 700_000)
        print(f"\n5. False 'enough', a second layer better by {100 * DELTA:g} point (limit {limit:.1%})")
        print("seeds  texts  share    depths  '1 is enough'")
        for setting, shares in rows:
            print(f"{setting} {shares['enough at 1']:>14.1%}")
            if shares["enough at 1"] > limit:
                missed.append(f"{setting}: {shares['enough at 1']:.1%} false 'enough'")

        print("\n3. Power: share of grids in which a deeper stack is said to score higher than 1 layer")
        print(f"four depths, seed share 0.5, equal noise, {grids:,} grids a cell")
        print("seeds  texts" + "".join(f"{100 * effect:>8.0f} points" for effect in EFFECTS))
        cells = [
            Setting(s, n, 0.5, 1.0, accuracies=(ACCURACY, *[ACCURACY + effect] * 3))
            for s in (5, 10)
            for n in SIZES
            for effect in EFFECTS
        ]
        power = over(findings, cells, 900_000)
        for place in range(0, len(power), len(EFFECTS)):
            line = power[place : place + len(EFFECTS)]
            found = "".join(f"{shares['beats 1']:>15.1%}" for _, shares in line)
            print(f"{line[0][0].seeds:>5} {line[0][0].examples:>6}{found}")

    print(f"\n{time.perf_counter() - start:.0f} s with {arguments.workers} worker(s)")
    print("\n".join(["MISSED:", *missed]) if missed else "Every target was met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
