"""What a random search costs at each depth, from the scores of its trials: effects, and the pictures of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_compute_figure, by_depth_figure
from textlstm.analysis.claims.effects import number
from textlstm.analysis.claims.finding import Effect
from textlstm.analysis.figures import Figure
from textlstm.analysis.wording import layers_words
from textlstm.experiment.search_space import RandomSpace
from textlstm.stats.search import expected_chosen

Floats = NDArray[np.float64]

RESAMPLES = 1000


@dataclass(frozen=True)
class Options:
    """What only this claim has, as `claim.options` names it.

    Attributes:
        trials: random configurations of each seed and depth.
        per_layer_trials: of the search beside, which draws units and activation for each layer apart.
        space: what is drawn from.
        near: points of accuracy from its own best at which a search has arrived.
        good: points from the own best within which a configuration is good.
        thresholds: smallest effects that count: `compute` in doublings, `share` in % of the configurations.
    """

    trials: int
    per_layer_trials: int
    space: RandomSpace
    near: float
    good: float
    thresholds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Trials:
    """What the trials of one depth scored.

    Attributes:
        validation: (seeds, trials) what they are chosen by.
        test: (seeds, trials) accuracy in %.
        operations: (seeds, trials) of training.
        failed: trials that did not finish and count with the score of chance.
    """

    validation: Floats
    test: Floats
    operations: Floats
    failed: int


def search_effects(shallow: Trials, deep: Trials, depths: Sequence[int], options: Options) -> dict[str, Effect]:
    """Compare the searches of two depths, with intervals from a bootstrap over seeds and trials.

    Both depths are resampled alike, since their trials have the same settings and rows.

    Args:
        shallow: trials of the shallowest stack.
        deep: of the deepest, drawn alike.
        depths: that are compared, for the names.
        options: of the claim.

    Returns:
        `compute` and `trials` in doublings, and `share` in % of the configurations; all positive where the deep stack
        is harder to tune.
    """
    seeds, trials = shallow.test.shape
    rng = np.random.default_rng(0)
    drawn_seeds = rng.integers(0, seeds, (RESAMPLES, seeds))
    drawn_trials = rng.integers(0, trials, (RESAMPLES, seeds, trials))

    def differences(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> dict[str, Floats]:
        one, other = (hardness_of(found, rows, columns, options) for found in (shallow, deep))
        return {
            "compute": np.log2(other["compute"] / one["compute"]),
            "trials": np.log2(other["trials"] / one["trials"]),
            "share": one["share"] - other["share"],
        }

    whole = differences(np.arange(seeds)[None], np.broadcast_to(np.arange(trials), (1, seeds, trials)))
    resampled = differences(drawn_seeds, drawn_trials)
    words = f"{layers_words(depths[-1])} over {depths[0]}"
    names = {
        "compute": (f"compute of a search until it has arrived, {words}", "doublings"),
        "trials": (f"trials of a search until it has arrived, {words}", "doublings"),
        "share": (f"good configurations, {layers_words(depths[0])} minus {depths[-1]}", "% of configurations"),
    }
    found = {}
    for key, (name, unit) in names.items():
        low, high = np.quantile(resampled[key], [0.025, 0.975])
        found[key] = Effect(name, float(whole[key][0]), float(low), float(high), unit, seeds)
    return found


def hardness_of(
    found: Trials, rows: NDArray[np.int64], columns: NDArray[np.int64], options: Options
) -> dict[str, Floats]:
    """Say what each resample's search costs.

    Args:
        found: (seeds, trials) figures.
        rows: (resamples, seeds) which seeds.
        columns: (resamples, seeds, trials) which of their trials.
        options: of the claim.

    Returns:
        `trials` and `compute` until the search has arrived, and `share` of good configurations in %; (resamples,) each.
    """
    validation, test, operations = (
        figures[rows[:, :, None], columns] for figures in (found.validation, found.test, found.operations)
    )
    chosen = expected_chosen(validation, test)  # (resamples, seeds, budgets)
    good = test >= chosen[..., -1:] - options.good
    arrived = arrival(chosen.mean(axis=1), near=options.near)
    return {
        "trials": arrived,
        "compute": arrived * operations.mean(axis=(1, 2)),
        "share": 100 * good.mean(axis=(1, 2)),
    }


def arrival(curves: Floats, *, near: float) -> Floats:
    """Find the number of trials at which a search first comes near its own end.

    Args:
        curves: (resamples, budgets) expected score of the chosen configuration for 1, 2, ... trials.
        near: distance from the last figure that counts as arrived, in the unit of the curves.

    Returns:
        (resamples,) trials, at least 1, read off between whole numbers.
    """
    level = curves[:, -1:] - near
    first = (curves >= level).argmax(axis=1)
    rows = np.arange(len(curves))
    before = curves[rows, np.maximum(first - 1, 0)]
    rise = curves[rows, first] - before
    share = np.where(first > 0, (level[:, 0] - before) / np.where(rise > 0, rise, 1.0), 0.0)
    return np.asarray(np.where(first > 0, first + share, 1.0), dtype=np.float64)


def as_they_are(found: Trials) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Make the resample that is the trials themselves.

    Args:
        found: trials of a depth.

    Returns:
        Rows, (1, seeds), and columns, (1, seeds, trials), as `hardness_of` takes them.
    """
    seeds, trials = found.test.shape
    return np.arange(seeds)[None], np.broadcast_to(np.arange(trials), (1, seeds, trials))


