"""The commands that an advice ends with: what trains the advised stack, and what teaches it."""

from __future__ import annotations

import shlex

from textlstm.analysis.advice.beside import Alternative, shown_better
from textlstm.analysis.advice.methods import encoder_name
from textlstm.recipe import Recipe
from textlstm.recipe_files import write_override
from textlstm.recipe_keys import flatten


def train_command(final: Recipe, asked: Recipe, *, teacher: str | None = None) -> str:
    """Write the command that trains the advised model on all rows.

    Args:
        final: the advised recipe.
        asked: the user's, of which every key that was given is repeated.
        teacher: encoder that the model is to learn from, with `textlstm distill`; None for none.

    Returns:
        A line for the shell.
    """
    layers, model = final.model.num_layers, final.model
    words = ["textlstm", "distill" if teacher else "train", final.data.source]
    words += ["--teacher", teacher] if teacher else []
    words += ["--layers", str(layers), "--hidden", str(model.hidden_size)]
    if layers > 1:
        words += ["--join", model.join]
    before = flatten(asked.model_dump(mode="json"))
    said = ("name", "version", "delta", "data.source", "model.num_layers", "model.hidden_size", "model.join")
    given = flatten(asked.model_dump(mode="json", exclude_unset=True))
    for key, value in flatten(final.model_dump(mode="json")).items():
        if key not in said and not key.startswith("grid.") and (key in given or value != before[key]):
            words += ["--set", write_override(key, value)]
    name = asked.name.removeprefix("advise-")
    folder = f"models/{name}-{layers}-layer{'s' if layers > 1 else ''}{'-taught' if teacher else ''}"
    return shlex.join([*words, "--out", folder])


def teacher_words(
    alternatives: list[Alternative], delta: float, encoder: str | None, final: Recipe, asked: Recipe
) -> list[str]:
    """Say how a small stack learns from an encoder that is better.

    Args:
        alternatives: measured.
        delta: smallest difference worth a change, a share.
        encoder: that the user gave to be tried.
        final: the advised recipe.
        asked: the user's.

    Returns:
        One sentence with the command; none where no encoder is shown to be better.
    """
    if encoder is None or encoder_name(encoder) not in {one.name for one in shown_better(alternatives, delta)}:
        return []
    return [f"To teach the small stack with it: {train_command(final, asked, teacher=encoder)}"]
