"""The test texts of a grid, kept in its folder: reports show the hard ones without reading the data again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textlstm.atomic_files import replacing
from textlstm.text.datasets import TextData

TEXTS_FILE = "test_texts.parquet"
_DATA_KEY = b"data"


def keep_test_texts(folder: Path, data: TextData) -> None:
    """Write the texts that the grid is scored on, unless they are there.

    Args:
        folder: of the grid; made when absent.
        data: its test split is kept, or all rows where folds stand for one.
    """
    path = folder / TEXTS_FILE
    mark = {_DATA_KEY: data.fingerprint.encode()}
    # A grid that was stopped before its first run may be begun anew on other data.
    if path.exists() and (pq.read_schema(path).metadata or {}).get(_DATA_KEY) == mark[_DATA_KEY]:
        return
    folder.mkdir(parents=True, exist_ok=True)
    split = data.splits["test" if "test" in data.splits else "train"]
    table = pa.table({"row": split.rows, "text": split.texts}).replace_schema_metadata(mark)
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_test_texts(folder: Path, rows: set[int]) -> dict[int, str]:
    """Read some of the texts.

    Args:
        folder: of the grid.
        rows: row numbers.

    Returns:
        Text by row number; empty where none were kept.
    """
    path = folder / TEXTS_FILE
    if not path.exists():
        return {}
    table = pq.read_table(path, filters=[("row", "in", rows)])
    return dict(zip(table["row"].to_pylist(), table["text"].to_pylist(), strict=True))
