"""D3: are deeper stacks harder to tune?

Each depth is searched at random over learning rate, dropout and units, by the same draws; a trial is chosen on
validation and scored on test. Two things are asserted at once: a search costs more compute until it comes within half a
point of what the whole search finds, and fewer of the random configurations are good. Each is measured in multiples of
its own threshold, and the claim is as strong as the weaker (intersection-union test: Berger 1982, Technometrics 24), so
that a layer's own operations alone do not support it. Units and activations of each layer apart are searched beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.analysis.claims.effects import in_thresholds, weakest_link
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import claim_campaign, plan_variants, planned_data, train_cells
from textlstm.analysis.claims.random_search import (
    Options,
    Trials,
    as_they_are,
    hardness_of,
    search_effects,
    search_figure,
    spread_figure,
)
from textlstm.analysis.wording import layers_words
from textlstm.errors import RecipeError, TrainingError
from textlstm.experiment.campaign import Campaign
from textlstm.experiment.capacity import workers_for
from textlstm.experiment.grid import Cell
from textlstm.experiment.search_space import RandomSpace, random_settings
from textlstm.recipe import Recipe
from textlstm.results import Run
from textlstm.stats.search import expected_chosen
from textlstm.text.datasets import TextData

_TIE = 1e-6  # of equal validation accuracy the lower log loss decides
_PER_LAYER = "layer by layer "
_SLOWER = 4  # times, away from the fused kernel that only tanh has


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Search each depth at random.

    Args:
        recipe: with depths and one size, from which rows are left to choose by.
        folder: of the runs.
        seeds: independent searches, each with other draws, rows and weights.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        The weaker of two effects, of compute and of the share of good configurations, in multiples of its threshold.

    Raises:
        RecipeError: an option is wrong, there are fewer than two depths, or no rows to choose by.
        TrainingError: all trials of a depth failed.
    """
    options = read_options(recipe)
    campaign, planned = plan_search(recipe, options)
    tell(f"{len(planned)} trials: {options.trials} a seed and depth, and {options.per_layer_trials} layer by layer.")
    finished, _ = train_cells(recipe, folder, campaign, [cell for _, cell in planned], tell=tell)
    runs = {cell.path: run for cell, run in finished}
    depths = sorted({cell.layers for _, cell in planned})
    found = {layers: _trials(planned, runs, layers, per_layer=False) for layers in depths}
    apart = {layers: _trials(planned, runs, layers, per_layer=True) for layers in depths} if _beside(options) else {}
    effects = search_effects(found[depths[0]], found[depths[-1]], depths, options)
    links = {name: effects[name] for name in options.thresholds}
    main = weakest_link(
        "weaker of two: compute of the search, and share of good configurations", links, options.thresholds
    )
    others = [*in_thresholds(links, options.thresholds), *effects.values()]
    if apart:
        beside = search_effects(apart[depths[0]], apart[depths[-1]], depths, options)["share"]
        others.append(
            Effect(f"{beside.name}, units and activations layer by layer", *_ends(beside), beside.unit, beside.seeds)
        )
    failed = sum(one.failed for one in (*found.values(), *apart.values()))
    rows = [_row(found[layers], layers, "one for all layers", options) for layers in depths]
    rows += [_row(apart[layers], layers, "layer by layer", options) for layers in apart]
    return Finding(
        effect=main,
        others=others,
        table=rows,
        charts=[search_figure(found), spread_figure(found)],
        notes=[
            f"Thresholds: {options.thresholds['compute']:g} doublings of compute, and"
            f" {options.thresholds['share']:g} % of the configurations. A search has arrived where the configuration"
            f" that it would choose scores within {options.near:g} points on test of the one chosen from all"
            f" {options.trials}; a configuration is good within {options.good:g} points of that.",
            "Drawn at random (Optuna's RandomSampler), the same for all depths: learning rate"
            f" {_span(options.space.learning_rate)}, dropout {_span(options.space.dropout)}, units"
            f" {_span(options.space.units)}. Choices are by validation accuracy.",
            "Intervals are percentiles of a bootstrap over seeds and over trials within a seed, which few trials make"
            " too narrow. Compute is counted in operations of training, not timed.",
            *([f"{failed} trials did not finish and count with the score of chance."] if failed else []),
            *campaign.notes,
        ],
        overturn=(
            "Another range of settings, more trials a search, or other data, if a search of deeper stacks cost more and"
            " fewer of their configurations were good, both by more than the thresholds."
        ),
    )


