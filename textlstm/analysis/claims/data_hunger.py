"""D5: do deeper stacks need more data, and what are other settings worth in "times the data"?

The claim is a slope: how much (score at k layers - score at 1) rises with each doubling of the labels. Beside it stand
the sizes between which the curves may cross, and how many times the labels the recipe's own settings would need to
score what each variant (pretrained vectors, augmentation, ...) scores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_size_figure
from textlstm.analysis.claims.effects import effect_over_texts, number, written
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import OWN, train_variants
from textlstm.analysis.claims.trained import Place, Trained
from textlstm.analysis.figures import Figure
from textlstm.analysis.wording import layers_words
from textlstm.errors import RecipeError
from textlstm.experiment.controls import control_names
from textlstm.recipe import Recipe
from textlstm.stats.crossings import crossing
from textlstm.stats.curves import difference_band, text_covariance
from textlstm.stats.multiplier import Multiplier, data_multipliers

Floats = NDArray[np.float64]


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Train learning curves of each depth, under the recipe's own settings and under each variant.

    Args:
        recipe: with depths and sizes; `claim.variants` are what is measured in times the data, and its first control is
            what all curves share: under `tuned`, each variant and the base are searched alike.
        folder: of the runs.
        seeds: independent repeats, which the recipe's grid has too.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        The slope of the difference on log2 of the labels, averaged over depths beyond the shallowest.

    Raises:
        RecipeError: there are fewer than two depths or three sizes.
    """
    variants = {OWN: {}, **(recipe.claim.variants if recipe.claim else {})}
    setting = control_names(recipe.grid)[0]
    depths = sorted(set(recipe.grid.layers or []))
    check_curves(depths, recipe.grid.sizes or [])
    trained = train_variants(recipe, folder, tell=tell, variants=variants)
    sizes = [size for size in trained.sizes() if Place(OWN, setting, depths[0], size) in trained.runs]
    check_curves(depths, sizes)  # under `tuned` sizes without validation rows are left out
    curves = _Curves(trained, setting, sizes)
    shallow, deeper = depths[0], depths[1:]
    slopes = {layers: curves.slope(layers, shallow) for layers in deeper}
    main = effect_over_texts(
        f"gain of {_listed(deeper)} layers over {shallow} with each doubling of the labels",
        np.mean(list(slopes.values()), axis=0),
        unit="points a doubling",
        scale=100,
        note=f"from {curves.labels[0]:,} to {curves.labels[-1]:,} labels",
    )
    others = [
        effect_over_texts(f"{layers_words(layers)} alone", slope, unit="points a doubling", scale=100)
        for layers, slope in slopes.items()
        if len(deeper) > 1
    ]
    worth = {
        (name, layers): curves.worth(name, layers)
        for name in variants
        if name != OWN
        for layers in (depths[0], depths[-1])
    }
    return Finding(
        effect=main,
        others=others,
        table=[curves.row(name, layers, size) for name in variants for layers in depths for size in sizes],
        charts=[
            _curve_figure(curves, depths),
            _difference_figure(curves, deeper, shallow),
            *_worth_figures(worth),
        ],
        notes=[
            *(f"{layers_words(k)} against {shallow}: {curves.crossing_words(k, shallow)}." for k in deeper),
            *(_worth_words(name, layers, found) for (name, layers), found in worth.items()),
            *trained.notes,
        ],
        overturn=(
            f"Labels beyond {curves.labels[-1]:,}, or settings searched for each depth and size apart, if the gain of"
            f" deeper stacks rose by more than the threshold a doubling there."
        ),
    )


def check_curves(depths: Sequence[int], sizes: Sequence[int | str]) -> None:
    """Refuse what makes no curves to compare.

    Args:
        depths: to be compared.
        sizes: of the curves.

    Raises:
        RecipeError: there are fewer than two depths or three sizes.
    """
    if len(depths) < 2 or len(sizes) < 3:
        named = f" ({', '.join(map(str, sizes))})" if sizes else ""
        raise RecipeError(
            f"The data-hunger claim compares curves of two depths or more over three sizes or more, and there are"
            f" {len(depths)} depths and {len(sizes)} sizes{named}; set grid.layers and grid.sizes."
        )


