"""What is held equal when depths are compared: width, parameters, training operations, or the effort of tuning.

Adding a layer at a fixed width adds parameters and operations too, so a gain may be theirs. Each control takes one of
these away; no single one answers for all, which is why a recipe may ask for several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textlstm.recipe import Recipe
from textlstm.recipe_arithmetic import hidden_sizes, match_widths, stack_size
from textlstm.recipe_grid import GridSection

CONTROL_WORDS: dict[str, str] = {
    "fixed_width": "every layer has the same width, so that a deeper stack has more parameters and takes longer",
    "matched_parameters_shallowest": "all depths have as many parameters as the shallowest at the recipe's width",
    "matched_parameters_deepest": "all depths have as many parameters as the deepest at the recipe's width",
    "matched_compute": "all depths may spend the training operations that the deepest spends on its planned updates",
    "tuned": "each depth has the best of the same random learning rates and dropouts, chosen on validation",
}
"""What each control holds equal, in words for reports."""


PLACES = ("control", "fold", "trial", "baseline", "layers", "size", "seed")
"""Coordinates that every grid may have; all others are axes of one recipe."""


def control_names(grid: GridSection) -> list[str]:
    """Spell out a recipe's controls.

    Args:
        grid: `matched_parameters` stands for two comparisons, unless `match` names one end.

    Returns:
        Keys of `CONTROL_WORDS`; the first is the one that the verdict is about.
    """
    ends = ["shallowest", "deepest"] if grid.match == "both" else [grid.match]
    names: list[str] = []
    for control in grid.controls:
        names += [f"{control}_{end}" for end in ends] if control == "matched_parameters" else [control]
    return list(dict.fromkeys(names))


def control_settings(
    base: Recipe, control: str, *, layers: Sequence[int], num_labels: int
) -> dict[int, dict[str, Any]]:
    """Say which recipe keys a control sets at each depth.

    Args:
        base: the recipe without its grid.
        control: a key of `CONTROL_WORDS` other than "tuned", whose settings come from a search.
        layers: depths that are compared.
        num_labels: outputs of the classifier, which count as parameters.

    Returns:
        By depth, overrides by dotted key.

    Raises:
        RecipeError: a depth cannot be made as small as it should be.
    """
    if not control.startswith("matched_"):
        return {depth: {} for depth in layers}
    plain = {depth: base.override({"model.num_layers": depth}) for depth in layers}
    if control.startswith("matched_parameters"):
        reference = min(layers) if control.endswith("shallowest") else max(layers)
        parameters = stack_size(plain[reference], num_labels=num_labels).stack
        settings: dict[int, dict[str, Any]] = {}
        for depth in layers:
            widths = match_widths(plain[depth], parameters=parameters, num_labels=num_labels)
            # The reference depth keeps its own recipe, so that the cell is shared with the fixed-width one.
            settings[depth] = {} if depth == reference else {"model.hidden_size": widths}
        return settings
    spent = {depth: stack_size(plain[depth], num_labels=num_labels).flops_per_token for depth in layers}
    most = max(spent.values())
    # Patience would give back what the budget grants; the best epoch is still the one that is kept.
    return {depth: {"training.update_share": most / spent[depth], "training.patience": None} for depth in layers}


def tuning_draws(grid: GridSection, *, seed: int) -> list[dict[str, Any]]:
    """Draw the configurations that every depth tries.

    Args:
        grid: its `tuning` part.
        seed: of the draws; the same for all depths and sizes.

    Returns:
        Overrides by dotted key, one mapping a trial.
    """
    tuning = grid.tuning
    rng = np.random.default_rng([seed, 0x74756E65])
    low, high = (math.log(rate) for rate in tuning.learning_rate)
    draws: list[dict[str, Any]] = []
    rates = rng.uniform(low, high, tuning.trials)
    dropouts = rng.uniform(tuning.dropout[0], tuning.dropout[1], tuning.trials)
    for rate, dropout in zip(rates, dropouts, strict=True):
        dropped = round(float(dropout), 3)
        draws.append(
            {
                "training.learning_rate": float(f"{math.exp(rate):.3g}"),
                "model.input_dropout": dropped,
                "model.layer_dropout": dropped,
                "model.output_dropout": dropped,
            }
        )
    return draws


def setting_label(coordinates: Mapping[str, Any]) -> str:
    """Name what sets a comparison of depths apart from others of the grid.

    Args:
        coordinates: of a cell.

    Returns:
        Such as "fixed_width" or "matched_parameters_deepest, model.join=residual".
    """
    axes = [f"{key}={value}" for key, value in coordinates.items() if key not in PLACES]
    return ", ".join([coordinates.get("control", "fixed_width"), *axes])


def width_words(recipe: Recipe) -> str:
    """Name a recipe's widths in short, such as "64" or "38-37-37".

    Args:
        recipe: one cell.

    Returns:
        One number where all layers are equal.
    """
    widths = hidden_sizes(recipe)
    return str(widths[0]) if len(set(widths)) == 1 else "-".join(map(str, widths))


def mismatch(sizes: Mapping[int, int], reference: int) -> float:
    """Give the largest relative distance of any depth's parameters from the reference depth's.

    Args:
        sizes: parameters outside the embeddings by depth.
        reference: the depth that the others were matched to.

    Returns:
        A share, such as 0.004.
    """
    return max(abs(size / sizes[reference] - 1) for size in sizes.values())