def planned_work(recipe: Recipe) -> tuple[list[float], int]:
    """Estimate what the claim's trials take.

    Args:
        recipe: as it is carried out.

    Returns:
        Seconds of each trial; cells with another activation than tanh leave the fused kernel and are slower. And how
        many go side by side: the largest trial decides how many the memory holds.

    Raises:
        DataError: the data cannot be read, or a size does not fit it.
        RecipeError: an option is wrong.
    """
    campaign, planned = plan_search(recipe, read_options(recipe), loaded=planned_data(recipe))
    seconds = [cell.work * (_SLOWER if name.startswith(_PER_LAYER) else 1) for name, cell in planned]
    return seconds, workers_for(recipe, [cell for _, cell in planned], campaign.facts)[0]


def read_options(recipe: Recipe) -> Options:
    """Read and check what only this claim has.

    Args:
        recipe: of the claim.

    Returns:
        The options.

    Raises:
        RecipeError: one is absent, unknown or wrong.
    """
    given = dict(recipe.claim.options) if recipe.claim is not None else {}
    wanted = {"trials", "per_layer_trials", "space", "near", "good", "thresholds"}
    if set(given) != wanted:
        odd = sorted(set(given) ^ wanted)[0]
        raise RecipeError(
            f"The tuning claim has the options {', '.join(sorted(wanted))}, and claim.options"
            f" {'lacks' if odd in wanted else 'names'} {odd}; `textlstm recipes show claims/tuning` has them all."
        )
    if type(given["trials"]) is not int or given["trials"] < 4:
        raise RecipeError(f"claim.options.trials should be a whole number of at least 4, and is {given['trials']!r}.")
    beside = given["per_layer_trials"]
    if type(beside) is not int or beside < 0 or beside in (1, 2, 3):
        raise RecipeError(f"claim.options.per_layer_trials should be 0, or 4 and more, and is {beside!r}.")
    space, thresholds = given["space"], given["thresholds"]
    try:
        spans: dict[str, Any] = {
            name: tuple(space[name]) for name in ("learning_rate", "dropout", "units", "activations")
        }
        fits = set(space) == set(spans) and bool(spans["activations"])
        fits = fits and all(len(spans[key]) == 2 and spans[key][0] < spans[key][1] for key in list(spans)[:3])
        fits = fits and spans["learning_rate"][0] > 0 and spans["units"][0] >= 1
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise RecipeError(
            "claim.options.space should have learning_rate, dropout and units, each as lowest and highest, and"
            f" activations, and is {space!r}."
        )
    if set(thresholds or {}) != {"compute", "share"} or min(thresholds.values()) <= 0:
        raise RecipeError(f"claim.options.thresholds should be compute and share, above 0, and is {thresholds!r}.")
    return Options(
        given["trials"], beside, RandomSpace(**spans), float(given["near"]), float(given["good"]), dict(thresholds)
    )


