"""D1: do deeper stacks overfit more on small data, and does regularization therefore help them more?

The claim is the interaction: what a regularizer gains in test accuracy at the deepest stack, minus what it gains at one
layer. The gap between training and test, in eval mode, stands beside it, at a fixed end and at the early stop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.claims.effects import effect_over_seeds, effect_over_texts, written
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import OWN, train_variants
from textlstm.analysis.claims.trained import Place, Trained
from textlstm.errors import RecipeError
from textlstm.recipe import Recipe
from textlstm.results import Run

Floats = NDArray[np.float64]


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Train each depth with and without each regularizer of the recipe's variants.

    Args:
        recipe: its `claim.variants` are the regularizers, its sizes the ends: under 500 labels all rows train for a
            fixed number of updates, from 500 on some choose the epoch.
        folder: of the runs.
        seeds: independent repeats, which the recipe's grid has too.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        The interaction, averaged over regularizers, at the smallest size.

    Raises:
        RecipeError: there are no variants, or fewer than two depths.
    """
    claim = recipe.claim
    if claim is None or not claim.variants:
        raise RecipeError(
            "The overfitting claim compares regularizers, and claim.variants names none; give each a name and its"
            " recipe keys."
        )
    variants = {OWN: {}, **claim.variants}
    depths = sorted(set(recipe.grid.layers or []))
    if len(depths) < 2:
        raise RecipeError(
            "The overfitting claim compares depths, and grid.layers has only one; set two or more, such as [1, 2]."
        )
    trained = train_variants(recipe, folder, tell=tell, variants=variants)
    shallow, deep = depths[0], depths[-1]
    names = list(claim.variants)
    ends = {size: _end_words(trained.runs[_place(OWN, shallow, size)]) for size in trained.sizes()}
    small = trained.sizes()[0]
    interactions = {size: {name: _interaction(trained, name, size, shallow, deep) for name in names} for size in ends}
    main = effect_over_texts(
        f"gain of regularization at {deep} layers minus at {shallow}, {ends[small]}",
        np.mean(list(interactions[small].values()), axis=0),
        unit="points",
        scale=100,
        largest=2.0,
        note=f"mean over {len(names)} regularizers",
    )
    others = [
        effect_over_texts(
            f"the same, {words}",
            np.mean(list(interactions[size].values()), axis=0),
            unit="points",
            scale=100,
            largest=2.0,
        )
        for size, words in ends.items()
        if size != small
    ]
    others += [
        effect_over_texts(f"{kind} alone, {ends[small]}", contrast, unit="points", scale=100, largest=2.0)
        for kind, contrast in _by_kind(interactions[small]).items()
    ]
    others += [effect for size in ends for effect in _gap_effects(trained, size, shallow, deep, ends[size])]
    rows = [_row(trained, name, layers, size, ends[size]) for size in ends for name in variants for layers in depths]
    return Finding(
        effect=main,
        others=others,
        table=rows,
        charts=[_gap_chart(trained, size, depths, ends[size], variants) for size in ends],
        notes=[
            "Training figures are taken in eval mode, without dropout, with the weights that are scored on test.",
            "A regularizer's gain is test accuracy with it minus that without any, at the same depth and seed.",
            *trained.notes,
        ],
        overturn=(
            f"Fewer or more labels than {small}, another width, or regularizers of other strengths, if the gain of"
            f" regularization differed between {shallow} and {deep} layers by more than the threshold there."
        ),
    )


def _place(name: str, layers: int, size: int | str) -> Place:
    return Place(name, "fixed_width", layers, size)


def _interaction(trained: Trained, name: str, size: int | str, shallow: int, deep: int) -> Floats:
    """A regularizer's gain at the deep stack minus at the shallow one: (seeds, texts)."""
    gains = [
        trained.accuracy(_place(name, layers, size)) - trained.accuracy(_place(OWN, layers, size))
        for layers in (shallow, deep)
    ]
    return np.asarray(gains[1] - gains[0])


