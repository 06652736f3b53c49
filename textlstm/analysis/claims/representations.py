"""A3: do deeper stacks give better representations, so that they generalize better?

Test scores by depth under two controls, equal parameters and equal search; the claim asserts a gain under both, so the
weaker of the two decides. Beside it: linear-probe transfer to another set, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.claims.effects import effect_over_seeds, effect_over_texts, weaker, written
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import OWN, train_variants
from textlstm.analysis.claims.kept import kept
from textlstm.analysis.claims.trained import Place, Trained
from textlstm.analysis.claims.transfer import KINDS, Halves, halving_problem, probe_scores, transfer_data
from textlstm.analysis.figures import Figure
from textlstm.analysis.wording import layers_words, setting_words
from textlstm.errors import RecipeError
from textlstm.experiment.controls import control_names, control_settings
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data, with_test_split

Floats = NDArray[np.float64]
_MATCHED = "matched_parameters_deepest"


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Train each depth under each control of the recipe, and probe stacks of equal parameters on another set.

    Args:
        recipe: with depths and controls; `claim.options.transfer` names another set. Without one, and with classes
            that cannot be halved, transfer is left out: the verdict does not stand on it.
        folder: of the runs and of the probes' figures.
        seeds: independent repeats.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        The gain in test accuracy of deeper stacks over the shallowest under the control that shows less of it.

    Raises:
        DataError: the data, or the other set, cannot be read.
        RecipeError: there are fewer than two depths, or an option is not known.
    """
    options = dict(recipe.claim.options) if recipe.claim else {}
    other = options.pop("transfer", None)
    if options:
        raise RecipeError(
            f"The representations claim has the option transfer, and claim.options names {min(options)}; take it out."
        )
    depths = sorted(set(recipe.grid.layers or []))
    if len(depths) < 2:
        raise RecipeError(
            "The representations claim compares depths, and grid.layers has fewer than two; set two or more, such"
            " as [1, 2]."
        )
    data = with_test_split(load_recipe_data(recipe))
    if other is not None:
        transfer_data(data, other=other, seed=recipe.seeds[0])  # a set that cannot be read is told before training
    problem = halving_problem(data) if other is None else ""
    if problem:
        tell(f"Transfer is left out. {problem}")
    trained = train_variants(recipe, folder, tell=tell)
    size = trained.sizes()[-1]
    asked = [name for name in control_names(recipe.grid) if Place(OWN, name, depths[0], size) in trained.runs]
    gains = {setting: _gain(trained, setting, depths, size) for setting in asked}
    main = weaker(list(gains.values()))
    others = [effect for effect in gains.values() if effect is not main]
    others += _single_depths(trained, asked, depths, size)
    charts = [_score_figure(trained, asked, depths, size)]
    words = f"Transfer is left out. {problem}"
    if not problem:
        halves, scores = _transfer(recipe, folder, data, depths, size=size, other=other, seeds=trained.seeds, tell=tell)
        others += _transfer_effects(scores, depths)
        charts.append(_transfer_figure(scores, depths, halves.words))
        words = (
            f"Transfer: {halves.words}. The probe is a logistic regression on what the classifier reads, its penalty"
            " chosen on rows of its own; all depths have the parameters of the deepest."
        )
    return Finding(
        effect=main,
        others=others,
        table=[_row(trained, setting, layers, size) for setting in asked for layers in depths],
        charts=charts,
        notes=[
            "The claim asserts a gain at equal parameters and at equal search; the control that shows less decides.",
            words,
            *trained.notes,
        ],
        overturn=(
            "More labels, another width or a wider search, if deeper stacks then gained more than the threshold under"
            " both controls."
        ),
    )


def _gain(trained: Trained, setting: str, depths: Sequence[int], size: int | str) -> Effect:
    """Mean gain of the deeper stacks over the shallowest under one control."""
    first = trained.accuracy(Place(OWN, setting, depths[0], size))
    deeper = [trained.accuracy(Place(OWN, setting, layers, size)) - first for layers in depths[1:]]
    return effect_over_texts(
        f"gain over {layers_words(depths[0])}, {setting_words(setting)}",
        np.mean(deeper, axis=0),
        unit="points",
        scale=100,
        note=f"test accuracy with {' and '.join(map(str, depths[1:]))} layers, averaged, {size} labels",
    )


def _single_depths(trained: Trained, asked: Sequence[str], depths: Sequence[int], size: int | str) -> list[Effect]:
    """The gain of each depth apart, where there are several."""
    if len(depths) < 3:
        return []
    return [
        effect_over_texts(
            f"{layers_words(layers)} over {depths[0]}, {setting_words(setting)}",
            trained.accuracy(Place(OWN, setting, layers, size))
            - trained.accuracy(Place(OWN, setting, depths[0], size)),
            unit="points",
            scale=100,
        )
        for setting in asked
        for layers in depths[1:]
    ]


