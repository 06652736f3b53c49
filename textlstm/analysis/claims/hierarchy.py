"""A1: does each layer hold another level of abstraction, from surface facts below to abstract ones above?

Linear probes ask every level of a trained stack for abstract facts (the label; on ListOps nesting depth and the value
so far) and for surface facts (which word, at which place, how long the text). What is estimated is how much higher the
abstract facts have their center of gravity than the surface facts, minus the same in a stack that was never trained:
states that have passed through more layers hold less of a word and more of its context without any learning.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textlstm.analysis.charts.claim_curves import by_depth_figure
from textlstm.analysis.claims.effects import effect_over_seeds, written
from textlstm.analysis.claims.finding import Effect, Finding
from textlstm.analysis.claims.kept import kept
from textlstm.analysis.figures import Figure
from textlstm.errors import DataError, RecipeError
from textlstm.experiment.capacity import workers_for_run
from textlstm.experiment.plan import data_facts
from textlstm.recipe import Recipe
from textlstm.stats.intervals import mean_interval
from textlstm.text.protocol import load_recipe_data, with_test_split

if TYPE_CHECKING:
    from textlstm.analysis.diagnostics.probes import FactProbe
    from textlstm.text.datasets import TextData

FEWEST_LAYERS = 3
MOST_TEXTS, MOST_TOKENS = 2000, 3000
"""Test texts, and tokens of theirs, that probes look at."""


def measure(recipe: Recipe, folder: Path, *, seeds: int, preview: bool, tell: Callable[[str], None]) -> Finding:
    """Train stacks of one depth, and probe each beside an untrained one, side by side where there are processors.

    Args:
        recipe: `model.num_layers` is the depth, three or more; probes look at the test texts.
        folder: of the seeds' figures.
        seeds: independent repeats.
        preview: whether this is one; it changes nothing here.
        tell: is told how it goes.

    Returns:
        How much training has moved the abstract facts above the surface facts, in layers.

    Raises:
        RecipeError: there are fewer than three layers.
        DataError: the data has too few texts to probe, or no fact of a kind varies.
    """
    depth = recipe.model.num_layers
    if depth < FEWEST_LAYERS:
        raise RecipeError(
            f"The hierarchy claim needs {FEWEST_LAYERS} layers or more to tell an order, and model.num_layers is"
            f" {depth}; set model.num_layers={FEWEST_LAYERS}."
        )
    found: list[dict[str, Any]] = []
    data = with_test_split(load_recipe_data(recipe))
    _check_texts(data, needs_label=not recipe.data.source.startswith("listops"))
    workers, note = probing_workers(recipe, data)
    if note:
        tell(note)
    workers = min(workers, seeds)
    probe = partial(_kept_seed, recipe=recipe, data=data, folder=folder)
    with ExitStack() as pools:
        spread: Any = map
        if workers > 1:
            spread = pools.enter_context(ProcessPoolExecutor(workers, mp_context=get_context("spawn"))).map
        for number, figures in enumerate(spread(probe, recipe.seeds[:seeds]), start=1):
            found.append(figures)
            tell(
                f"hierarchy: seed {number} of {seeds}, test accuracy {100 * figures['accuracy']:.1f} %, abstract facts"
                f" moved by {figures['gained']:+.2f} layers"
            )
    return _finding(found, depth)


def _check_texts(data: TextData, *, needs_label: bool) -> None:
    """Refuse before training what probes would refuse after it; ListOps has abstract facts beside its label."""
    from textlstm.analysis.diagnostics.facts import FEWEST_OF_A_CLASS, label_classes
    from textlstm.analysis.diagnostics.probes import FEWEST_TEXTS

    test = data.splits["test"]
    if (different := len(set(test.text_list()))) < FEWEST_TEXTS:
        raise DataError(
            f"The hierarchy claim probes test texts, which takes {FEWEST_TEXTS} different ones or more, and"
            f" {data.source} has {different}; name larger data, or give more test texts with --set data.test=DATA."
        )
    if needs_label and test.labels is not None:
        counts = np.unique(label_classes(test.labels), return_counts=True)[1]
        if (counts >= FEWEST_OF_A_CLASS).sum() < 2:
            raise DataError(
                f"The hierarchy claim probes for the label, which takes two classes with {FEWEST_OF_A_CLASS} test texts"
                f" or more, and {data.source} has {int((counts >= FEWEST_OF_A_CLASS).sum())}; name larger data, or give"
                " more test texts with --set data.test=DATA."
            )


def probing_workers(recipe: Recipe, data: TextData) -> tuple[int, str | None]:
    """Decide how many seeds are trained and probed side by side.

    Args:
        recipe: of the claim.
        data: with its test split.

    Returns:
        The number of workers, at least 1, and a sentence when something else than the processors sets it.
    """
    return workers_for_run(recipe, data_facts(data, recipe))


def _kept_seed(seed: int, *, recipe: Recipe, data: TextData, folder: Path) -> dict[str, Any]:
    """Probe one seed, or read what was probed before with the same settings on the same data."""
    mark = f"{recipe.fingerprint()} {data.fingerprint}"
    return kept(folder / f"seed={seed}.json", mark, lambda: _probe_seed(recipe.override({"seed": seed}), data))


def _probe_seed(recipe: Recipe, data: TextData) -> dict[str, Any]:
    """Train one stack and probe it, as plain figures."""
    from textlstm.analysis.diagnostics.probes import probe_stack
    from textlstm.training.finetuning import train
    from textlstm.training.preparation import prepare

    prepared = prepare(recipe, data)
    trained = train(recipe, prepared=prepared)
    test = prepared.rows.test
    assert test is not None  # noqa: S101 - with_test_split has seen to it
    probes = probe_stack(
        trained.model,
        prepared.encoded["test"],
        labels=test.labels,
        tokenizer=prepared.tokenizer,
        max_texts=MOST_TEXTS,
        max_tokens=MOST_TOKENS,
        seed=recipe.seed,
    )
    if probes.order is None or probes.untrained_order is None or probes.gained is None:
        raise DataError(
            "The hierarchy claim compares abstract with surface facts, and one kind does not vary in these texts; they"
            " should have labels of two classes or more, with ten test texts each, and more than one length."
        )
    return {
        "accuracy": trained.run.score,
        "order": probes.order.value,
        "untrained_order": probes.untrained_order.value,
        "gained": probes.gained.value,
        "trained": [_plain(probe) for probe in probes.trained],
        "untrained": [_plain(probe) for probe in probes.untrained],
    }


def _plain(probe: FactProbe) -> dict[str, Any]:
    return {
        "fact": probe.fact,
        "abstract": probe.abstract,
        "measure": probe.measure,
        "baseline": probe.baseline,
        "center": probe.center.value,
        "scores": [level.score.value for level in probe.levels],
        "controls": [level.control.value for level in probe.levels],
    }


def _finding(found: Sequence[dict[str, Any]], depth: int) -> Finding:
    """Put the seeds' figures together."""
    main = effect_over_seeds(
        "abstract above surface facts, minus the same untrained",
        [seed["gained"] for seed in found],
        unit="layers",
        note="mean center of gravity of the abstract facts minus that of the surface facts",
    )
    others = [
        effect_over_seeds("abstract above surface facts, trained", [seed["order"] for seed in found], unit="layers"),
        effect_over_seeds(
            "abstract above surface facts, untrained", [seed["untrained_order"] for seed in found], unit="layers"
        ),
        *(_moved(found, probe["fact"]) for probe in found[0]["trained"]),
    ]
    rows = [row for stack in ("trained", "untrained") for row in _rows(found, stack)]
    learned = effect_over_seeds("test accuracy", [100 * seed["accuracy"] for seed in found], unit="%")
    label = next((probe for probe in found[0]["trained"] if probe["fact"] == "label"), None)
    chance = f"; the most frequent class makes up {100 * label['baseline']:.0f} %" if label else ""
    return Finding(
        effect=main,
        others=others,
        table=rows,
        charts=[_chart(rows, stack, depth) for stack in ("trained", "untrained")],
        notes=[
            f"The stacks score {written(learned).replace('+', '')} on test{chance}. What has not been learned has no"
            " place in a stack.",
            "Selectivity is the probe's score minus its score on a control task: the label or length of another text,"
            " the identity of another token of the text, a random place, depth or value for each kind of context.",
            "Centers weigh levels from 0 (word embeddings) to the top by selectivity; untrained stacks have the weights"
            " that training set out from, embeddings included.",
            "Probes are linear: what a layer holds in another form does not show.",
        ],
        overturn=(
            "Facts of another kind, a probe that is not linear, or a stack trained on more texts, if the abstract facts"
            " then moved by a layer's distance on the other side of the threshold."
        ),
    )