class _Curves:
    """Scores by depth and size of one control."""

    def __init__(self, trained: Trained, setting: str, sizes: Sequence[int | str]) -> None:
        self.trained, self.setting, self.sizes = trained, setting, list(sizes)
        first = trained.depths()[0]
        self.labels = [trained.runs[Place(OWN, setting, first, size)][0].data.labels_used for size in sizes]
        self._read: dict[tuple[str, int], Floats] = {}

    def accuracy(self, layers: int, variant: str = OWN) -> Floats:
        """Answers of one depth: (sizes, seeds, texts)."""
        key = variant, layers
        if key not in self._read:
            places = [Place(variant, self.setting, layers, size) for size in self.sizes]
            self._read[key] = np.stack([self.trained.accuracy(place) for place in places])
        return self._read[key]

    def slope(self, deep: int, shallow: int) -> Floats:
        """Least-squares slope on log2 of the labels of each text's difference: (seeds, texts)."""
        doublings = np.log2(np.asarray(self.labels, dtype=np.float64))
        doublings -= doublings.mean()
        difference = self.accuracy(deep) - self.accuracy(shallow)
        return np.asarray(np.einsum("n,nst->st", doublings, difference) / (doublings @ doublings))

    def band(self, deep: int, shallow: int) -> Any:  # noqa: ANN401 - stats.curves.Curve
        """The difference of two depths over sizes, with the band that holds all sizes at once."""
        one, other = self.accuracy(deep), self.accuracy(shallow)
        texts = text_covariance(one - other) if one.shape[1] > 1 else None
        return difference_band(
            one.mean(axis=2),
            other.mean(axis=2),
            sizes=self.labels,
            name=f"{layers_words(deep)} minus {shallow}",
            text_covariance=texts,
        )

    def crossing_words(self, deep: int, shallow: int) -> str:
        """Where the curves may cross, in a sentence."""
        return crossing(self.band(deep, shallow), deep=layers_words(deep), shallow=layers_words(shallow)).sentence

    def worth(self, variant: str, layers: int) -> list[Multiplier]:
        """What a variant is worth in times the data at each size, against the recipe's own settings at that depth."""
        return data_multipliers(
            self.accuracy(layers).mean(axis=2), self.accuracy(layers, variant).mean(axis=2), sizes=self.labels
        )

    def row(self, variant: str, layers: int, size: int | str) -> dict[str, Any]:
        """A line of the page's table."""
        scores = self.accuracy(layers, variant)[self.sizes.index(size)].mean(axis=1)
        return {
            "settings": variant,
            "layers": layers,
            "labels": self.labels[self.sizes.index(size)],
            "test accuracy %": float(100 * scores.mean()),
            "lowest seed": float(100 * scores.min()),
            "highest seed": float(100 * scores.max()),
        }


def _curve_figure(curves: _Curves, depths: Sequence[int]) -> Figure:
    """Draw the learning curves of the recipe's own settings."""
    rows = []
    for layers in depths:
        for place, labels in enumerate(curves.labels):
            effect = effect_over_texts("accuracy", curves.accuracy(layers)[place], unit="%", scale=100)
            rows.append(_point(layers_words(layers), labels, effect))
    return by_size_figure(
        rows,
        name="curves",
        title="Learning curves by depth",
        axis="test accuracy (%)",
        alt_text=_alt("Test accuracy by labels, one line a depth", rows),
        caption="Mean over seeds, with 95 % intervals over seeds and texts.",
    )


def _difference_figure(curves: _Curves, deeper: Sequence[int], shallow: int) -> Figure:
    """Draw the gain of each depth over the shallowest with its simultaneous band."""
    rows = []
    for layers in deeper:
        band = curves.band(layers, shallow)
        lows = band.band_low or [None] * len(band.mean)
        highs = band.band_high or [None] * len(band.mean)
        for labels, mean, low, high in zip(curves.labels, band.mean, lows, highs, strict=True):
            known = low is not None and high is not None
            words = f"{number(100 * mean)} [{number(100 * low)}, {number(100 * high)}]" if known else number(100 * mean)
            rows.append(
                {
                    "series": f"{layers_words(layers)} over {shallow}",
                    "labels": labels,
                    "value": 100 * mean,
                    "low": 100 * low if known else None,
                    "high": 100 * high if known else None,
                    "words": words,
                }
            )
    return by_size_figure(
        rows,
        name="difference",
        title=f"Gain over {layers_words(shallow)}",
        axis="gain (points)",
        alt_text=_alt("Gain in points by labels", rows),
        caption="With the band that holds all sizes at once at 95 %; the curves may cross where it holds 0.",
        zero=True,
    )


def _worth_figures(worth: dict[tuple[str, int], list[Multiplier]]) -> list[Figure]:
    """Draw what variants are worth, where that is not censored; no figure where it is everywhere."""
    rows = []
    for (name, layers), found in worth.items():
        for one in found:
            if np.isfinite(one.value) and one.value > 0:
                rows.append(
                    {
                        "series": f"{name}, {layers_words(layers)}",
                        "labels": round(one.size),
                        "value": one.value,
                        "low": max(one.low, one.least),
                        "high": min(one.high, one.most),
                        "words": one.words,
                    }
                )
    every = [(name, layers, one) for (name, layers), found in worth.items() for one in found]
    told = "; ".join(
        f"{name} at {layers} layers and {one.size:,.0f} labels: {one.words}" for name, layers, one in every
    )
    if not rows:
        return []
    figure = by_size_figure(
        rows,
        name="worth",
        title="Worth in times the data",
        axis="times the data",
        alt_text=f"How many times the labels the recipe's own settings need: {told}.",
        caption="Figures beyond the measured sizes are in the notes alone; intervals are cut where the range ends.",
        zero=True,
    )
    return [figure]


def _worth_words(name: str, layers: int, found: Sequence[Multiplier]) -> str:
    """Say what a variant is worth at each size."""
    told = "; ".join(f"at {one.size:,.0f} labels {one.words}" for one in found)
    return f"Worth of {name} in times the data, {layers_words(layers)}: {told}."


def _point(series: str, labels: int, effect: Effect) -> dict[str, Any]:
    known = np.isfinite(effect.low) and np.isfinite(effect.high)
    return {
        "series": series,
        "labels": labels,
        "value": effect.value,
        "low": effect.low if known else None,
        "high": effect.high if known else None,
        "words": written(effect).replace("+", "").removesuffix(" %"),
    }


def _alt(start: str, rows: Sequence[dict[str, Any]]) -> str:
    return f"{start}: " + "; ".join(f"{row['series']} at {row['labels']:,}: {row['words']}" for row in rows) + "."


def _listed(depths: Sequence[int]) -> str:
    return " and ".join(map(str, depths)) if len(depths) < 3 else f"{depths[0]} to {depths[-1]}"
