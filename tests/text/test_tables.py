"""Data in memory: every form gives the same texts and labels."""

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from textlstm.errors import DataError
from textlstm.text.datasets import load_data
from textlstm.text.tables import split_of, splits_in_memory

TEXTS = ["good film", "bad film", "ünïcode 字", "ok"]
LABELS = ["pos", "neg", "pos", "neg"]


def forms():
    columns = {"text": TEXTS, "label": LABELS}
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
    frame = pd.DataFrame(columns, index=[9, 8, 7, 6])
    return {
        "tuple": (TEXTS, LABELS),
        "tuple of arrays": (np.array(TEXTS), np.array(LABELS)),
        "tuple of series": (frame["text"], frame["label"]),
        "tuple of objects": (np.array(TEXTS, dtype=object), pa.array(LABELS)),
        "dict": columns,
        "rows": rows,
        "arrow": pa.table(columns),
        "batch": pa.record_batch(columns),
        "pandas": frame,
        "pandas objects": frame.astype(object),
        "pandas categories": frame.astype({"label": "category"}),
        "polars": pl.DataFrame(columns),
        "polars categories": pl.DataFrame(columns).with_columns(pl.col("label").cast(pl.Categorical)),
        "splits": {"train": frame},
    }


@pytest.mark.parametrize("form", list(forms()))
def test_every_form_is_the_same_data(form):
    data = load_data(forms()[form])
    assert data.splits["train"].text_list() == TEXTS
    assert (data.label_names, data.splits["train"].labels.tolist()) == (["neg", "pos"], [1, 0, 1, 0])
    assert data.fingerprint == load_data((TEXTS, LABELS)).fingerprint


def test_hugging_face_datasets_keep_class_names_and_row_order():
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    whole = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 0, 1]}, features=features)
    data = load_data(datasets.DatasetDict({"train": whole, "dev": whole.select([3, 0])}))
    assert data.label_names == ["pos", "neg"]
    assert data.splits["validation"].text_list() == ["ok", "good film"]
    assert data.splits["validation"].labels.tolist() == [1, 0]
    assert load_data(whole).splits["train"].labels.tolist() == [0, 1, 0, 1]


def test_split_dicts_are_told_from_columns():
    data = load_data(
        {"train": (TEXTS, LABELS), "val": [{"text": "a", "label": "pos"}], "test": {"text": ["b"], "label": ["neg"]}}
    )
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 4, "validation": 1, "test": 1}


def test_mixed_and_missing_values_of_pandas():
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": pd.Series(["x", float("nan"), 1], dtype=object)})
    with pytest.raises(DataError, match="1 row has no label: the DataFrame row 2"):
        load_data(frame)
    assert load_data(frame, on_bad_rows="drop").label_names == ["1", "x"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((TEXTS, LABELS[:2]), "equally long.*text has 4, label has 2"),
        ({"text": TEXTS, "label": LABELS[:1]}, "equally long"),
        (("a text", "pos"), "must be a sequence"),
        (pd.DataFrame([["a", "b", "c"]], columns=["text", "text", "label"]), "two columns of one name"),
        (pa.table([["a"], ["b"]], names=["text", "text"]), "two columns of one name"),
        ((["cut \ud83d"], ["a"]), "row 1 holds half of a surrogate pair"),
        (3, "found int"),
        ([], "found list"),
        (TEXTS, "found list"),
        ({"train": (TEXTS, LABELS), "training": (TEXTS, LABELS)}, "the same split"),
        ({"first": (TEXTS, LABELS)}, "keys train, validation and test"),
    ],
)
def test_what_is_no_data(source, message):
    with pytest.raises(DataError, match=message):
        load_data(source)


def test_several_labels_in_memory():
    data = load_data((TEXTS, [["a"], [], ["a", "b"], np.array(["b"])]))
    assert data.multi_label
    assert data.splits["train"].labels.tolist() == [[True, False], [False, False], [True, True], [False, True]]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("DEV.csv", "validation"),
        ("test-00000-of-00002.parquet", "test"),
        ("trainer", None),
        ("", None),
    ],
)
def test_names_of_splits(name, split):
    assert split_of(name) == split


def test_nothing_is_imported_for_a_frame():
    assert splits_in_memory(pl.DataFrame({"text": ["a"], "label": [1]}))["train"].table.num_rows == 1