def _moved(found: Sequence[dict[str, Any]], fact: str) -> Effect:
    """How far training has moved one fact's center upwards."""
    centers = [
        [next(probe["center"] for probe in seed[stack] if probe["fact"] == fact) for seed in found if _has(seed, fact)]
        for stack in ("trained", "untrained")
    ]
    moved = [trained - untrained for trained, untrained in zip(*centers, strict=True)]
    return effect_over_seeds(f"center of {fact}, trained minus untrained", moved, unit="layers")


def _has(seed: dict[str, Any], fact: str) -> bool:
    return any(probe["fact"] == fact for probe in seed["trained"])


def _rows(found: Sequence[dict[str, Any]], stack: str) -> list[dict[str, Any]]:
    """Mean figures by fact and level."""
    rows = []
    for first in found[0][stack]:
        probes = [probe for seed in found for probe in seed[stack] if probe["fact"] == first["fact"]]
        centers = np.array([probe["center"] for probe in probes])
        for level in range(len(first["scores"])):
            scores = np.array([probe["scores"][level] for probe in probes])
            controls = np.array([probe["controls"][level] for probe in probes])
            rows.append(
                {
                    "stack": stack,
                    "fact": first["fact"],
                    "kind": "abstract" if first["abstract"] else "surface",
                    "level": level,
                    "measure": first["measure"],
                    "score": round(float(scores.mean()), 4),
                    "control": round(float(controls.mean()), 4),
                    "selectivity": round(float((scores - controls).mean()), 4),
                    "low": mean_interval(scores - controls).low,
                    "high": mean_interval(scores - controls).high,
                    "center": round(float(centers.mean()), 3),
                    "seeds": len(probes),
                }
            )
    return rows


def _chart(rows: Sequence[dict[str, Any]], stack: str, depth: int) -> Figure:
    """Draw selectivity by level, one line a fact."""
    own = [row for row in rows if row["stack"] == stack]
    points = [
        {
            "layers": row["level"],
            "series": f"{row['fact']} ({row['kind']})",
            "value": row["selectivity"],
            "low": row["low"],
            "high": row["high"],
            "words": f"{row['selectivity']:.3f} ({row['score']:.3f} − {row['control']:.3f})",
        }
        for row in own
    ]
    centers = {row["fact"]: row["center"] for row in own}
    told = "; ".join(f"{fact} at {center:.2f}" for fact, center in centers.items())
    return by_depth_figure(
        points,
        name=f"hierarchy-{stack}",
        title=f"What each level holds, {stack} stack",
        axis="selectivity",
        alt_text=f"Selectivity of linear probes by level of {depth} layers, one line a fact. Centers: {told}.",
        caption="Level 0 is the word embeddings. Selectivity is accuracy (R squared for length and position) minus that"
        " of the control task; bars are 95 % intervals over seeds.",
        zero=True,
    )
