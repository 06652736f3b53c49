"""The texts that a model is inspected on: labeled where the data has labels, and without them where it has none."""

from __future__ import annotations

from dataclasses import dataclass, field

from textlstm.errors import DataError
from textlstm.recipe import Recipe
from textlstm.text.columns import Columns, choose_columns, texts_of
from textlstm.text.datasets import Split, TextData
from textlstm.text.protocol import labeled_split, load_recipe_data
from textlstm.text.sources import find_splits
from textlstm.text.tables import RawSplit


@dataclass(frozen=True, eq=False)
class InspectedRows:
    """Texts to look at, and what their labels are good for.

    Attributes:
        rows: the split that was chosen; its labels are None where the data has none.
        fit: labeled rows on which heads may be fitted that are then scored on `rows`; None where only `rows` are there.
        split: its name.
        source: the data as the user named it.
        fingerprint: of the data; empty where it was read without labels.
        unlabeled: why there are no labels, in one sentence; empty where there are.
        notes: what loading said.
    """

    rows: Split
    fit: Split | None
    split: str
    source: str
    fingerprint: str
    unlabeled: str
    notes: list[str] = field(default_factory=list)


def load_inspected(recipe: Recipe, *, split: str | None) -> InspectedRows:
    """Load the texts that a recipe's `data:` part names.

    Data without a column of labels is no error here: its texts are read all the same.

    Args:
        recipe: its `data:` part is read; `label_names` are the model's.
        split: name of the rows to look at; None takes test when there is one, else the only split.

    Returns:
        The rows.

    Raises:
        DataError: the data cannot be read, or there is no such split.
    """
    try:
        data = load_recipe_data(recipe)
    except DataError as error:
        if recipe.data.label_column is not None:
            raise
        return _without_labels(recipe, split, error)
    chosen = split or ("test" if "test" in data.splits else next(iter(data.splits)))
    if chosen in data.splits and data.splits[chosen].labels is None:
        why = f"The {chosen} split of {data.source} has no labels."
        return InspectedRows(data.splits[chosen], None, chosen, data.source, data.fingerprint, why, data.notes)
    rows = labeled_split(data, split)
    return InspectedRows(rows, _to_fit(data, chosen), chosen, data.source, data.fingerprint, "", data.notes)


def _to_fit(data: TextData, chosen: str) -> Split | None:
    """The training rows, where they are not the very rows that are looked at."""
    return data.splits["train"] if chosen != "train" else None


def _without_labels(recipe: Recipe, split: str | None, error: DataError) -> InspectedRows:
    """Read texts alone, if a missing column of labels was all that stood in the way."""
    from textlstm.inference.prediction_columns import find_text_columns

    part, notes = recipe.data, list[str]()
    raws = find_splits(
        part.source,
        name=part.config,
        revision=part.revision,
        mirror=part.mirror,
        encoding=part.encoding,
        drop_bad_rows=part.on_bad_rows == "drop",
        notes=notes,
    )
    name = split or ("test" if "test" in raws else next(iter(raws)))
    if name not in raws or _has_labels(raws[next(iter(raws))], part.text_columns):
        raise error
    try:
        columns = list(part.text_columns) if part.text_columns else find_text_columns(raws[name])
        texts = texts_of(raws[name], Columns(columns, ""))
    except DataError:
        raise error from None
    if not len(texts):
        raise error
    why = f"{part.source} has no column of labels that could be found."
    return InspectedRows(Split(texts, None, raws[name].rows), None, name, str(part.source), "", why, notes)


def _has_labels(raw: RawSplit, text_columns: list[str] | None) -> bool:
    """Whether both columns can be told, so that the fault lies elsewhere."""
    try:
        choose_columns(raw, text_columns=text_columns, label_column=None)
    except DataError:
        return False
    return True
