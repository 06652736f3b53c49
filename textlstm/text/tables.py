"""Tables in memory as named splits: Arrow, pandas, polars, datasets, columns, rows, or texts with labels.

The libraries are recognized by their objects, never imported: a user's pandas frame brings its own pandas.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError
from textlstm.text.json_rows import common_type, typed_array

SPLIT_OF_NAME = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What a file, a folder or a key is taken for, by its name in lower case."""


@dataclass(frozen=True, eq=False)
class RawSplit:
    """A table as it was read, before columns and labels are understood.

    Attributes:
        table: all columns.
        rows: (rows,) int64, 0-based row numbers in the source.
        origin: the file, folder or object, as the user knows it.
        place: puts a source row number into words, such as "reviews.csv row 5 (line 7)".
        untyped: whether every cell is text because the file kind knows nothing else (csv, tsv).
    """

    table: pa.Table
    rows: np.ndarray
    origin: str
    place: Callable[[int], str]
    untyped: bool = False


def split_of(name: str) -> str | None:
    """Tell which split a name stands for.

    Args:
        name: such as "train", "dev", "test-00000-of-00002" or "train_data".

    Returns:
        "train", "validation", "test", or None.
    """
    return SPLIT_OF_NAME.get(re.split(r"[-_.\s]", name.lower(), maxsplit=1)[0])


def raw_table(table: pa.Table, origin: str) -> RawSplit:
    """Wrap a table whose rows are known by their number alone.

    Args:
        table: the rows.
        origin: what to call their source in messages.

    Returns:
        The split.
    """
    return RawSplit(table, np.arange(table.num_rows), origin, lambda row: f"{origin} row {row + 1}")


def splits_in_memory(source: object) -> dict[str, RawSplit]:
    """Read any of the in-memory forms.

    Args:
        source: a pyarrow Table or RecordBatch, a pandas or polars DataFrame, a datasets.Dataset, a dict of columns,
            a list of dicts, a tuple (texts, labels), or a dict from split names to any of these (a DatasetDict is one).

    Returns:
        Splits by name; a single table is "train".

    Raises:
        DataError: when it is none of these, or columns differ in length.
    """
    if isinstance(source, Mapping) and source and not any(_is_column(value) for value in source.values()):
        named = {key: SPLIT_OF_NAME.get(str(key).lower()) for key in source}
        splits = {split: raw_table(_table(source[key]), f"the {key} split") for key, split in named.items() if split}
        if len(splits) < sum(split is not None for split in named.values()):
            raise DataError(f"two of the keys {', '.join(map(str, source))} name the same split; keep one.")
        if not splits:
            raise DataError(
                f"a dict of splits has the keys train, validation and test; found {', '.join(map(str, source))}."
            )
        return splits
    return {"train": raw_table(_table(source), f"the {type(source).__name__}")}


def _is_column(value: object) -> bool:
    """Tell a column of values from a table."""
    if isinstance(value, (pa.Table, pa.RecordBatch, Mapping, tuple)) or hasattr(value, "columns"):
        return False
    if isinstance(value, (list, np.ndarray)) and len(value) and isinstance(value[0], Mapping):
        return False
    return not hasattr(value, "column_names")


def _table(source: object) -> pa.Table:
    """Make a table of one in-memory object."""
    library = type(source).__module__.partition(".")[0]
    if isinstance(source, pa.Table):
        return source
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if library == "datasets" and hasattr(source, "with_format") and hasattr(source, "num_rows"):
        dataset = cast(Any, source)
        table = dataset.with_format("arrow")[:]
        # The features hold the names of the classes; formatting drops them.
        return table.replace_schema_metadata(dataset.features.arrow_schema.metadata)
    if library == "pandas" and hasattr(source, "columns"):
        frame = cast(Mapping[str, Sequence[object]], source)
        names = list(frame.keys())
        if len(set(map(str, names))) < len(names):
            raise DataError(f"the DataFrame has two columns of one name: {', '.join(map(str, names))}. Rename one.")
        return _from_columns({str(name): frame[name] for name in names})
    if hasattr(source, "__arrow_c_stream__") and hasattr(source, "columns"):
        return _without_views(pa.table(source))
    if isinstance(source, Mapping):
        return _from_columns({str(name): values for name, values in source.items()})
    if isinstance(source, tuple) and len(source) == 2:
        return _from_columns({"text": source[0], "label": source[1]})
    if isinstance(source, Sequence) and source and all(isinstance(row, Mapping) for row in source):
        keys = dict.fromkeys(str(name) for row in source for name in row)
        return _from_columns({name: [row.get(name) for row in source] for name in keys})
    raise DataError(
        f"data in memory may be an Arrow table, a pandas or polars frame, a datasets.Dataset, a dict of columns, a "
        f"list of dicts or a tuple (texts, labels); found {type(source).__name__}."
    )


def _without_views(table: pa.Table) -> pa.Table:
    """Store polars' string views and the categories made of them as plain strings, which every Arrow function takes."""
    for i, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        kind = field.type
        if pa.types.is_dictionary(kind) and pa.types.is_string_view(kind.value_type):
            chunks = [chunk.dictionary.cast(pa.large_string()).take(chunk.indices) for chunk in column.chunks]
            table = table.set_column(i, field.name, pa.chunked_array(chunks, type=pa.large_string()))
        elif pa.types.is_string_view(kind):
            table = table.set_column(i, field.name, column.cast(pa.large_string()))
    return table


def _from_columns(columns: Mapping[str, Sequence[object]]) -> pa.Table:
    """Make a table of columns, which must be equally long."""
    arrays = {name: _array(name, values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"columns must be equally long, one value for each row: {shown} rows.")
    return pa.table(arrays)


def _array(name: str, values: Sequence[object]) -> pa.Array:
    """Make an Arrow column of any sequence; mixed kinds become text."""
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        raise DataError(f"{name} must be a sequence with one value for each row; found {type(values).__name__}.")
    if getattr(values, "ndim", 1) == 2:  # a matrix of 0/1 columns, one row each
        values = list(values)
    try:
        return pa.array(values, from_pandas=True)
    except UnicodeEncodeError as error:
        row = next(i for i, value in enumerate(values) if isinstance(value, str) and not _encodes(value))
        raise DataError(
            f"{name}: row {row + 1} holds half of a surrogate pair (such as \\ud83d), which is no character."
        ) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        # A pandas column mixes NaN with text; NaN is its missing value.
        cells = [None if isinstance(value, float) and value != value else value for value in values]
        return typed_array(cells, common_type(pa.null(), cells))


def _encodes(value: str) -> bool:
    """Say whether a string has only whole characters."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
