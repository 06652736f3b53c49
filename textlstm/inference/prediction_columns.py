"""Columns of a file of texts: which of them are the text, and those that predictions add."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from textlstm.errors import DataError
from textlstm.inference.predictor import Predictor
from textlstm.text.columns import INDEX_NAMES, LABEL_TIERS, TEXT_TIERS, is_string, looks_like_data
from textlstm.text.tables import RawSplit

FALLBACK_PREFIX = "predicted_"


def find_text_columns(raw: RawSplit) -> list[str]:
    """Find the text by the names that training looks for, or as the only column of strings that is no label.

    Args:
        raw: a table, with or without labels.

    Returns:
        The column's name, in a list.

    Raises:
        DataError: it is open which column is the text.
    """
    plain = {name: re.sub(r"[\W_]", "", name.lower()) for name in raw.table.column_names}
    for tier in TEXT_TIERS:
        if found := [name for name in plain if plain[name] in tier]:
            break
    else:
        aside = INDEX_NAMES.union(*LABEL_TIERS)
        strings = [name for name in plain if is_string(raw.table.schema.field(name).type)]
        found = [name for name in strings if plain[name] not in aside]
    if len(found) == 1 and not (len(plain) == 1 and looks_like_data(raw)):
        return found
    if looks_like_data(raw):
        cause = "the first line looks like data and not like column names; put a line with column names above it, or"
    elif found:
        cause = f"{', '.join(map(repr, found))} all could be; name one, or several to be joined, and"
    else:
        cause = f"the columns are {', '.join(map(repr, plain))};"
    raise DataError(f"{raw.origin}: it is open which column is the text: {cause} pass --text-column.")


def new_fields(
    predictor: Predictor,
    names: list[str],
    source: str | Path,
    *,
    prefix: str | None,
    probabilities: bool,
    top_k: int | None,
) -> tuple[list[pa.Field], list[str]]:
    """Name the new columns so that none is a column of the file, with a note when that took a prefix.

    Args:
        predictor: the model.
        names: the file's columns.
        source: the file.
        prefix: put before the new names; None puts `FALLBACK_PREFIX` there where a name is taken.
        probabilities: whether there is a column of every label's probability.
        top_k: how many labels a column of the most probable ones has; None leaves it out.

    Returns:
        The fields, and sentences for the user.

    Raises:
        DataError: a prefixed name is taken.
    """
    label = pa.list_(pa.string()) if predictor.multi_label else pa.string()
    kinds: dict[str, pa.DataType] = {"label": label, "score": pa.float32()}
    if top_k is not None:
        kinds["top_labels"] = pa.list_(pa.struct([pa.field("label", pa.string()), pa.field("score", pa.float32())]))
    if probabilities:
        kinds["probabilities"] = pa.struct([pa.field(name, pa.float32()) for name in predictor.label_names])
    taken = [name for name in kinds if f"{prefix or ''}{name}" in names]
    note = []
    if taken and prefix is None:
        first, prefix = taken[0], FALLBACK_PREFIX
        taken = [name for name in kinds if f"{prefix}{name}" in names]
        new = " and ".join(repr(f"{prefix}{name}") for name in kinds)
        note = [f"{source} already has a column {first!r}, so the new columns are called {new}."]
    if taken:
        raise DataError(
            f"{source} already has a column {f'{prefix or str()}{taken[0]}'!r}, and predictions would be written under"
            " that name; pass another prefix for the new columns, such as --prefix model_, or rename the old column."
        )
    return [pa.field(f"{prefix or ''}{name}", kind) for name, kind in kinds.items()], note


def prediction_columns(
    predictor: Predictor, chances: NDArray[np.float32], *, probabilities: bool, top_k: int | None
) -> list[pa.Array]:
    """Make the new columns in whole arrays.

    Args:
        predictor: the model.
        chances: (rows, classes).
        probabilities: as `new_fields` takes it.
        top_k: as `new_fields` takes it.

    Returns:
        Columns in the order of `new_fields`; a row without a label has null there.
    """
    names = pa.array(predictor.label_names, pa.string())
    ranked = np.argsort(-chances, axis=1, kind="stable")
    given = np.take_along_axis(predictor.given(chances), ranked, axis=1)
    if predictor.multi_label:
        offsets = np.concatenate([[0], np.cumsum(given.sum(axis=1))])
        label = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names.take(pa.array(ranked[given])))
    else:
        label = names.take(pa.array(ranked[:, 0], mask=~given[:, 0]))
    columns = [label, pa.array(chances.max(axis=1))]
    if top_k is not None:
        best = ranked[:, :top_k]
        entries = pa.StructArray.from_arrays(
            [names.take(pa.array(best.ravel())), pa.array(np.take_along_axis(chances, best, axis=1).ravel())],
            names=["label", "score"],
        )
        offsets = np.arange(len(chances) + 1) * best.shape[1]
        columns.append(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), entries))
    if probabilities:
        each = [pa.field(name, pa.float32()) for name in predictor.label_names]
        columns.append(pa.StructArray.from_arrays([pa.array(chance) for chance in chances.T], fields=each))
    return columns


def schema_with(found: pa.Schema, fields: list[pa.Field]) -> pa.Schema:
    """Append fields, and describe them in the note that `datasets` keeps in a file, which must list every column.

    Args:
        found: of the file.
        fields: the new ones.

    Returns:
        All of them, with the metadata.
    """
    metadata: dict[bytes, bytes] = dict(found.metadata or {})
    note = metadata.pop(b"huggingface", None)
    if note is not None:
        try:
            described = json.loads(note)
            described["info"]["features"].update({field.name: _feature(field.type) for field in fields})
            metadata[b"huggingface"] = json.dumps(described).encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # not of the form that `datasets` writes: it would only mislead
    return pa.schema([*found, *fields], metadata=metadata)


def _feature(kind: pa.DataType) -> dict[str, Any]:
    """Spell a type as `datasets.Features` is stored."""
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": "float32" if pa.types.is_float32(kind) else "string", "_type": "Value"}
