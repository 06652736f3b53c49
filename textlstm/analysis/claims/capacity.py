"""A2: does stacking add capacity to learn complex patterns?

Capacity is how many texts with labels drawn by chance a stack can fit: 99 % of them right, with word embeddings frozen,
after a fixed number of updates and at saturation, each stack with the learning rate that suits it best. Depths are
compared at one width, where a layer more brings parameters of its own, and at equal parameters, where only the depth is
left; the claim asserts both, so the weaker decides. Beside it stands what depth gains on ListOps by level of nesting.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.claims.censored import Crossing, bounded_effect, doublings, falls_below
from textlstm.analysis.claims.effects import number, weaker
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import OWN, grid_work, planned_data
from textlstm.analysis.claims.ladder import (
    FITTED,
    Options,
    Stack,
    climbing_workers,
    fitting_ladder,
    measure_stacks,
    stack_recipe,
)
from textlstm.analysis.claims.nesting import nested_recipe, nesting_gains
from textlstm.analysis.figures import Figure
from textlstm.analysis.wording import layers_words, setting_words
from textlstm.errors import RecipeError
from textlstm.experiment.controls import control_names, control_settings
from textlstm.recipe import Recipe
from textlstm.text.protocol import load_recipe_data

ENDS = {"saturated": "at saturation", "fixed": "at a fixed end"}
"""When a stack is looked at, in words."""


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Let each stack fit more and more texts, and train each depth on ListOps.

    Args:
        recipe: with depths and controls; its data give the texts, not the labels.
        folder: of the figures and runs.
        seeds: independent repeats: other texts, labels and weights.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        How many doublings more texts the deepest stack fits than the shallowest, under the control that shows less.

    Raises:
        DataError: the data has too few different texts.
        RecipeError: an option is wrong, or there are fewer than two depths.
    """
    options = read_options(recipe)
    depths = sorted(set(recipe.grid.layers or []))
    if len(depths) < 2:
        raise RecipeError("The capacity claim compares depths, and grid.layers has fewer than two.")
    stacks = stacks_of(recipe, depths)
    data = load_recipe_data(recipe)
    ladder, notes = fitting_ladder(recipe, data, options)
    fits = measure_stacks(recipe, data, folder, list(dict.fromkeys(stacks.values())), ladder, options, seeds, tell)
    reached = {
        (control, layers, end): [_reached(fit, ladder, end) for fit in fits[stack]]
        for (control, layers), stack in stacks.items()
        for end in ENDS
    }
    controls = list(dict.fromkeys(control for control, _ in stacks))
    gains = {(control, end): _gain(reached, control, end, depths) for control in controls for end in ENDS}
    main = weaker([gains[control, "saturated"] for control in controls])
    tell("Random labels are done; ListOps follows.")
    nested = nesting_gains(recipe, folder / "nesting", settings=options.nesting, depths=depths, tell=tell)
    capped = sum(one["capped"] for found in fits.values() for fit in found for one in fit["rungs"].values())
    return Finding(
        effect=main,
        others=[*(effect for effect in gains.values() if effect is not main), *nested.effects],
        table=[_row(stacks[key], fits[stacks[key]], reached, *key) for key in stacks],
        charts=[_figure(reached, controls, depths), *nested.charts],
        notes=[
            "The claim asserts more capacity at one width and at equal parameters; the one that shows less decides.",
            f"Labels are one of two, drawn by chance; a stack has fitted n texts where it gets {100 * FITTED:.0f} % of"
            f" them right in eval mode. The number is read off between the rungs {', '.join(map(str, ladder))}; a stack"
            " that fits the last rung is known within bounds only.",
            f"Fixed end: {options.fixed_updates:,} updates. Saturation: {options.patience:,} updates without a gain;"
            f" {capped} of {sum(len(fit['rungs']) for found in fits.values() for fit in found)} trainings were cut off"
            f" at {options.most_updates:,} updates while they still gained.",
            *notes,
            *nested.notes,
        ],
        overturn=(
            "Another width or optimizer, or word embeddings that are trained too, if deeper stacks then fitted more"
            " texts than the threshold asks for, at one width and at equal parameters."
        ),
    )


def planned_work(recipe: Recipe) -> tuple[list[float], int]:
    """Estimate what the claim's trainings take.

    Args:
        recipe: as it is carried out.

    Returns:
        Seconds of each training, if every stack climbs the whole ladder; and how many go side by side: as many as the
        ladder has, or the runs on ListOps where those are fewer.

    Raises:
        DataError: the data cannot be read, or ListOps cannot be generated as the options say.
        RecipeError: an option is wrong.
    """
    from textlstm.experiment.run_time import update_seconds

    options, depths = read_options(recipe), sorted(set(recipe.grid.layers or []))
    nested, workers = grid_work(nested_recipe(recipe, options.nesting), {OWN: {}})
    stacks = list(dict.fromkeys(stacks_of(recipe, depths).values()))
    climbing, _ = climbing_workers(recipe, planned_data(recipe), stacks)
    seconds = []
    for stack in stacks:
        once = update_seconds(stack_recipe(recipe, stack), tokens=recipe.tokenizer.max_length, num_labels=2)
        seconds += [options.fixed_updates * once] * len(options.learning_rates)
        # Rungs that are fitted end about there; the one that is not, after which a climb ends, goes to the cut.
        rungs = [options.fixed_updates * once] * (len(options.ladder) - 1) + [options.most_updates * once]
        seconds += rungs * len(recipe.seeds)
    return seconds + nested, min(climbing, workers)


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
    wanted = set(Options.__dataclass_fields__)
    if set(given) != wanted:
        odd = sorted(set(given) ^ wanted)[0]
        raise RecipeError(
            f"The capacity claim has the options {', '.join(sorted(wanted))}, and claim.options"
            f" {'lacks' if odd in wanted else 'names'} {odd}; `textlstm recipes show claims/capacity` has them all."
        )
    ladder, rates = given["ladder"], given["learning_rates"]
    whole = isinstance(ladder, list) and all(type(rung) is int and rung >= 4 for rung in ladder)
    if not whole or ladder != sorted(set(ladder)) or len(ladder) < 2:
        raise RecipeError(
            "claim.options.ladder should be two or more rising whole numbers of at least 4, such as [256, 512], and is"
            f" {ladder!r}."
        )
    if not isinstance(rates, list) or not rates or not all(isinstance(r, int | float) and r > 0 for r in rates):
        raise RecipeError(
            f"claim.options.learning_rates should be numbers above 0, such as [0.001, 0.003], and is {rates!r}."
        )
    counts = [given[name] for name in ("fixed_updates", "most_updates", "patience")]
    if any(type(count) is not int or count < 1 for count in counts) or given["fixed_updates"] > given["most_updates"]:
        raise RecipeError(
            "claim.options.fixed_updates, most_updates and patience should be whole numbers of at least 1, the first at"
            f" most the second, and they are {', '.join(map(str, counts))}."
        )
    return Options(**given)


