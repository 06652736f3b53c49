"""Predictions of single texts as they are printed. Apart from the progress bars, whose library takes time to load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from textlstm.inference.decisions import Prediction


def show_predictions(
    texts: Sequence[str],
    predictions: Sequence[Prediction | None],
    *,
    as_json: bool,
    probabilities: bool,
    top_k: int | None = None,
) -> None:
    """Print predictions of single texts: label and score, and by option every or the most probable labels.

    Args:
        texts: as given.
        predictions: one a text; None, for a text that is empty, prints an empty label and score.
        as_json: one JSON object a line instead of tab-separated words.
        probabilities: whether to show every label's.
        top_k: how many of the most probable labels to show; None shows none of them.
    """
    for text, prediction in zip(texts, predictions, strict=True):
        if prediction is None:
            empty: dict[str, object] = {"text": text, "labels": [], "score": None}
            empty |= ({} if top_k is None else {"top_labels": None}) | (
                {"probabilities": None} if probabilities else {}
            )
            typer.echo(json.dumps(empty, ensure_ascii=False) if as_json else "\t")
            continue
        if as_json:
            shown: dict[str, object] = {"text": text, "labels": prediction.labels, "score": prediction.score}
            if top_k is not None:
                shown["top_labels"] = [{"label": name, "score": value} for name, value in prediction.top(top_k)]
            if probabilities:
                shown["probabilities"] = prediction.probabilities
            typer.echo(json.dumps(shown, ensure_ascii=False))
            continue
        typer.echo(f"{', '.join(prediction.labels)}\t{prediction.score:.4f}")
        for name, value in prediction.top(len(prediction.probabilities) if probabilities else top_k or 0):
            typer.echo(f"  {name}\t{value:.4f}")
