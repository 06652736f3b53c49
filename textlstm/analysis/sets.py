"""What depth gains over several data sets together: a mean, its spread, and what a new set may bring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from textlstm.analysis.differences import common_seeds, difference_of
from textlstm.analysis.means import measure, seed_means
from textlstm.analysis.reading import Grid, Group, read_grid
from textlstm.errors import RunFolderError
from textlstm.results import Estimate
from textlstm.stats.across import new_set_interval, random_effects
from textlstm.stats.performance import (
    interquartile_mean,
    normalized_differences,
    performance_profile,
    probability_of_improvement,
)

FEWEST_SETS = 3
PROFILE_STEPS = (-0.1, -0.05, 0.0, 0.05, 0.1, 0.2)
"""Shares of the shallowest depth's error, at which the profile is read."""


class DepthAcrossSets(BaseModel):
    """The gain of one depth over the shallowest, at the largest size of each set's declared control.

    Attributes:
        shallow: layers of the shallowest depth.
        deep: layers of this one.
        sets: names of the recipes.
        by_set: gain in accuracy on each, with its interval.
        mean: random-effects mean (Hartung-Knapp interval).
        new_set: interval for the gain on a new set of this kind.
        spread: standard deviation of the true gains between sets, estimated.
        interquartile_mean: of the share of the shallowest depth's error that is taken away, over sets and seeds.
        improvement: chance that a run of this depth beats one of the shallowest, on a random set of these.
        profile: share of runs that take away more than each of `PROFILE_STEPS` of the error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    shallow: int
    deep: int
    sets: list[str]
    by_set: list[Estimate]
    mean: Estimate
    new_set: tuple[float, float]
    spread: float | None
    interquartile_mean: Estimate
    improvement: Estimate
    profile: list[float]


def across_sets(folders: Sequence[Path]) -> list[DepthAcrossSets]:
    """Put the gains of several grids together.

    Args:
        folders: one a data set; three or more. Sets that share texts, as SST-2 and MR do, are not independent: give one
            of them.

    Returns:
        One entry for each depth that all grids have beside their common shallowest one.

    Raises:
        RunFolderError: too few folders, two grids on the same data, grids without two depths in common, or a depth
            with one seed.
    """
    if len(folders) < FEWEST_SETS:
        raise RunFolderError(
            f"A mean over data sets needs {FEWEST_SETS} folders of runs or more, and {len(folders)} were named."
        )
    grids = [read_grid(folder) for folder in folders]
    prints = [grid.plan.data.fingerprint for grid in grids]
    if len(set(prints)) < len(prints):
        raise RunFolderError("A mean over data sets takes each set once, and two of these folders hold the same data.")
    rows = [{group.layers: group for group in _largest(grid)} for grid in grids]
    depths = sorted(set.intersection(*(set(row) for row in rows)))
    if len(depths) < 2:
        raise RunFolderError(
            "Grids are put together over the depths that all have, and these share fewer than two; run each with the"
            " same grid.layers."
        )
    names = [str(grid.plan.recipe["name"]) for grid in grids]
    return [_depth(names, [(row[depths[0]], row[deep]) for row in rows]) for deep in depths[1:]]


def _largest(grid: Grid) -> list[Group]:
    """The depths at the largest size of the declared control."""
    setting = grid.settings[0]
    return grid.depths(setting, grid.sizes(setting)[-1])


def _depth(names: list[str], pairs: list[tuple[Group, Group]]) -> DepthAcrossSets:
    """Put one depth's gains together."""
    found = [difference_of(shallow, deep, "accuracy") for shallow, deep in pairs]
    if any(gain is None or not 0 < gain.standard_error < np.inf for gain in found):
        raise RunFolderError(
            "Gains are weighed by their standard errors, and one of these grids has a depth with fewer than two common"
            " seeds, or with no difference at all; run more seeds."
        )
    gains = [gain for gain in found if gain is not None]
    values, variances = np.array([g.value for g in gains]), np.array([g.standard_error**2 for g in gains])
    mean = random_effects(values, variances)
    seeds = [common_seeds(*pair) for pair in pairs]
    fewest = min(len(first) for first, _ in seeds)  # the tables below have one number of seeds
    shallow, deep = (
        np.stack(
            [
                seed_means(measure(pair[side], "accuracy"))[places[side][:fewest]]
                for pair, places in zip(pairs, seeds, strict=True)
            ]
        )
        for side in (0, 1)
    )
    shares = normalized_differences(deep, shallow)
    middle, better = interquartile_mean(shares), probability_of_improvement(deep, shallow)
    return DepthAcrossSets(
        shallow=pairs[0][0].layers,
        deep=pairs[0][1].layers,
        sets=names,
        by_set=[Estimate(value=g.value, low=g.low, high=g.high) for g in gains],
        mean=Estimate(value=mean.mean, low=mean.low, high=mean.high),
        new_set=new_set_interval(values, variances),
        spread=mean.tau,
        interquartile_mean=Estimate(value=middle.value, low=middle.low, high=middle.high),
        improvement=Estimate(value=better.value, low=better.low, high=better.high),
        profile=performance_profile(shares, thresholds=PROFILE_STEPS).share,
    )