def _transfer(
    recipe: Recipe,
    folder: Path,
    data: TextData,
    depths: Sequence[int],
    *,
    size: int | str,
    other: str | None,
    seeds: Sequence[int],
    tell: Callable[[str], None],
) -> tuple[Halves, list[dict[str, dict[str, float]]]]:
    """Probe each seed, or read what was probed before."""
    plain = recipe.model_copy(update={"claim": None}).override({"grid": {}})
    scores = []
    for seed in seeds:
        halves = transfer_data(data, other=other, seed=seed)
        settings = control_settings(plain, _MATCHED, layers=depths, num_labels=len(halves.learned.label_names))
        widths = {layers: settings[layers].get("model.hidden_size", plain.model.hidden_size) for layers in depths}
        cell = plain.override({"seed": seed})
        fingerprint = f"{recipe.fingerprint()} {halves.learned.fingerprint} {halves.asked.fingerprint}"
        path = folder / "transfer" / f"seed={seed}.json"

        def compute(cell: Recipe = cell, halves: Halves = halves, widths: Any = widths) -> dict[str, Any]:  # noqa: ANN401
            return dict(probe_scores(cell, halves, widths=widths, size=size))

        scores.append(kept(path, fingerprint, compute))
        tell(f"  transfer of {len(scores)} of {len(seeds)} seeds")
    return halves, scores


def _shares(scores: Sequence[dict[str, dict[str, float]]], kind: str, layers: int) -> Floats:
    """Share of right answers of each seed, in points."""
    return np.array([100 * one[kind][str(layers)] for one in scores])


def _transfer_effects(scores: Sequence[dict[str, dict[str, float]]], depths: Sequence[int]) -> list[Effect]:
    """How much better the deepest stack transfers than the shallowest, and than what was not trained."""
    shallow, deep = depths[0], depths[-1]
    trained = {layers: _shares(scores, "trained", layers) for layers in (shallow, deep)}
    fresh = {layers: _shares(scores, "untrained", layers) for layers in (shallow, deep)}
    bag = {layers: _shares(scores, "embeddings", layers) for layers in (shallow, deep)}
    differences = {
        f"transfer, {layers_words(deep)} over {shallow}": trained[deep] - trained[shallow],
        "the same, beyond what untrained stacks differ by": (trained[deep] - trained[shallow])
        - (fresh[deep] - fresh[shallow]),
        f"transfer, {layers_words(deep)} over the mean of embeddings": trained[deep]
        - _shares(scores, "embeddings", deep),
        f"transfer, {layers_words(shallow)} over the mean of embeddings": trained[shallow] - bag[shallow],
    }
    return [effect_over_seeds(name, values, unit="points") for name, values in differences.items()]


def _row(trained: Trained, setting: str, layers: int, size: int | str) -> dict[str, Any]:
    runs = trained.runs[Place(OWN, setting, layers, size)]
    test = [run.metrics["test"] for run in runs]
    model = runs[0].settings["model"]
    return {
        "control": setting_words(setting),
        "layers": layers,
        "width": str(model["hidden_size"]),
        "parameters without embeddings": runs[0].cost.parameters_without_embeddings,
        "learning rate": str(runs[0].settings["training"]["learning_rate"]),
        "test accuracy %": float(np.mean([100 * one.accuracy.value for one in test])),
        "test log loss": float(np.mean([one.log_loss.value for one in test])),
    }


def _point(series: str, layers: int, effect: Effect) -> dict[str, Any]:
    known = np.isfinite(effect.low) and np.isfinite(effect.high)
    return {
        "series": series,
        "layers": layers,
        "value": effect.value,
        "low": effect.low if known else None,
        "high": effect.high if known else None,
        "words": written(effect).replace("+", "").removesuffix(" %"),
    }


def _score_figure(trained: Trained, asked: Sequence[str], depths: Sequence[int], size: int | str) -> Figure:
    """Draw test accuracy by depth under each control."""
    rows = []
    for setting in asked:
        for layers in depths:
            answers = trained.accuracy(Place(OWN, setting, layers, size))
            effect = effect_over_texts("accuracy", answers, unit="%", scale=100)
            rows.append(_point(setting_words(setting), layers, effect))
    return by_depth_figure(
        rows,
        name="scores",
        title=f"Test accuracy by depth, {size} labels",
        axis="test accuracy (%)",
        alt_text=_alt("Test accuracy by layers, one line a control", rows),
        caption="Mean over seeds, with 95 % intervals over seeds and texts; gains are paired and narrower.",
    )


def _transfer_figure(scores: Sequence[dict[str, dict[str, float]]], depths: Sequence[int], words: str) -> Figure:
    """Draw the probes' accuracy by depth."""
    rows = [
        _point(name, layers, effect_over_seeds("accuracy", _shares(scores, kind, layers), unit="%"))
        for kind, name in KINDS.items()
        for layers in depths
    ]
    return by_depth_figure(
        rows,
        name="transfer",
        title="Linear probes on another set",
        axis="accuracy (%)",
        alt_text=_alt("Accuracy of linear probes by layers", rows),
        caption=f"{words[0].upper()}{words[1:]}. 95 % intervals over seeds.",
    )


def _alt(start: str, rows: Sequence[dict[str, Any]]) -> str:
    return f"{start}: " + "; ".join(f"{row['series']} at {row['layers']}: {row['words']}" for row in rows) + "."
