"""Fitting a study to the data and the time: which depths, on how many rows, and when to say that it cannot be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from textlstm.analysis.advice.looks import LookRules
from textlstm.analysis.wording import duration
from textlstm.errors import DataError, RecipeError
from textlstm.experiment.grid import Cell, DataFacts, plan_cells
from textlstm.experiment.plan import data_facts
from textlstm.recipe import Recipe
from textlstm.recipe_keys import flatten
from textlstm.text.datasets import TextData, data_fingerprint

HOLDOUT = 0.25
"""Share of the training rows that each seed keeps out."""
FEWEST_ROWS = 40
FEWEST_OF_CLASS = 4
"""Rows of a class under which a quarter of it is less than one text."""
SPARE_SEEDS = 4
"""Seeds beyond the last look, for those of runs that failed."""
_FIRST_LOOK_SHARES = (0.7, 0.95)  # of the budget; what is left is for a second look and for what else would help
_OVERRUN = 1.2
_SMALLEST_SUBSET = 2_000
_DECIDED = {
    "model.num_layers": "--max-layers says up to which depth it looks",
    "data.size": "a larger --budget takes more of the rows",
    "data.holdout": "each seed keeps a quarter of the rows out",
    "data.score_test": "the test split stays closed",
    "seed": "it counts its seeds from 0",
    "grid": "it lays out depths, sizes and seeds by itself",
}
"""Recipe keys that a study sets itself, and why; one that a user sets would have no effect."""

Size = int | Literal["full"]


@dataclass(frozen=True, eq=False)
class Study:
    """What is to be found out, on what, in which time.

    Attributes:
        recipe: of one run, with hold-out rows and a closed test split.
        data: without its test split.
        facts: of the data.
        rules: of the looks.
        depths: layers to compare, from 1.
        size: labeled rows of a run, hold-out rows included.
        rows: the same as a number.
        budget: seconds.
        workers: runs side by side.
        first_look: estimated seconds up to the first look.
        notes: what the plan leaves out, in sentences.
    """

    recipe: Recipe
    data: TextData
    facts: DataFacts
    rules: LookRules
    depths: tuple[int, ...]
    size: Size
    rows: int
    budget: float
    workers: int
    first_look: float
    notes: tuple[str, ...]

    def cells(
        self,
        changes: Mapping[str, Any] | None = None,
        *,
        depths: tuple[int, ...] | None = None,
        size: Size | None = None,
        seeds: int | None = None,
    ) -> dict[tuple[int, int], Cell]:
        """Lay out runs by depth and seed.

        Args:
            changes: recipe keys other than the study's.
            depths: layers; the study's when None. The bag, of 0 layers, is among them in any case.
            size: labeled rows; the study's when None.
            seeds: how many; those of all looks and some to spare when None.

        Returns:
            Cells by (layers, seed).
        """
        axes = {
            "grid.layers": list(depths or self.depths),
            "grid.sizes": [self.size if size is None else size],
            "grid.seeds": seeds or self.rules.looks[-1] + SPARE_SEEDS,
            "grid.baselines": ["bag"],
        }
        planned = plan_cells(self.recipe.override({**(changes or {}), **axes}), self.facts)
        return {(cell.layers, cell.seed): cell for cell in planned}


def whole_study(
    recipe: Recipe, loaded: TextData, *, budget: float, max_layers: int, workers: int, holdout: float = HOLDOUT
) -> Study:
    """Say what would be studied if time were no matter: all rows, all depths.

    Args:
        recipe: of one run; `delta` is the smallest difference worth a layer.
        loaded: the data; its test split is put aside unread.
        budget: seconds.
        max_layers: the deepest stack to try.
        workers: runs side by side.
        holdout: share of the rows that each seed keeps out.

    Returns:
        The study, not yet fitted to its budget.

    Raises:
        DataError: there are no labels, or too few rows or rows a class.
        RecipeError: fewer than two depths are asked for, one width a layer, or a key is set that a study decides.
    """
    _refuse_decided(recipe)
    if max_layers < 2:
        raise RecipeError(
            f"Advice compares 1 layer with deeper stacks, and --max-layers is {max_layers}; give 2 or more."
        )
    if isinstance(recipe.model.hidden_size, list):
        raise RecipeError("Advice gives every layer the same width, and model.hidden_size is a list; give one number.")
    kept = {name: split for name, split in loaded.splits.items() if name != "test"}
    train = kept["train"]
    if train.labels is None:
        raise DataError(f"Advice needs labels, and {loaded.source} has none; name their column with --label-column.")
    notes = [] if len(kept) == len(loaded.splits) else ["The test split is left closed; nothing here has looked at it."]
    # Notes of the loader may speak of the test split; those of the splits in use are of no consequence for the plan.
    data = replace(loaded, splits=kept, fingerprint=data_fingerprint(kept, loaded.label_names), notes=[])
    notes += _rare_classes(data)
    base = recipe.override({"data.holdout": holdout, "data.score_test": False, "data.size": "full"})
    rules = LookRules(delta=recipe.delta / 100, overlap=holdout / (1 - holdout), grain=_grain(holdout, len(train)))
    depths = tuple(range(1, max_layers + 1))
    return Study(
        base, data, data_facts(data, base), rules, depths, "full", len(train), budget, workers, 0.0, tuple(notes)
    )


def _grain(holdout: float, rows: int) -> float:
    """What one of the rows that a seed keeps out is to its score."""
    return 1 / max(1, round(holdout * rows))


def _refuse_decided(recipe: Recipe) -> None:
    """Refuse settings that would go unheard."""
    for key in flatten(recipe.model_dump(mode="json", exclude_unset=True)):
        if why := _DECIDED.get(key, _DECIDED["grid"] if key.startswith("grid.") else ""):
            raise RecipeError(f"Advice sets {key} by itself ({why}), so that --set {key} has no effect; leave it out.")


def fit_to_budget(whole: Study, *, pace: float | None = None) -> Study:
    """Leave out of a study what its budget has no time for.

    Rows are left out before depths are: a subset of a few thousand rows says more on few layers than none at all.

    Args:
        whole: of `whole_study`.
        pace: seconds that runs take here over those that are planned; None before any run.

    Returns:
        The study to be run.

    Raises:
        RecipeError: the budget is too small for even the smallest study.
    """
    sizes: list[Size] = ["full"]
    smallest = max(_SMALLEST_SUBSET, 20 * len(whole.data.label_names))
    rows = whole.rows
    while rows // 2 >= smallest:
        rows //= 2
        sizes.append(rows)
    plans = [
        replace(whole, depths=whole.depths[:depths], size=size, rows=whole.rows if size == "full" else size)
        for depths in range(len(whole.depths), 1, -1)
        for size in sizes
    ]
    times = [_first_look(plan) * (pace or 1.0) for plan in plans]
    # Once a run has shown the pace, a first look that is a little too long is better than none.
    shares = _FIRST_LOOK_SHARES if pace is None else (*_FIRST_LOOK_SHARES, _OVERRUN)
    for share in shares:
        for plan, seconds in zip(plans, times, strict=True):
            if seconds <= share * whole.budget:
                rules = replace(plan.rules, grain=_grain(plan.recipe.data.holdout, plan.rows))
                return replace(plan, rules=rules, first_look=seconds, notes=(*whole.notes, *_cuts(plan, whole)))
    smallest_plan, seconds = min(zip(plans, times, strict=True), key=lambda one: one[1])
    raise RecipeError(
        f"Even a first look at 1 and 2 layers with {whole.rules.looks[0]} seeds each takes about {duration(seconds)}"
        f" here, and the budget is {duration(whole.budget)}; {_ways_out(smallest_plan, seconds, pace or 1.0)}"
    )


def _ways_out(plan: Study, seconds: float, pace: float) -> str:
    """Name the options that would make the smallest study fit."""
    room = _FIRST_LOOK_SHARES[-1] * plan.budget
    ways = [f"--budget {int(seconds / _FIRST_LOOK_SHARES[-1] / 60) + 1}m"]
    width, limit = plan.recipe.model.hidden_size, plan.recipe.tokenizer.max_length
    assert isinstance(width, int)  # noqa: S101 - `whole_study` has refused lists
    for option, key, most, least in (
        ("--max-length", "tokenizer.max_length", limit, 32),
        ("--hidden", "model.hidden_size", width, 16),
    ):
        value = most // 2
        while value >= least:
            recipe = plan.recipe.override({key: value})
            smaller = replace(plan, recipe=recipe, facts=data_facts(plan.data, recipe))
            if pace * _first_look(smaller) <= room:
                ways.append(f"{option} {value}")
                break
            value //= 2
    return f"give {', or '.join(ways)}."


def _first_look(plan: Study) -> float:
    """Estimated seconds up to the first look."""
    cells = plan.cells(seeds=1)
    return plan.rules.looks[0] * sum(cells[depth, 0].work for depth in plan.depths) / plan.workers


def _cuts(plan: Study, whole: Study) -> list[str]:
    """Say what a plan has less than was asked for."""
    notes = []
    if plan.size != "full":
        notes.append(
            f"Each run sees {plan.rows:,} of the {whole.rows:,} rows, so that the looks fit into"
            f" {duration(plan.budget)}; the answer is for about that many."
        )
    if len(plan.depths) < len(whole.depths):
        notes.append(f"No more than {plan.depths[-1]} layers are tried, to fit into {duration(plan.budget)}.")
    return notes


def _rare_classes(data: TextData) -> list[str]:
    """Refuse data on which a quarter of the rows cannot tell classes apart, and note what is merely scarce."""
    labels = data.splits["train"].labels
    assert labels is not None  # noqa: S101 - the caller has looked
    classes = len(data.label_names)
    counts = labels.sum(axis=0) if labels.ndim == 2 else np.bincount(labels, minlength=classes)
    rare = [name for name, count in zip(data.label_names, counts, strict=True) if count < FEWEST_OF_CLASS]
    if len(labels) < FEWEST_ROWS:
        raise DataError(
            f"Advice needs {FEWEST_ROWS} labeled rows or more, and {data.source} has {len(labels)}: scores on a quarter"
            " of them would be chance; label more, or take 1 layer."
        )
    if 2 * len(rare) > classes:
        raise DataError(
            f"Advice needs {FEWEST_OF_CLASS} rows a class or more, so that some can be kept out, and {len(rare)} of the"
            f" {classes} classes of {data.source} have fewer (such as {rare[0]!r}); label more, or join rare classes."
        )
    notes = []
    if rare:
        notes.append(
            f"{len(rare)} of {classes} classes {'has' if len(rare) == 1 else 'have'} fewer than {FEWEST_OF_CLASS} rows"
            f" ({'' if len(rare) == 1 else 'such as '}{rare[0]!r}), too few to count for much here."
        )
    top = float(counts.max() / len(labels))
    if classes > 1 and labels.ndim == 1 and top > 0.8:
        notes.append(
            f"{100 * top:.0f} % of the rows are {data.label_names[int(counts.argmax())]!r}: accuracy, on which depths"
            " are compared, says little about the other classes."
        )
    return notes
