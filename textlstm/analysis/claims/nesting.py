"""What depth gains on ListOps by level of nesting: patterns that grow more complex by a known measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_level_figure
from textlstm.analysis.claims.effects import effect_over_texts, written
from textlstm.analysis.claims.finding import Effect
from textlstm.analysis.claims.grids import OWN, train_variants
from textlstm.analysis.claims.trained import Place
from textlstm.analysis.figures import Figure
from textlstm.analysis.wording import layers_words, setting_words
from textlstm.errors import RecipeError
from textlstm.experiment.controls import control_names
from textlstm.recipe import Recipe
from textlstm.text.corpora import nesting_depth
from textlstm.text.protocol import load_recipe_data

Floats = NDArray[np.float64]
_OF_OTHER_DATA = ("mirror", "config", "revision", "text_columns", "label_column", "label_names", "label_separator")


@dataclass(frozen=True)
class Nested:
    """What depth gains by level.

    Attributes:
        effects: slope of the gain over levels, one a control.
        charts: accuracy by level, one a control.
        notes: sentences.
    """

    effects: list[Effect]
    charts: list[Figure]
    notes: list[str]


def nesting_gains(
    recipe: Recipe,
    folder: Path,
    *,
    settings: Mapping[str, Any],
    depths: Sequence[int],
    tell: Callable[[str], None],
) -> Nested:
    """Train each depth on ListOps under each control, and score it by nesting.

    Args:
        recipe: with depths, controls and seeds.
        folder: of the runs.
        settings: recipe keys by dotted name; `data.source` is a `listops` corpus.
        depths: rising.
        tell: is told how it goes.

    Returns:
        How much the gain of the deepest stack over the shallowest rises with each level.

    Raises:
        RecipeError: the data is not `listops`, or its texts are of one level.
    """
    nested = nested_recipe(recipe, settings)
    trained = train_variants(nested, folder, tell=tell)
    texts = load_recipe_data(nested).splits["test"].text_list()
    levels = np.array([nesting_depth(text) for text in texts])
    shallow, deep = depths[0], depths[-1]
    effects, charts = [], []
    for control in control_names(nested.grid):
        answers = {layers: trained.accuracy(Place(OWN, control, layers, "full")) for layers in depths}
        effects.append(
            effect_over_texts(
                f"ListOps: gain of {layers_words(deep)} over {shallow} a level of nesting, {setting_words(control)}",
                slope_over_levels(answers[deep] - answers[shallow], levels),
                unit="points a level",
                scale=100,
            )
        )
        charts.append(_figure(answers, levels, control))
    counts = {int(level): int((levels == level).sum()) for level in np.unique(levels)}
    told = ", ".join(f"{count:,} of level {level}" for level, count in counts.items())
    return Nested(effects, charts, [f"ListOps test texts: {told}.", *trained.notes])


def nested_recipe(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Put the recipe of the runs on ListOps together.

    Args:
        recipe: of the claim.
        settings: recipe keys by dotted name.

    Returns:
        The claim's grid on other data, with other settings.

    Raises:
        RecipeError: the data is not `listops`, or a setting does not fit.
    """
    source = str(settings.get("data.source", ""))
    if source.partition(":")[0].strip() != "listops":
        raise RecipeError(
            f"claim.options.nesting should set data.source to a listops corpus, and it is {source or 'absent'};"
            " name one, such as listops:max_depth=4."
        )
    plain = recipe.model_copy(update={"claim": None}).override({f"data.{key}": None for key in _OF_OTHER_DATA})
    return plain.override({"grid.sizes": ["full"], **settings})


def slope_over_levels(contrast: Floats, levels: NDArray[np.int64]) -> Floats:
    """Weigh a contrast so that its mean over texts is its least-squares slope over levels.

    Args:
        contrast: (seeds, texts).
        levels: (texts,) of each text.

    Returns:
        (seeds, texts) whose mean over texts is the slope of each seed.

    Raises:
        RecipeError: all texts are of one level.
    """
    away = levels - levels.mean()
    spread = float(away @ away)
    if spread == 0:
        raise RecipeError(
            "The gain by nesting needs texts of two levels or more; raise max_depth in nesting's data.source."
        )
    return np.asarray(contrast * (len(levels) * away / spread))


def _figure(answers: Mapping[int, Floats], levels: NDArray[np.int64], control: str) -> Figure:
    """Draw accuracy by level, one line a depth."""
    rows = []
    for layers, right in answers.items():
        for level in np.unique(levels).tolist():
            effect = effect_over_texts("accuracy", right[:, levels == level], unit="%", scale=100)
            known = bool(np.isfinite(effect.low) and np.isfinite(effect.high))
            rows.append(
                {
                    "series": layers_words(layers),
                    "level": level,
                    "value": effect.value,
                    "low": effect.low if known else None,
                    "high": effect.high if known else None,
                    "words": written(effect).replace("+", "").removesuffix(" %"),
                }
            )
    return by_level_figure(
        rows,
        name=f"nesting-{control.replace('_', '-')}",
        title=f"ListOps by level of nesting, {setting_words(control)}",
        axis="test accuracy (%)",
        alt_text="Test accuracy by level of nesting, one line a depth: "
        + "; ".join(f"{row['series']} at level {row['level']}: {row['words']}" for row in rows)
        + ".",
        caption="Mean over seeds, with 95 % intervals over seeds and texts.",
    )
