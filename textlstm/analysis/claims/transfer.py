"""Linear-probe transfer: how well frozen vectors of stacks trained on one set tell the labels of another.

The other set is one that the claim names, or, where it names none, the same data with other labels: half of the classes
are learned, and the probe is asked for the other half, on texts that the stack never saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData, load_data
from textlstm.text.overlap import exclude_shared
from textlstm.text.protocol import with_test_split
from textlstm.text.splits import Split, hold_out, nested_subset

if TYPE_CHECKING:
    from textlstm.model import TextLSTMForSequenceClassification
    from textlstm.training.preparation import Prepared

PROBE_ROWS = 1200
"""Texts of the other set that a probe is fitted on, and those that it is scored on, at most."""
_STRENGTHS = (0.001, 0.01, 0.1, 1.0)
_CHOOSING_SHARE = 0.25
_FEWEST_CLASSES = 4
KINDS = {
    "trained": "trained stack",
    "untrained": "untrained stack",
    "embeddings": "mean of the trained embeddings",
}
"""What is probed."""


@dataclass(frozen=True, eq=False)
class Halves:
    """What is learned, and what the probe is asked for.

    Attributes:
        learned: the data that stacks are trained on.
        asked: the other set, with train and test splits.
        words: how the two differ.
    """

    learned: TextData
    asked: TextData
    words: str


def transfer_data(data: TextData, *, other: str | None, seed: int) -> Halves:
    """Find the other set.

    Args:
        data: of the recipe.
        other: source of the other set; None takes half of the classes for it, drawn by the seed.
        seed: of the draw.

    Returns:
        What is learned and what is asked for.

    Raises:
        DataError: classes cannot be halved (fewer than four of them, or several labels a text), or the other set cannot
            be read, has several labels a text, or holds all that would be learned.
    """
    if other is not None:
        loaded = load_data(other)
        if loaded.multi_label:
            raise DataError(
                f"A probe tells one label a text, and {other} has several; name another set with --set"
                " claim.options.transfer=DATA."
            )
        asked = with_test_split(loaded)
        learned = exclude_shared(data, [asked.splits["test"]])
        words = f"learned on {data.source}, asked for the labels of {other}"
        if learned is not data:
            words += f"; {learned.notes[-1]}"
        return Halves(learned, asked, words)
    if problem := halving_problem(data):
        raise DataError(problem)
    order = np.random.default_rng([seed, 0x7472616E]).permutation(len(data.label_names))
    half = (len(order) + 1) // 2
    words = f"learned on half of the classes of {data.source}, asked for the other half; other halves for each seed"
    return Halves(_classes(data, order[:half]), _classes(data, order[half:]), words)


def halving_problem(data: TextData) -> str:
    """Say why the classes of some data cannot be halved.

    Args:
        data: of the recipe.

    Returns:
        One sentence with its mend; empty where they can.
    """
    if not data.multi_label and len(data.label_names) >= _FEWEST_CLASSES:
        return ""
    return (
        "Without another set, transfer is from half of the classes to the other half, which takes four classes or"
        f" more with one label a text, and {data.source} has {len(data.label_names)}"
        f"{' and several labels a text' if data.multi_label else ''}; name another set with"
        " --set claim.options.transfer=DATA."
    )


def _classes(data: TextData, kept: NDArray[np.int64]) -> TextData:
    """The texts of some classes, under new numbers."""
    kept = np.sort(kept)
    splits = {}
    for name, split in data.splits.items():
        if split.labels is not None:
            part = split.take(np.flatnonzero(np.isin(split.labels, kept)))
            assert part.labels is not None  # noqa: S101 - the split has labels
            splits[name] = Split(part.texts, np.searchsorted(kept, part.labels), part.rows)
    names = [data.label_names[number] for number in kept]
    mark = hashlib.sha256(f"{data.fingerprint} {names}".encode()).hexdigest()[:16]
    return replace(data, splits=splits, label_names=names, fingerprint=mark, notes=[])


def probe_scores(
    recipe: Recipe, halves: Halves, *, widths: dict[int, int | list[int]], size: int | str
) -> dict[str, dict[str, float]]:
    """Train a stack of each depth, and score probes of it, of an untrained one, and of its mean embeddings.

    Args:
        recipe: one cell, with its seed; depth and width are set here.
        halves: of `transfer_data`.
        widths: hidden size of each depth.
        size: labeled rows that a stack is trained on, or "full"; fewer where there are fewer.

    Returns:
        Share of the other set's test texts that a probe gets right, by kind and number of layers.
    """
    from textlstm.training.finetuning import train
    from textlstm.training.preparation import build_config, build_model, prepare

    rows = len(halves.learned.splits["train"])
    fitting = size if isinstance(size, int) and size <= rows else "full"
    one = recipe.override({"data.size": fitting, "data.score_test": False})
    prepared = prepare(one.override({"model.num_layers": min(widths)}), halves.learned)
    parts = _asked_rows(halves.asked, seed=recipe.seed)
    scores: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    for layers, width in widths.items():
        cell = one.override({"model.num_layers": layers, "model.hidden_size": width})
        model = train(cell, prepared=prepared).model
        fresh = build_model(build_config(cell, prepared), seed=recipe.seed).eval()
        vectors = {
            "trained": _vectors(model, prepared, cell, parts, pooling="own"),
            "untrained": _vectors(fresh, prepared, cell, parts, pooling="own"),
            "embeddings": _vectors(model, prepared, cell, parts, pooling="mean"),
        }
        for kind, matrix in vectors.items():
            scores[kind][str(layers)] = _probe(matrix, parts, classes=len(halves.asked.label_names))
    return scores


def _asked_rows(asked: TextData, *, seed: int) -> list[Split]:
    """Rows on which a probe is fitted, by which its penalty is chosen, and on which it is scored."""
    train, test = asked.splits["train"], asked.splits["test"]
    classes = len(asked.label_names)
    if len(train) > PROBE_ROWS:
        train = nested_subset(train, size=max(PROBE_ROWS, classes), seed=seed)
    if len(test) > PROBE_ROWS:
        test = nested_subset(test, size=max(PROBE_ROWS, classes), seed=seed)
    fitting, choosing = hold_out(train, rows=max(classes, round(_CHOOSING_SHARE * len(train))), seed=seed)
    return [fitting, choosing, test]


def _vectors(
    model: TextLSTMForSequenceClassification,
    prepared: Prepared,
    recipe: Recipe,
    parts: Sequence[Split],
    *,
    pooling: str,
) -> list[NDArray[np.float32]]:
    """One vector a text: what the classifier reads, or the mean of the embeddings."""
    from textlstm.analysis.diagnostics.states import layer_states
    from textlstm.text.encoding import encode

    found = []
    for part in parts:
        encoded = encode(prepared.tokenizer, part.texts, max_length=recipe.tokenizer.max_length)
        if pooling == "own":
            found.append(layer_states(model, encoded, pooling="own").pooled[-1])
        else:
            found.append(layer_states(model, encoded, pooling="mean").pooled[0])
    return found


def _probe(vectors: Sequence[NDArray[np.float32]], parts: Sequence[Split], *, classes: int) -> float:
    """Fit a logistic regression with the penalty that the choosing rows prefer; gives its share of right answers."""
    from textlstm.experiment.linear import LinearSettings, fit_logistic

    settings = LinearSettings(classes=classes, multi_label=False, strengths=_STRENGTHS)
    mean, deviation = vectors[0].mean(axis=0), vectors[0].std(axis=0)
    scaled = [(part - mean) / np.where(deviation < 1e-6, 1.0, deviation) for part in vectors]
    labels = [np.asarray(part.labels) for part in parts]
    best, right = -1.0, 0.0
    for strength in _STRENGTHS:
        chances = fit_logistic(scaled[0], labels[0], strength=strength, settings=settings)
        chosen = float((chances(scaled[1]).argmax(axis=1) == labels[1]).mean())
        if chosen > best:
            best, right = chosen, float((chances(scaled[2]).argmax(axis=1) == labels[2]).mean())
    return right