def plan_search(
    recipe: Recipe, options: Options, *, loaded: TextData | None = None
) -> tuple[Campaign, list[tuple[str, Cell]]]:
    """Lay the trials out: other draws for each seed, the same for all depths.

    Args:
        recipe: with depths, one size and seeds.
        options: of the claim.
        loaded: the recipe's data, where they are read already.

    Returns:
        The campaign with its data, and each trial's cell with the trial's name, all of one seed before the next.

    Raises:
        DataError: the data cannot be read, or the size does not fit it.
        RecipeError: there are fewer than two depths, several sizes, or no rows to choose by.
    """
    from textlstm.text.protocol import validation_rows

    depths = sorted(set(recipe.grid.layers or []))
    if len(depths) < 2 or len(recipe.grid.sizes or ["full"]) != 1 or recipe.grid.controls != ["fixed_width"]:
        raise RecipeError(
            "The tuning claim compares two depths or more at one size, under the control fixed_width; set grid.layers,"
            " grid.sizes and grid.controls."
        )
    campaign, _ = claim_campaign(recipe, loaded=loaded)
    size = (recipe.grid.sizes or ["full"])[0]
    labels = campaign.facts.train_rows if isinstance(size, str) else size
    if not validation_rows(labels) and not (size == "full" and campaign.facts.given_validation):
        raise RecipeError(
            f"The tuning claim chooses configurations on validation rows, and {labels:,} labels have none (from 500 on"
            " some are held out); set grid.sizes to one larger number."
        )
    planned: list[tuple[str, Cell]] = []
    for seed in recipe.seeds:
        one = recipe.override({"grid.seeds": [seed]})
        draws = random_settings(options.space, trials=options.trials, seed=seed)
        planned += plan_variants(one, campaign, {f"trial {place:02d}": draw for place, draw in enumerate(draws)})
        for layers in depths if _beside(options) else []:
            draws = random_settings(options.space, trials=options.per_layer_trials, seed=seed, layers=layers)
            names = {f"{_PER_LAYER}{place:02d}": draw for place, draw in enumerate(draws)}
            planned += plan_variants(one.override({"grid.layers": [layers]}), campaign, names)
    return campaign, planned


def _beside(options: Options) -> bool:
    return options.per_layer_trials > 0


def _trials(planned: Sequence[tuple[str, Cell]], runs: Mapping[Path, Run], layers: int, *, per_layer: bool) -> Trials:
    """Arrange the figures of one depth by seed and trial."""
    own = [cell for name, cell in planned if cell.layers == layers and name.startswith(_PER_LAYER) == per_layer]
    finished = [runs[cell.path] for cell in own if cell.path in runs]
    if not finished:
        raise TrainingError(
            f"Every trial of the search with {layers_words(layers)} failed, so there is nothing to compare."
        )
    chance = 1 / len(finished[0].data.label_names)
    mean_operations = float(np.mean([_operations(run) for run in finished]))
    figures = [
        _figures(runs[cell.path]) if cell.path in runs else (chance, 100 * chance, mean_operations) for cell in own
    ]
    seeds = len({cell.seed for cell in own})
    validation, test, operations = (np.array(values).reshape(seeds, -1) for values in zip(*figures, strict=True))
    return Trials(validation, test, operations, len(own) - len(finished))


def _figures(run: Run) -> tuple[float, float, float]:
    held = run.metrics["validation"]
    return (
        held.accuracy.value - _TIE * held.log_loss.value,
        100 * run.metrics["test"].accuracy.value,
        _operations(run),
    )


def _operations(run: Run) -> float:
    """Operations of a training: a step forward, and two as long backward (Kaplan et al. 2020, arXiv 2001.08361)."""
    return 3.0 * run.cost.flops_per_token * run.cost.train_tokens


def _ends(effect: Effect) -> tuple[float, float, float]:
    return effect.value, effect.low, effect.high


def _span(ends: Sequence[float]) -> str:
    return f"{ends[0]:g} to {ends[1]:g}"


def _row(found: Trials, layers: int, units: str, options: Options) -> dict[str, Any]:
    hardness = hardness_of(found, *as_they_are(found), options)
    return {
        "layers": layers,
        "units and activations": units,
        "trials a seed": found.test.shape[1],
        "chosen from all, test accuracy %": float(expected_chosen(found.validation, found.test)[:, -1].mean()),
        "a random one, test accuracy %": float(found.test.mean()),
        "spread of random ones, points": float(found.test.std(axis=1, ddof=1).mean()),
        "trials to arrive": float(hardness["trials"][0]),
        "operations to arrive": float(hardness["compute"][0]),
        "good configurations %": float(hardness["share"][0]),
        "failed": found.failed,
    }
