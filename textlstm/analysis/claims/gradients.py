"""D4: do deeper stacks suffer from vanishing gradients, so that what restores them raises the score?

The claim asserts three things at once: less of the lowest layer's state arrives at the top of a deeper stack; a remedy
brings it back; and that raises the score of the deep stack more than of the shallow one. Each is measured in multiples
of its own threshold, and the claim is as strong as the weakest of them (intersection-union test: Berger 1982,
Technometrics 24): it is supported where all three lie above their thresholds, and falls where one of them surely does
not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.charts.layers import gain_map
from textlstm.analysis.claims.effects import effect_over_seeds, effect_over_texts, in_thresholds, weakest_link
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.grids import OWN, train_variants
from textlstm.analysis.claims.trained import Place, Trained
from textlstm.analysis.diagnostics.notes import Notes, read_notes, train_watched
from textlstm.analysis.diagnostics.reach import bottom_gain
from textlstm.analysis.figures import Figure
from textlstm.errors import RecipeError
from textlstm.recipe import Recipe

Floats = NDArray[np.float64]

REACH_UNIT = "orders of magnitude"
LINKS = ("reach_lost", "reach_restored", "score_gained")
"""What the claim asserts, in the order of the reasoning; `claim.options` has the threshold of each."""


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Train shallow and deep stacks with and without each remedy, and watch their gradients.

    Args:
        recipe: its first variant is the remedy that the claim is about, the others are shown beside it; its options
            hold the thresholds of the three links.
        folder: of the runs.
        seeds: independent repeats, which the recipe's grid has too.
        preview: whether this is one.
        tell: is told how it goes.

    Returns:
        The weakest link, in multiples of its threshold.

    Raises:
        RecipeError: there is no variant, no threshold for a link, or fewer than two depths.
    """
    claim = recipe.claim
    if claim is None or not claim.variants:
        raise RecipeError(
            "The gradients claim compares remedies, and claim.variants names none; give each a name and its recipe"
            " keys."
        )
    if lacking := [name for name in LINKS if not isinstance(claim.options.get(name), int | float)]:
        raise RecipeError(
            f"The gradients claim needs a threshold for each link, and claim.options lacks {lacking[0]}; give a number"
            " above 0."
        )
    thresholds = {name: float(claim.options[name]) for name in LINKS}
    if min(thresholds.values()) <= 0:
        raise RecipeError(
            f"The thresholds of claim.options should be above 0, and they are {thresholds}; give larger ones."
        )
    if len(set(recipe.grid.layers or [])) < 2:
        raise RecipeError(
            "The gradients claim compares depths, and grid.layers has fewer than two; set two or more, such as [1, 2]."
        )
    trained = train_variants(recipe, folder, tell=tell, variants={OWN: {}, **claim.variants}, train_one=train_watched)
    depths = trained.depths()
    size, names = trained.sizes()[-1], list(claim.variants)
    shallow, deep = depths[0], depths[-1]
    places = {(name, layers): Place(name, "fixed_width", layers, size) for name in [OWN, *names] for layers in depths}
    notes = {key: [read_notes(path) for path in trained.folders[place]] for key, place in places.items()}
    reach = _bottom_gains(notes)
    lost = effect_over_seeds(
        f"reach from layer 1 to the top lost from {shallow} to {deep} layers",
        reach[OWN, shallow] - reach[OWN, deep],
        unit=REACH_UNIT,
    )
    links = {name: _remedy_links(trained, places, reach, name, shallow, deep) for name in names}
    first = dict(zip(LINKS, (lost, *links[names[0]]), strict=True))
    main = weakest_link(f"weakest link of three, with the remedy {names[0]}", first, thresholds)
    rows = [
        _row(trained, places[name, layers], name, reach[name, layers], notes[name, layers]) for name, layers in places
    ]
    return Finding(
        effect=main,
        others=[*in_thresholds(first, thresholds), lost, *(effect for name in names for effect in links[name])],
        table=rows,
        charts=_charts(trained, places, reach, notes[OWN, deep][0], deep),
        notes=[
            "Reach is the gain of the Jacobian from the state of layer 1 to the top layer's last state, as a decimal"
            " logarithm, averaged over distances and directions and over start, middle and end of training.",
            f"Thresholds of the links: {_threshold_words(thresholds)}.",
            f"Watching took {100 * _watching(notes):.1f} % of the time of training.",
            *trained.notes,
        ],
        overturn=(
            f"Another remedy, more than {deep} layers, or longer texts, if reach was lost there and bringing it back"
            f" raised the score by more than {thresholds['score_gained']:g} points over what it brings at {shallow}."
        ),
    )


