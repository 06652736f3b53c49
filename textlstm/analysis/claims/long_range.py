"""A4: do deeper stacks hold dependencies over longer distances?

Key-value recall: a text lists pairs of a key and a value, then fillers, then asks for one of the keys. A stack that
reads in one direction and answers from its last state has to carry the pairs over the fillers; words, and pairs of
neighboring words, say nothing of the answer (a test holds them at chance). One stack is trained and scored at each
distance of a ladder. The figure of a depth is its distance at half-maximum: where accuracy, made to fall with distance
by isotonic regression, crosses the middle between chance and perfect, on a log scale. A stack that is still above the
middle at the end of the ladder is censored there: its distance is longer, nobody knows how much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_distance_figure
from textlstm.analysis.claims.censored import Crossing, bounded_effect, doublings, falls_below
from textlstm.analysis.claims.effects import effect_over_seeds
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import OWN, Variants, grid_work, train_variants
from textlstm.analysis.claims.trained import Place, Trained
from textlstm.analysis.figures import Figure
from textlstm.errors import RecipeError, TrainingError
from textlstm.recipe import Recipe

Floats = NDArray[np.float64]
Stack = tuple[str, int]
"""Name of the settings, and layers."""


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Train each depth at each distance.

    Args:
        recipe: on a `recall` corpus, one-directional with the last state; `claim.options` has the `distances`, and
            `beside_seeds` for the variants, which are shown beside.
        folder: of the runs.
        seeds: independent repeats, which the recipe's grid has too.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        How many doublings further the deepest stack reaches than the shallowest.

    Raises:
        RecipeError: the data is not `recall`, an option is wrong, or there are fewer than two depths.
    """
    distances, beside_seeds = _options(recipe)
    depths = sorted(set(recipe.grid.layers or [recipe.model.num_layers]))
    if len(depths) < 2:
        raise RecipeError(
            "The long-range claim compares depths, and grid.layers has only one; set two or more, such as [1, 2]."
        )
    shallow, deep = depths[0], depths[-1]
    variants = dict(recipe.claim.variants) if recipe.claim is not None else {}
    runs: dict[Stack, list[dict[int, float]]] = {}
    notes: list[str] = []
    chance = 0.0
    for distance in distances:
        tell(f"distance {distance}")
        at_distance = recipe.override({"data.source": recall_at(recipe.data.source, distance)})
        own = train_variants(at_distance, folder / f"distance={distance}", tell=tell)
        chance = 1 / len(next(iter(own.runs.values()))[0].data.label_names)
        trained = {OWN: own}
        notes += own.notes
        if variants and beside_seeds:
            fewer = at_distance.override({"grid.seeds": recipe.seeds[:beside_seeds]})
            beside = train_variants(fewer, folder / f"distance={distance}", tell=tell, variants=variants)
            trained |= dict.fromkeys(variants, beside)
        for name, found in trained.items():
            for layers in depths:
                runs.setdefault((name, layers), []).append(_accuracies(found, name, layers))
    curves = _shared_seeds(runs)
    middle = (1 + chance) / 2
    halves = {
        stack: [falls_below(distances, scores, level=middle) for scores in found] for stack, found in curves.items()
    }
    gain = doublings(halves[OWN, shallow], halves[OWN, deep])
    main = bounded_effect(
        f"half-maximum distance at {deep} layers over that at {shallow}, one direction, last state",
        gain,
        unit="doublings",
    )
    others = [distance_effect(_words(name, layers), found) for (name, layers), found in halves.items()]
    for layers in depths[1:-1]:
        between = doublings(halves[OWN, shallow], halves[OWN, layers])
        others.append(bounded_effect(f"the same at {layers} layers", between, unit="doublings"))
    return Finding(
        effect=main,
        others=others,
        table=[_row(stack, distances, accuracy, halves[stack]) for stack, accuracy in curves.items()],
        charts=[_figure(distances, curves, middle)],
        notes=[
            f"Chance is {100 * chance:.0f} %, so that the middle lies at {100 * middle:.0f} %. Distances are counted in"
            " words from the last pair's value to the key that is asked for; the other pairs lie further back.",
            _censoring_words(halves, distances),
            "With two directions, or with states of all words pooled, a pair need not be carried over the fillers:"
            " those stacks are shown beside and do not count.",
            *dict.fromkeys(notes),
        ],
        overturn=(
            f"Another width, more training, or distances beyond {distances[-1]} words, if {deep} layers reached further"
            f" than {shallow} there by more than the threshold."
        ),
    )


def planned_work(recipe: Recipe) -> tuple[list[float], int]:
    """Estimate what the claim's runs take.

    Args:
        recipe: as it is carried out.

    Returns:
        Seconds of each run, and how many go side by side: at the longest distance, whose texts take the most memory.

    Raises:
        RecipeError: the data is not `recall`, or an option is wrong.
    """
    distances, beside_seeds = _options(recipe)
    variants = dict(recipe.claim.variants) if recipe.claim is not None else {}
    seconds: list[float] = []
    workers: list[int] = []
    for distance in distances:
        at_distance = recipe.override({"data.source": recall_at(recipe.data.source, distance)})
        plans: list[tuple[Recipe, Variants]] = [(at_distance, {OWN: {}})]
        if variants and beside_seeds:
            plans.append((at_distance.override({"grid.seeds": recipe.seeds[:beside_seeds]}), variants))
        for planned, own in plans:
            runs, side_by_side = grid_work(planned, own)
            seconds += runs
            workers.append(side_by_side)
    return seconds, min(workers)


