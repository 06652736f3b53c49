"""The test texts of a grid, kept in its folder: reports show the hard ones without reading the data again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textlstm.text.datasets import TextData

TEXTS_FILE = "test_texts.parquet"


def keep_test_texts(folder: Path, data: TextData) -> None:
    """Write the texts that the grid is scored on, unless they are there.

    Args:
        folder: of the grid.
        data: its test split is kept, or all rows where folds stand for one.
    """
    path = folder / TEXTS_FILE
    if path.exists():
        return
    split = data.splits["test" if "test" in data.splits else "train"]
    partial = path.with_name(f"{path.name}.partial")
    pq.write_table(pa.table({"row": split.rows, "text": split.texts}), partial, compression="zstd")
    partial.replace(path)


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
