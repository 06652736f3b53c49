"""The texts without labels from which a run learns: those that its teacher labels, and those of its objectives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textlstm.recipe import Recipe
from textlstm.recipe_sections import DataSection
from textlstm.text.datasets import TextData
from textlstm.text.folds import with_own_fold
from textlstm.text.named_data import keys_of
from textlstm.text.overlap import text_keys
from textlstm.text.protocol import UsedRows
from textlstm.text.running_text import RunningText
from textlstm.text.splits import Split
from textlstm.text.streams import stream
from textlstm.text.unlabeled import load_texts, without_held_out


def held_out_splits(data: TextData, rows: UsedRows) -> list[Split]:
    """List the splits that nothing may be learned from.

    Args:
        data: all splits.
        rows: those of the run.

    Returns:
        All but the training rows; rows that are trained on are in none of them.
    """
    own = [split for name, split in rows.splits.items() if name != "train"]
    return own + [split for name, split in data.splits.items() if name != "train"]


def taught_texts(
    recipe: Recipe, data: TextData, rows: UsedRows, held_out: Sequence[Split]
) -> tuple[list[str], list[str]]:
    """Collect the texts without labels that a teacher labels: each once, none held out or among the training rows.

    Args:
        recipe: its `distillation:` part and `seed` are read.
        data: all splits.
        rows: those of the run.
        held_out: splits that nothing may be learned from.

    Returns:
        The texts, none where there is no teacher; and notes.

    Raises:
        DataError: they cannot be read.
    """
    part, notes = recipe.distillation, []
    if part.teacher is None:
        return [], []
    pools: list[tuple[Split, str]] = []
    if part.rest:
        pools.append((data.splits["train"], "the rest of the training rows"))
    if part.unlabeled is not None:
        texts, found = load_texts(part.unlabeled, text_columns=recipe.data.text_columns, encoding=recipe.data.encoding)
        notes += found
        pools.append((texts, part.unlabeled))
    collected: dict[int, str] = {}
    own = text_keys(rows.train.texts)
    for pool, name in pools:
        kept, said = without_held_out(pool, held_out, source=name)
        if name == part.unlabeled:
            notes += said  # of the rest, validation rows are held out as a matter of course
        if kept is None:
            continue
        keys = text_keys(kept.texts)
        new = np.flatnonzero(~np.isin(keys, own))
        if name == part.unlabeled and part.unlabeled_rows is not None:
            rng = np.random.default_rng(stream(recipe.seed, "unlabeled"))
            new = np.sort(rng.permutation(new)[: part.unlabeled_rows])
        before = len(collected)
        for key, text in zip(keys[new].tolist(), kept.take(new).text_list(), strict=True):
            collected.setdefault(key, text)
        notes.append(f"teacher: {len(collected) - before:,} texts without labels from {name}")
    return list(collected.values()), notes


def texts_of_objectives(recipe: Recipe, data: TextData, rows: UsedRows) -> RunningText | None:
    """Find the texts that the objectives read beside the labels, without those of held-out splits.

    Args:
        recipe: its `objectives:` part is read, and of `data:` the columns, the encoding and the fold.
        data: all splits.
        rows: those of the run.

    Returns:
        The texts, to be gone through; None where the recipe names none.
    """
    part, test = recipe.objectives, data.splits.get("test")
    if part.unlabeled is None:
        return None
    if rows.test is None and (test is None or test.labels is None):
        data = with_own_fold(recipe.data, data)  # a fold that is not scored is held out too, as in a search
    own = recipe.data.model_dump(include={"text_columns", "encoding", "on_bad_rows"})
    return RunningText(
        DataSection(source=part.unlabeled, **own),
        limit=part.unlabeled_rows,
        held_out=keys_of(held_out_splits(data, rows)),
        columns_known=False,
    )