def stacks_of(recipe: Recipe, depths: Sequence[int]) -> dict[tuple[str, int], Stack]:
    """Say which network stands for each depth under each control.

    Args:
        recipe: with its controls.
        depths: rising.

    Returns:
        Stacks by control and depth; the deepest is the same under both.

    Raises:
        RecipeError: the recipe asks for a control that says nothing of capacity.
    """
    plain = recipe.model_copy(update={"claim": None}).override({"grid": {}})
    found: dict[tuple[str, int], Stack] = {}
    for control in control_names(recipe.grid):
        if control != "fixed_width" and not control.startswith("matched_parameters"):
            raise RecipeError(
                "The capacity claim compares depths at fixed_width and matched_parameters, and grid.controls names"
                f" {control}; take it out."
            )
        for layers, changes in control_settings(plain, control, layers=depths, num_labels=2).items():
            widths = changes.get("model.hidden_size", plain.model.hidden_size)
            if isinstance(widths, list):
                widths = widths[0] if len(set(widths)) == 1 else tuple(widths)
            found[control, layers] = Stack(layers, widths)
    return found


def _reached(fit: Mapping[str, Any], ladder: Sequence[int], end: str) -> Crossing:
    """Largest number of texts that one stack fits, on a log scale."""
    rungs = [rung for rung in ladder if str(rung) in fit["rungs"]]
    return falls_below(rungs, [fit["rungs"][str(rung)][end] for rung in rungs], level=FITTED)


def _gain(
    reached: Mapping[tuple[str, int, str], Sequence[Crossing]], control: str, end: str, depths: Sequence[int]
) -> Effect:
    shallow, deep = depths[0], depths[-1]
    return bounded_effect(
        f"texts fitted with {layers_words(deep)} over {shallow}, {setting_words(control)}, {ENDS[end]}",
        doublings(reached[control, shallow, end], reached[control, deep, end]),
        unit="doublings",
    )


def _texts(found: Sequence[Crossing]) -> Effect:
    """Number of texts that a stack fits: the geometric mean over seeds."""
    logs = bounded_effect("texts fitted", found, unit="texts")
    value, low, high = (float(np.exp2(end)) for end in (logs.value, logs.low, logs.high))
    return Effect(logs.name, value, low, high, "texts", logs.seeds, logs.note)


def _row(
    stack: Stack,
    fits: Sequence[Mapping[str, Any]],
    reached: Mapping[tuple[str, int, str], Sequence[Crossing]],
    control: str,
    layers: int,
) -> dict[str, Any]:
    saturated = reached[control, layers, "saturated"]
    return {
        "control": setting_words(control),
        "layers": layers,
        "width": "-".join(map(str, stack.widths)) if isinstance(stack.widths, tuple) else str(stack.widths),
        "learning rate": f"{fits[0]['rate']:g}",
        **{f"texts fitted {words}": float(_texts(reached[control, layers, end]).value) for end, words in ENDS.items()},
        "seeds": len(fits),
        "seeds beyond the ladder": sum(one.censored for one in saturated),
    }


def _figure(
    reached: Mapping[tuple[str, int, str], Sequence[Crossing]], controls: Sequence[str], depths: Sequence[int]
) -> Figure:
    """Draw the number of fitted texts by depth, one line a control and end."""
    rows, open_ended = [], False
    for control in controls:
        for end, words in ENDS.items():
            for layers in depths:
                texts = _texts(reached[control, layers, end])
                bounded = bool(np.isfinite(texts.low) and np.isfinite(texts.high))
                told = number(texts.value).removeprefix("+")
                if all(one.censored for one in reached[control, layers, end]):
                    told, open_ended = f"at least {told}", True
                rows.append(
                    {
                        "series": f"{setting_words(control)}, {words}",
                        "layers": layers,
                        "value": texts.value,
                        "low": texts.low if bounded else None,
                        "high": texts.high if bounded else None,
                        "words": f"{told} [{texts.low:,.0f}, {texts.high:,.0f}]" if bounded else told,
                    }
                )
    return by_depth_figure(
        rows,
        name="fitted",
        title="Texts with random labels that a stack fits",
        axis="texts",
        alt_text="Number of fitted texts by layers: "
        + "; ".join(f"{row['series']} at {row['layers']}: {row['words']}" for row in rows)
        + ".",
        caption=f"{100 * FITTED:.0f} % right; geometric means over seeds with 95 % intervals."
        + (" A dot without a bar at the top may stand for more texts: the ladder ended there." if open_ended else ""),
        zero=True,
    )