def _bottom_gains(notes: Mapping[tuple[str, int], Sequence[Notes]]) -> dict[tuple[str, int], Floats]:
    """One figure a run: `bottom_gain` over the distances and moments that all runs have."""
    runs = [note for found in notes.values() for note in found]
    distances = min(reach.longest + 1 for note in runs for reach in note.reach.values())
    moments = [moment for moment in runs[0].reach if all(moment in note.reach for note in runs)]
    return {
        key: np.array(
            [np.mean([bottom_gain(note.reach[moment], distances=distances) for moment in moments]) for note in found]
        )
        for key, found in notes.items()
    }


def _remedy_links(
    trained: Trained,
    places: Mapping[tuple[str, int], Place],
    reach: Mapping[tuple[str, int], Floats],
    name: str,
    shallow: int,
    deep: int,
) -> tuple[Effect, Effect]:
    """What a remedy brings back of the reach, and of the score, beyond what it brings at the shallow stack."""
    restored = [reach[name, layers] - reach[OWN, layers] for layers in (shallow, deep)]
    gained = [
        trained.accuracy(places[name, layers]) - trained.accuracy(places[OWN, layers]) for layers in (shallow, deep)
    ]
    beyond = f"at {deep} layers minus at {shallow}"
    return (
        effect_over_seeds(f"reach that {name} brings back, {beyond}", restored[1] - restored[0], unit=REACH_UNIT),
        effect_over_texts(f"accuracy that {name} gains, {beyond}", gained[1] - gained[0], unit="points", scale=100),
    )


def _row(trained: Trained, place: Place, name: str, reach: Floats, notes: Sequence[Notes]) -> dict[str, Any]:
    accuracy = [100 * run.metrics["test"].accuracy.value for run in trained.runs[place]]
    return {
        "remedy": "none" if name == OWN else name,
        "layers": place.layers,
        "test accuracy %": float(np.mean(accuracy)),
        "reach from layer 1 (log10)": float(reach.mean()),
        "before training": float(np.mean([bottom_gain(note.reach["start"]) for note in notes])),
        "after training": float(np.mean([bottom_gain(note.reach["end"]) for note in notes])),
        "clipped updates %": float(np.mean([100 * note.record.clipped for note in notes])),
        "median norm of layer 1": float(np.mean([_median_norm(note, "layer 1") for note in notes])),
        "median norm of the top layer": float(np.mean([_median_norm(note, f"layer {place.layers}") for note in notes])),
    }


def _median_norm(note: Notes, part: str) -> float:
    """Median over updates of a part's gradient norm before clipping."""
    return float(np.median(note.record.norms[:, note.record.parts.index(part)]))


def _watching(notes: Mapping[tuple[str, int], Sequence[Notes]]) -> float:
    return float(np.mean([note.watching for found in notes.values() for note in found]))


def _threshold_words(thresholds: Mapping[str, float]) -> str:
    return (
        f"{thresholds['reach_lost']:g} orders of magnitude lost, {thresholds['reach_restored']:g} brought back,"
        f" {thresholds['score_gained']:g} points gained"
    )


def _charts(
    trained: Trained,
    places: Mapping[tuple[str, int], Place],
    reach: Mapping[tuple[str, int], Floats],
    deepest: Notes,
    deep: int,
) -> list[Figure]:
    """Reach and score by depth, one line a remedy, and the map of the deepest stack as it stands."""
    accuracy = {
        key: np.array([100 * run.metrics["test"].accuracy.value for run in trained.runs[place]])
        for key, place in places.items()
    }
    figures = []
    for figure, title, axis, values in (
        ("reach", "Reach from layer 1 to the top", "gain (log10)", dict(reach)),
        ("accuracy", "Test accuracy", "test accuracy (%)", accuracy),
    ):
        rows = [_chart_row(key, found) for key, found in values.items()]
        figures.append(
            by_depth_figure(
                rows,
                name=f"gradients-{figure}",
                title=title,
                axis=axis,
                alt_text=f"{title} by layers, one line a remedy: "
                + "; ".join(f"{row['series']} at {row['layers']}: {row['words']}" for row in rows)
                + ".",
                caption="Means over seeds with their 95 % intervals; the claim is about differences within a seed.",
            )
        )
    last = deepest.reach["end"]
    for number, direction in enumerate(last.directions):
        gains = last.gains[number, :, : last.longest + 1]
        plain = [[float(gain) for gain in level] for level in gains]
        figures.append(gain_map(f"{direction}, {deep} layers after training", plain, small=len(last.directions) > 1))
    return figures


def _chart_row(key: tuple[str, int], values: Floats) -> dict[str, Any]:
    mean = effect_over_seeds("mean", values, unit="")
    bounded = np.isfinite(mean.low)
    return {
        "series": "as it stands" if key[0] == OWN else key[0],
        "layers": key[1],
        "value": mean.value,
        "low": mean.low if bounded else None,
        "high": mean.high if bounded else None,
        "words": f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]" if bounded else f"{mean.value:.2f}",
    }
