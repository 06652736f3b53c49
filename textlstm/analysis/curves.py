"""Learning curves by depth, and where two depths cross, from a grid's finished runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.means import measure, seed_means
from textlstm.analysis.reading import Grid, Group
from textlstm.analysis.summary import CrossingSummary, CurveSummary
from textlstm.analysis.wording import layers_words
from textlstm.results import Estimate
from textlstm.stats.crossings import crossing
from textlstm.stats.curves import difference_band, gain_per_doubling, mean_curves, text_covariance
from textlstm.stats.extrapolation import FEWEST_SIZES, extrapolated_crossing

Floats = NDArray[np.float64]

FEWEST_SEEDS = 3
"""Under so many seeds a curve has no band: two say too little of their own spread."""


def curves(grid: Grid) -> tuple[list[CurveSummary], list[CrossingSummary]]:
    """Draw each depth's learning curve, and compare each with the shallowest depth's.

    Args:
        grid: finished runs.

    Returns:
        Curves over the sizes that all depths of a setting have, with the seeds that all have; crossings of each depth
        with the shallowest. Nothing for settings with one size.
    """
    drawn: list[CurveSummary] = []
    crossings: list[CrossingSummary] = []
    for setting in grid.settings:
        layers = sorted({depth for s, depth, _ in grid.groups if s == setting})
        sizes = [size for size in grid.sizes(setting) if len(grid.depths(setting, size)) == len(layers)]
        table = {depth: [grid.groups[setting, depth, size] for size in sizes] for depth in layers}
        groups = [group for row in table.values() for group in row]
        seeds = sorted(set.intersection(*(set(group.seeds) for group in groups))) if groups else []
        labels = [table[layers[0]][column].labels for column in range(len(sizes))]
        # "full" may be no more than the largest number: such a pair of sizes is one point of a curve.
        columns = [i for i, count in enumerate(labels) if i == 0 or count > labels[i - 1]]
        if len(columns) < 2 or not seeds:
            continue
        at = [float(labels[i]) for i in columns]
        scores = {depth: np.stack([_by_seed(row[i], seeds) for i in columns]) for depth, row in table.items()}
        banded = len(seeds) >= FEWEST_SEEDS
        covariance = None
        if banded and all(len(group.folds) == 1 for group in groups):  # texts of folds are not crossed with seeds
            covariance = [text_covariance(np.stack([_texts(row[i], seeds) for i in columns])) for row in table.values()]
        names = [layers_words(depth) for depth in layers]
        bands = mean_curves(np.stack(list(scores.values())), sizes=at, names=names, text_covariance=covariance)
        for depth, band in zip(layers, bands, strict=True):
            gain = gain_per_doubling(scores[depth], sizes=at, name=band.name)
            drawn.append(
                CurveSummary(
                    setting=setting,
                    layers=depth,
                    labels=[labels[i] for i in columns],
                    seeds=len(seeds),
                    over_texts=band.over_texts,
                    mean=band.mean,
                    low=_shares(band.band_low, banded),
                    high=_shares(band.band_high, banded),
                    own_low=_shares(band.low, banded),
                    own_high=_shares(band.high, banded),
                    gain_per_doubling=Estimate(value=gain.slope, low=gain.low, high=gain.high),
                )
            )
        for depth in layers[1:] if len(seeds) > 1 else []:
            crossings.append(_crossing(setting, [table[layers[0]], table[depth]], seeds, columns, at))
    return drawn, crossings


def _crossing(
    setting: str, rows: list[list[Group]], seeds: list[int], columns: list[int], sizes: list[float]
) -> CrossingSummary:
    """Compare the curves of two depths."""
    shallow, deep = rows[0][0].layers, rows[1][0].layers
    by_seed = [np.stack([_by_seed(row[i], seeds) for i in columns]) for row in rows]
    covariance = None
    if len(rows[0][0].folds) == 1:  # folds have texts of their own, so that texts and seeds are not crossed
        texts = [np.stack([_texts(row[i], seeds) for i in columns]) for row in rows]
        covariance = text_covariance(texts[1] - texts[0])
    names = layers_words(deep), layers_words(shallow)
    band = difference_band(by_seed[1], by_seed[0], sizes=sizes, name=" minus ".join(names), text_covariance=covariance)
    found = crossing(band, deep=names[0], shallow=names[1])
    words = [found.sentence]
    if len(sizes) >= FEWEST_SIZES:
        ahead = extrapolated_crossing(by_seed[1], by_seed[0], sizes=sizes, names=names, text_covariance=covariance)
        words.append(f"beyond the measured sizes, {ahead.sentence}")
    return CrossingSummary(
        setting=setting,
        shallow=shallow,
        deep=deep,
        words="; ".join(words),
        intervals=[(stretch.low, stretch.high) for stretch in found.intervals],
    )


def _texts(group: Group, seeds: list[int]) -> Floats:
    """(seeds, texts) accuracy of a group without folds."""
    return measure(group, "accuracy")[0][[group.seeds.index(seed) for seed in seeds]]


def _by_seed(group: Group, seeds: list[int]) -> Floats:
    """(seeds,) mean accuracy of each seed."""
    return seed_means(measure(group, "accuracy"))[[group.seeds.index(seed) for seed in seeds]]


def _shares(ends: Sequence[float] | None, banded: bool) -> list[float]:
    """The ends of a band of accuracies, which lies between 0 and 1; none where there is no band."""
    return [min(1.0, max(0.0, end)) for end in ends] if ends is not None and banded else []
