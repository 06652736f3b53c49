"""What a search for settings varies, and random draws of it: for the tuning claim and for `textlstm tune`.

Optuna draws (extra `tune`); a trial's choices become recipe keys by dotted name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe

Settings = dict[str, Any]
"""Recipe keys by dotted name."""


@dataclass(frozen=True)
class RandomSpace:
    """What the tuning claim draws from.

    Attributes:
        learning_rate: lowest and highest, on a log scale.
        dropout: lowest and highest rate of input, layer and output dropout, one draw for all three.
        units: fewest and most of a layer and direction, on a log scale.
        activations: of the cell, where they are drawn for each layer.
    """

    learning_rate: tuple[float, float]
    dropout: tuple[float, float]
    units: tuple[int, int]
    activations: tuple[str, ...] = ()


def load_optuna(purpose: str) -> Any:  # noqa: ANN401 - a module without types
    """Import Optuna, and keep it from logging every trial.

    Args:
        purpose: who needs it, such as "textlstm tune".

    Returns:
        The module.

    Raises:
        RecipeError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise RecipeError(
            f"{purpose} searches with Optuna, which is not installed; install it: pip install 'textlstm[tune]'."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def random_settings(space: RandomSpace, *, trials: int, seed: int, layers: int | None = None) -> list[Settings]:
    """Draw settings at random, by Optuna's RandomSampler.

    Args:
        space: to draw from.
        trials: how many.
        seed: of the draws; more trials under one seed begin with the same ones.
        layers: None draws one width for all layers and leaves the activation; a number draws units and activation for
            each of so many layers apart.

    Returns:
        One mapping a trial.

    Raises:
        RecipeError: Optuna is not installed.
    """
    optuna = load_optuna("The tuning claim")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [_draw(study.ask(), space, layers) for _ in range(trials)]


def _draw(trial: Any, space: RandomSpace, layers: int | None) -> Settings:  # noqa: ANN401 - of Optuna
    """Turn one trial into settings."""
    rate = trial.suggest_float("learning_rate", *space.learning_rate, log=True)
    dropout = round(trial.suggest_float("dropout", *space.dropout), 3)
    settings: Settings = {"training.learning_rate": float(f"{rate:.3g}"), **dropout_settings(dropout)}
    if layers is None:
        return settings | {"model.hidden_size": trial.suggest_int("units", *space.units, log=True)}
    places: Sequence[int] = range(1, layers + 1)
    return settings | {
        "model.hidden_size": [trial.suggest_int(f"units_{place}", *space.units, log=True) for place in places],
        "model.activation": [
            trial.suggest_categorical(f"activation_{place}", list(space.activations)) for place in places
        ],
    }


def dropout_settings(rate: float) -> Settings:
    """One rate for input, layer and output dropout.

    Args:
        rate: share that is dropped.

    Returns:
        The three keys.
    """
    return {f"model.{place}_dropout": rate for place in ("input", "layer", "output")}


def suggested_settings(
    trial: Any,  # noqa: ANN401 - of Optuna
    *,
    fixed: Mapping[str, Any],
    recipe: Recipe,
    max_layers: int,
) -> Settings:
    """Let a trial of Optuna choose what the user has left open.

    Args:
        trial: suggests.
        fixed: recipe keys that are given and are not varied.
        recipe: that the settings are for.
        max_layers: of the deepest stack.

    Returns:
        Recipe keys with their values.
    """
    settings: Settings = {}

    def choose(key: str, suggest: Callable[..., Any], *span: Any, **how: Any) -> None:  # noqa: ANN401
        if key not in fixed:
            value = suggest(key, *span, **how)
            settings[key] = float(f"{value:.3g}") if isinstance(value, float) else value

    choose("model.num_layers", trial.suggest_int, 1, max_layers)
    layers = settings.get("model.num_layers", recipe.model.num_layers)
    choose("model.hidden_size", trial.suggest_int, 16, 192, log=True)
    if recipe.embeddings.source is None:
        choose("model.embedding_size", trial.suggest_int, 24, 192, log=True)
    choose("model.pooling", trial.suggest_categorical, ["max", "mean", "attention", "last"])
    choose("training.learning_rate", trial.suggest_float, 4e-4, 1e-2, log=True)
    for place in ("embedding", "input", "output"):
        choose(f"model.{place}_dropout", trial.suggest_float, 0.0, 0.6)
    if layers > 1:  # what lies between layers has no effect on one
        choose("model.layer_dropout", trial.suggest_float, 0.0, 0.6)
        choose("model.join", trial.suggest_categorical, ["plain", "residual", "dense"])
    return settings