def _by_kind(contrasts: dict[str, Floats]) -> dict[str, Floats]:
    """Average over the strengths of a kind: "locked dropout 0.2" and "locked dropout 0.4" are of one kind."""
    kinds: dict[str, list[Floats]] = {}
    for name, contrast in contrasts.items():
        kind, _, strength = name.rpartition(" ")
        numeric = strength.replace(".", "", 1).isdigit()
        kinds.setdefault(kind if numeric else name, []).append(contrast)
    return {kind: np.mean(found, axis=0) for kind, found in kinds.items()}


def _gaps(trained: Trained, place: Place, figure: str) -> Floats:
    """The gap between training and test of each seed, positive where training is better: in points, or in nats."""
    gaps = []
    for run in trained.runs[place]:
        train, test = (getattr(run.metrics[split], figure).value for split in ("train", "test"))
        gaps.append(100 * (train - test) if figure == "accuracy" else test - train)
    return np.asarray(gaps, dtype=np.float64)


def _gap_effects(trained: Trained, size: int | str, shallow: int, deep: int, words: str) -> list[Effect]:
    """How much larger the gap of the unregularized deep stack is."""
    return [
        effect_over_seeds(
            f"gap in {name} at {deep} layers minus at {shallow}, nothing dropped, {words}",
            _gaps(trained, _place(OWN, deep, size), figure) - _gaps(trained, _place(OWN, shallow, size), figure),
            unit=unit,
        )
        for figure, name, unit in (("accuracy", "accuracy", "points"), ("log_loss", "log loss", "nats"))
    ]


def _row(trained: Trained, name: str, layers: int, size: int | str, words: str) -> dict[str, Any]:
    place = _place(name, layers, size)
    test = [run.metrics["test"] for run in trained.runs[place]]
    return {
        "regularizer": "none" if name == OWN else name,
        "labels": size,
        "end": words,
        "layers": layers,
        "test accuracy %": float(np.mean([100 * one.accuracy.value for one in test])),
        "test log loss": float(np.mean([one.log_loss.value for one in test])),
        "gap in accuracy, points": float(_gaps(trained, place, "accuracy").mean()),
        "gap in log loss, nats": float(_gaps(trained, place, "log_loss").mean()),
    }


def _end_words(runs: Sequence[Run]) -> str:
    """Say how runs of a size end: "full" has rows to choose the epoch by only where there are labels enough."""
    return "at the early stop" if all("validation" in run.metrics for run in runs) else "at a fixed end"


def _gap_chart(trained: Trained, size: int | str, depths: list[int], words: str, variants: dict[str, Any]) -> Any:  # noqa: ANN401 - Figure, which a light import must not need
    """Draw the gap in accuracy by depth, one line a regularizer; of a kind the middle strength."""
    rows = []
    for name in _shown(list(variants)):
        for layers in depths:
            gap = effect_over_seeds("gap", _gaps(trained, _place(name, layers, size), "accuracy"), unit="points")
            finite = np.isfinite(gap.low)
            rows.append(
                {
                    "series": "none" if name == OWN else name,
                    "layers": layers,
                    "value": gap.value,
                    "low": gap.low if finite else None,
                    "high": gap.high if finite else None,
                    "words": written(gap),
                }
            )
    return by_depth_figure(
        rows,
        name=f"gap-{size}",
        title=f"Gap between training and test, {size} labels, {words}",
        axis="gap in accuracy (points)",
        alt_text=f"Gap in accuracy by layers with {size} labels, one line a regularizer: "
        + "; ".join(f"{row['series']} at {row['layers']}: {row['words']}" for row in rows)
        + ".",
        caption="Training accuracy in eval mode minus test accuracy, with its 95 % interval over seeds.",
    )


def _shown(names: list[str]) -> list[str]:
    """Nothing dropped, and of each kind the middle strength."""
    kinds: dict[str, list[str]] = {}
    for name in names[1:]:
        kinds.setdefault(name.rpartition(" ")[0] or name, []).append(name)
    return [names[0], *(found[len(found) // 2] for found in kinds.values())]