def recall_at(source: str, distance: int) -> str:
    """Write a `recall` corpus with another distance.

    Args:
        source: such as `recall:pairs=2,distance=20`.
        distance: in words.

    Returns:
        Such as `recall:pairs=2,distance=8`.
    """
    name, _, options = source.partition(":")
    kept = [option for option in filter(None, options.split(",")) if option.partition("=")[0].strip() != "distance"]
    return f"{name}:{','.join([*kept, f'distance={distance}'])}"


def distance_effect(name: str, halves: Sequence[Crossing]) -> Effect:
    """Give a depth's half-maximum distance in words: the geometric mean over seeds.

    Args:
        name: of the stack.
        halves: one a seed.

    Returns:
        The distance with its interval, which is open upwards where a seed is censored at the end of the ladder.
    """
    logs = bounded_effect(f"half-maximum distance, {name}", halves, unit="words")
    value, low, high = (float(np.exp2(end)) for end in (logs.value, logs.low, logs.high))
    return Effect(logs.name, value, low, high, "words", logs.seeds, logs.note)


def _options(recipe: Recipe) -> tuple[list[int], int]:
    """Read and check what only this claim has."""
    options = recipe.claim.options if recipe.claim is not None else {}
    if recipe.data.source.partition(":")[0].strip() != "recall":
        raise RecipeError(
            f"The long-range claim is measured on the generated corpus recall, and data.source is {recipe.data.source};"
            " leave data.source as the recipe has it, or change recall's options."
        )
    distances = options.get("distances")
    whole = isinstance(distances, list) and all(type(distance) is int and distance >= 2 for distance in distances)
    if not whole or distances != sorted(set(distances or [])) or len(distances or []) < 2:
        raise RecipeError(
            "claim.options.distances should be two or more rising whole numbers of at least 2, such as [4, 8, 16], and"
            f" is {distances!r}."
        )
    beside = options.get("beside_seeds", 1)
    if type(beside) is not int or beside < 0:
        raise RecipeError(f"claim.options.beside_seeds should be a whole number of at least 0, and is {beside!r}.")
    return list(distances), beside


def _accuracies(trained: Trained, name: str, layers: int) -> dict[int, float]:
    """Test accuracy by seed."""
    found = trained.runs[Place(name, "fixed_width", layers, trained.sizes()[-1])]
    return {run.cell["seed"]: run.metrics["test"].accuracy.value for run in found}


def _shared_seeds(runs: Mapping[Stack, Sequence[Mapping[int, float]]]) -> dict[Stack, Floats]:
    """Arrange accuracies as (seeds, distances); one name's depths keep the seeds that all of them have everywhere."""
    seeds: dict[str, set[int]] = {}
    for (name, _), found in runs.items():
        common = set.intersection(*(set(accuracies) for accuracies in found))
        seeds[name] = seeds.get(name, common) & common
    if not seeds[OWN]:
        raise TrainingError("The long-range claim needs a seed whose runs all finished, and there is none.")
    return {
        (name, layers): np.array([[accuracies[seed] for accuracies in found] for seed in sorted(seeds[name])])
        for (name, layers), found in runs.items()
        if seeds[name]
    }


def _words(name: str, layers: int) -> str:
    return f"{layers} layer{'s' if layers > 1 else ''}" + ("" if name == OWN else f", {name}")


def _row(stack: Stack, distances: Sequence[int], accuracy: Floats, halves: Sequence[Crossing]) -> dict[str, Any]:
    censored = sum(half.censored for half in halves)
    return {
        "stack": _words(*stack),
        **{
            f"accuracy % at {distance}": 100 * mean
            for distance, mean in zip(distances, accuracy.mean(axis=0), strict=True)
        },
        "half-maximum (words)": distance_effect("", halves).value,
        "seeds": len(halves),
        "seeds beyond the ladder": censored,
    }


def _censoring_words(halves: Mapping[Stack, Sequence[Crossing]], distances: Sequence[int]) -> str:
    """Say how many stacks the ladder could not measure."""
    own = [half for (name, _), found in halves.items() if name == OWN for half in found]
    beyond = sum(half.censored for half in own)
    under = sum(half.low != half.high for half in own) - beyond
    return (
        f"Of {len(own)} one-directional stacks, {beyond} were above the middle at the last distance, {distances[-1]},"
        f" and {under} below it at the first, {distances[0]}; those are known within bounds only."
    )


def _figure(distances: Sequence[int], curves: Mapping[Stack, Floats], middle: float) -> Figure:
    """Draw accuracy by distance, one line a stack."""
    rows = []
    for stack, accuracy in curves.items():
        for place, distance in enumerate(distances):
            mean = effect_over_seeds("accuracy", 100 * accuracy[:, place], unit="%")
            bounded = bool(np.isfinite(mean.low))
            rows.append(
                {
                    "series": _words(*stack),
                    "distance": distance,
                    "value": mean.value,
                    "low": max(mean.low, 0.0) if bounded else None,
                    "high": min(mean.high, 100.0) if bounded else None,
                    "words": f"{mean.value:.1f} [{mean.low:.1f}, {mean.high:.1f}]" if bounded else f"{mean.value:.1f}",
                }
            )
    return by_distance_figure(
        rows,
        name="recall-by-distance",
        title="Recall by distance",
        axis="test accuracy (%)",
        alt_text="Test accuracy by distance in words, one line a stack, at the longest distance: "
        + "; ".join(f"{row['series']} {row['words']}" for row in rows if row["distance"] == distances[-1])
        + ".",
        caption=f"The half-maximum distance is where a line crosses {100 * middle:.0f} %.",
    )