def search_figure(found: Mapping[int, Trials]) -> Figure:
    """Draw what a search of k trials is expected to score by its operations, one line a depth.

    Args:
        found: trials by layers.

    Returns:
        The figure.
    """
    rng = np.random.default_rng(0)
    rows = []
    for layers, trials in found.items():
        seeds, count = trials.test.shape
        curve = expected_chosen(trials.validation, trials.test).mean(axis=0)
        drawn = rng.integers(0, seeds, (RESAMPLES, seeds)), rng.integers(0, count, (RESAMPLES, seeds, count))
        index = drawn[0][:, :, None], drawn[1]
        band = expected_chosen(trials.validation[index], trials.test[index]).mean(axis=1)
        lows, highs = np.quantile(band, [0.025, 0.975], axis=0)
        for k in range(count):
            shown = k < count // 2  # resampling says nothing about a maximum beyond that
            words = f"{curve[k]:.1f}" + (f" [{lows[k]:.1f}, {highs[k]:.1f}]" if shown else "")
            rows.append(
                {
                    "series": layers_words(layers),
                    "compute": float((k + 1) * trials.operations.mean()),
                    "value": float(curve[k]),
                    "low": float(lows[k]) if shown else None,
                    "high": float(highs[k]) if shown else None,
                    "words": f"{words} after {k + 1}",
                }
            )
    last = {row["series"]: row["words"] for row in rows}
    return by_compute_figure(
        rows,
        name="search",
        title="What a random search finds, by its compute",
        axis="test accuracy (%)",
        alt_text="Expected test accuracy of the configuration chosen on validation by operations of the search: "
        + "; ".join(f"{name}: {words} trials" for name, words in last.items())
        + ".",
        caption="Averaged over all subsets of the trials and over seeds; a dot a trial more. Bars are 95 % by"
        " bootstrap, up to half of the trials.",
    )


def spread_figure(found: Mapping[int, Trials]) -> Figure:
    """Draw quartiles of the random configurations by depth.

    Args:
        found: trials by layers.

    Returns:
        The figure.
    """
    names = {"best quarter begins": 0.75, "median": 0.5, "worst quarter ends": 0.25}
    rows = []
    for name, share in names.items():
        for layers, trials in found.items():
            by_seed = np.quantile(trials.test, share, axis=1)
            value = float(by_seed.mean())
            row = {"series": name, "layers": layers, "value": value, "low": None, "high": None}
            rows.append({**row, "words": number(value).removeprefix("+")})
    return by_depth_figure(
        rows,
        name="spread",
        title="Random configurations",
        axis="test accuracy (%)",
        alt_text="Quartiles of the test accuracy of random configurations by layers: "
        + "; ".join(f"{row['series']} at {row['layers']}: {row['words']}" for row in rows)
        + ".",
        caption="Quartiles within a seed, averaged over seeds.",
    )
