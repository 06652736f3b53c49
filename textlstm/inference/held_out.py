"""Texts that a trained model did not learn from: its run's validation rows, its test rows, or others that are named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textlstm.errors import DataError, RecipeError
from textlstm.results import RECIPE_FILE


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Texts, with labels where they have any.

    Attributes:
        texts: as they were read.
        labels: (rows,) class ids or (rows, classes) truth values in the order of the model's labels; None if unlabeled.
        origin: what they are, for messages and reports.
    """

    texts: list[str]
    labels: NDArray[Any] | None
    origin: str

    def some(self, rows: int) -> HeldOut:
        """Keep at most so many rows, spread evenly over all of them."""
        if len(self.texts) <= rows:
            return self
        picked = np.linspace(0, len(self.texts) - 1, rows).astype(np.int64)
        labels = None if self.labels is None else self.labels[picked]
        return HeldOut([self.texts[row] for row in picked], labels, f"{rows:,} of {self.origin}")


def held_out_rows(
    folder: Path | None,
    label_names: list[str],
    *,
    data: str | None = None,
    split: str | None = None,
    options: dict[str, Any] | None = None,
    open_test: bool = True,
) -> HeldOut:
    """Find rows to try a model on.

    Without `data` these are the validation rows of the run that made it, drawn again from its recipe, or its test rows.

    Args:
        folder: the model's.
        label_names: the model's labels.
        data: a file, a folder, a Hub id or a corpus with labels, in place of the run's own.
        split: of `data`; None takes validation where there is one, else what `labeled_split` takes.
        options: recipe keys that say how to read `data`, such as "data.text_columns".
        open_test: whether the run's test rows may be taken; not for anything that is fitted.

    Returns:
        The rows.

    Raises:
        DataError: there is no data, it cannot be read, or it has other labels.
    """
    from textlstm.recipe import validate
    from textlstm.text.protocol import labeled_split, load_recipe_data

    if data is not None:
        base = validate({"name": "rows", "data": {"source": data}}, origin="the options")
        recipe = base.override({**(options or {}), "data.label_names": label_names})
        loaded = load_recipe_data(recipe)
        name = split or ("validation" if "validation" in loaded.splits else None)
        rows = labeled_split(loaded, name)
        return HeldOut(rows.text_list(), rows.labels, f"{len(rows):,} rows of {data}")
    if folder is None or not (folder / RECIPE_FILE).is_file():
        raise DataError(f"{folder or 'The model'} has no {RECIPE_FILE} that says what it was trained on; name data.")
    return _rows_of_run(folder, label_names, open_test=open_test)


def texts_to_compare(folder: Path | None, label_names: list[str], *, data: str | None, rows: int) -> HeldOut:
    """Find real texts on which two forms of a model are compared, those of `held_out_rows` if they can be had.

    Args:
        folder: the model's.
        label_names: the model's labels.
        data: as for `held_out_rows`.
        rows: how many, at most.

    Returns:
        The texts; those that every Python carries (`pydocs`), unlabeled, where the run held no rows out
        or its data is out of reach.
    """
    try:
        return held_out_rows(folder, label_names, data=data).some(rows)
    except (DataError, RecipeError):
        if data is not None:
            raise
    from textlstm.text.datasets import load_data

    texts = load_data("pydocs").splits["train"].text_list()
    why = "since the model's run held no rows out, or its data cannot be read; --data names others"
    return HeldOut(texts, None, f"{len(texts):,} texts of pydocs ({why})").some(rows)


def _rows_of_run(folder: Path, label_names: list[str], *, open_test: bool) -> HeldOut:
    """Draw a run's splits again."""
    from textlstm.recipe_files import load_recipe
    from textlstm.text.protocol import load_recipe_data, use_rows
    from textlstm.text.streams import stream

    recipe = load_recipe(folder / RECIPE_FILE)
    loaded = load_recipe_data(recipe)
    if list(loaded.label_names) != label_names:
        raise DataError(
            f"{loaded.source} should have the labels that {folder} was trained on ({', '.join(label_names[:5])}), and"
            f" has {', '.join(loaded.label_names[:5])}; it was changed since, name other data."
        )
    used = use_rows(
        loaded, size=recipe.data.size, seed=stream(recipe.seed, "subset"), holdout=recipe.data.holdout
    ).splits
    name = next((name for name in ("validation", "holdout", "test") if name in used), None)
    if name == "test" and not open_test:
        raise DataError(
            f"The run in {folder} kept no validation rows of {loaded.source}, and its test rows stay for the score:"
            " what is fitted on them makes it too good; name other labeled data with --data."
        )
    if name is None:
        raise DataError(f"The run in {folder} trained on all rows of {loaded.source}; name other data, with labels.")
    return HeldOut(used[name].text_list(), used[name].labels, f"{len(used[name]):,} {name} rows of {loaded.source}")
