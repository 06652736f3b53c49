"""load_data as a whole: bad rows are named or counted, splits agree, and the real benchmark sets load."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.datasets import load_data
from textlstm.text.reading import open_writer

DATA = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent"))
SETS = sorted(path.name for path in DATA.iterdir() if path.is_dir()) if DATA.is_dir() else []
needs_data = pytest.mark.skipif(not SETS, reason="TEXTLSTM_DATA_DIR is not set")


def csv(tmp_path, body, name="data.csv"):
    (tmp_path / name).write_text(body)
    return tmp_path / name


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "tsv.gz", "arrow"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(words, min_size=4, max_size=10), data=st.data())
def test_any_texts_and_labels_survive_every_kind(tmp_path, suffix, texts, data):
    names = data.draw(st.lists(words.map(str.strip), min_size=2, max_size=3, unique=True))
    labels = [names[i % len(names)] for i in range(len(texts))]
    path = tmp_path / f"a.{suffix}"
    with open_writer(path) as out:
        out.write(pa.record_batch({"text": pa.array(texts), "label": pa.array(labels)}))
    loaded = load_data(path)
    assert loaded.splits["train"].text_list() == texts
    assert [loaded.label_names[i] for i in loaded.splits["train"].labels] == labels
    assert loaded.fingerprint == load_data((texts, labels)).fingerprint


def test_bad_rows_are_named_with_row_and_line(tmp_path):
    path = csv(tmp_path, 'text,label\n"two\nlines",a\n  ,b\nfine,\n,a\nok,b\n')
    with pytest.raises(
        DataError, match=r"2 rows have an empty text: data\.csv row 2 \(line 4\), 4\. Mend.*--on-bad-rows drop"
    ):
        load_data(path)
    data = load_data(path, on_bad_rows="drop")
    assert data.splits["train"].rows.tolist() == [0, 4]
    assert any("dropped 2 rows with an empty text (row 2, 4)" in note for note in data.notes)
    assert any("dropped 1 row with no label (row 3)" in note for note in data.notes)


def test_dropped_rows_of_the_reader_keep_the_numbers_right(tmp_path):
    path = csv(tmp_path, "text,label\na,x\ntoo,many,fields\nb,y\n,x\nc,x\n")
    data = load_data(path, on_bad_rows="drop")
    assert data.splits["train"].rows.tolist() == [0, 2, 4]
    assert any("dropped 1 rows that could not be read (row 2)" in note for note in data.notes)


def test_unknown_labels_in_test(tmp_path):
    train, test = csv(tmp_path, "text,label\na,x\nb,y\n"), csv(tmp_path, "text,label\na,x\nb,z\n", "t.csv")
    with pytest.raises(
        DataError, match=r"t\.csv: 1 row has an unknown label: t\.csv row 2 \(line 3\)\. The known labels are x, y"
    ):
        load_data(train, test=test)
    assert len(load_data(train, test=test, on_bad_rows="drop").splits["test"]) == 1
    named = load_data(train, test=test, label_names=["z", "y", "x"])
    assert named.splits["test"].labels.tolist() == [2, 0]
    assert any("no training row has the label z" in note for note in named.notes)


def test_validation_and_test_from_elsewhere(tmp_path):
    train, other = csv(tmp_path, "text,label\na,x\nb,y\n"), csv(tmp_path, "label,text\ny,c\n", "v.csv")
    data = load_data({"train": (["a", "b"], ["x", "y"]), "test": (["q"], ["x"])}, validation=other, test=str(other))
    assert list(data.splits) == ["train", "validation", "test"]
    assert data.splits["test"].text_list() == ["c"]
    assert any("test split of a dict in memory was replaced" in note for note in data.notes)
    with pytest.raises(DataError, match="has the splits train, test; name the one file"):
        load_data(train, validation={"train": other_table(), "test": other_table()})


def other_table():
    return pa.table({"text": ["a"], "label": ["x"]})


def test_a_test_split_may_be_unlabeled_and_validation_may_not(tmp_path):
    train = csv(tmp_path, "text,label\na,x\nb,y\n")
    bare = csv(tmp_path, "text\nc\n", "bare.csv")
    data = load_data(train, test=bare)
    assert data.splits["test"].labels is None
    assert any("test split is unlabeled" in note for note in data.notes)
    with pytest.raises(DataError, match="no column 'label', which holds the labels"):
        load_data(train, validation=bare)


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        ("text,label\n", {}, "column names and no rows"),
        ("text,label\na,x\nb,x\n", {}, "only the label 'x'"),
        ("text,label\n,x\n ,y\n", {"on_bad_rows": "drop"}, "no row is left"),
        ("text,label\na,x\nb,y\n", {"text_columns": ["txt"]}, "no column 'txt'.*Did you mean 'text'"),
        ("great film,pos\nbad film,neg\nother,pos\n", {}, "first line looks like data"),
        ("text,label\na,x\nb,y\n", {"on_bad_rows": "ignore"}, "'error' or 'drop'"),
        ("text,label\na,x\nb,y\n", {"label_separator": ""}, "empty string"),
    ],
)
def test_data_that_cannot_be_learned_from(tmp_path, body, options, message):
    with pytest.raises(DataError, match=message):
        load_data(csv(tmp_path, body), **options)


def test_several_text_columns_and_several_labels(tmp_path):
    path = csv(tmp_path, "title,body,tags\nT,B,a; b\nU,,\nV,W,b\n")
    data = load_data(path, text_columns=["title", "body"], label_separator=";")
    assert data.splits["train"].text_list() == ["T\nB", "U", "V\nW"]
    assert data.multi_label
    assert data.splits["train"].labels.astype(int).tolist() == [[1, 1], [0, 0], [0, 1]]


def test_blanks_around_labels_are_counted(tmp_path):
    data = load_data(csv(tmp_path, "text,label\na, x\nb,y\nc,x\n"))
    assert data.label_names == ["x", "y"]
    assert any("blanks around 1 labels were removed" in note for note in data.notes)


def test_the_fingerprint_is_about_content(tmp_path):
    body = "text,label\na,x\nb,y\n"
    first = load_data(csv(tmp_path, body)).fingerprint
    assert first == load_data(csv(tmp_path, body.replace("text", "review"), "b.csv")).fingerprint
    assert len(first) == 16 and int(first, 16) >= 0
    assert first != load_data(csv(tmp_path, body.replace("a,x", "a,y").replace("b,y", "b,x"), "c.csv")).fingerprint
    assert first != load_data(tmp_path / "data.csv", label_names=["y", "x"]).fingerprint


def test_reading_imports_nothing_heavy():
    code = (
        "import sys, textlstm.text.reading, textlstm.text.checks\n"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pandas', 'polars'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (done.returncode, done.stderr) == (0, "")


@needs_data
@pytest.mark.parametrize("name", SETS)
def test_every_real_set_loads_whole(name, monkeypatch):
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(DATA))
    empty = {"cr": 4, "mpqa": 3}.get(name, 0)
    if empty:
        with pytest.raises(DataError, match=f"train.parquet: {empty} rows have an empty text: train.parquet row"):
            load_data(name)
    data = load_data(f"someone/{name}", on_bad_rows="drop" if empty else "error")
    for split, rows in data.splits.items():
        source = pq.read_table(DATA / name / f"{split}.parquet")
        assert len(rows) == source.num_rows - (empty if split == "train" else 0)
        assert (np.array(source["label"])[rows.rows] == rows.labels).all()
    assert sum(f"dropped {empty} rows" in note for note in data.notes) == bool(empty)
    readme = (DATA / name / "README.md").read_text()
    assert f"- Labels (0, 1, ...): {', '.join(data.label_names)}." in readme


def test_rows_of_one_class_are_enough_when_the_classes_are_given():
    one = load_data({"text": ["a", "b"], "label": ["x", "x"]}, label_names=["x", "y"])
    assert one.label_names == ["x", "y"]
    assert one.splits["train"].labels.tolist() == [0, 0]
    with pytest.raises(DataError, match="two classes"):
        load_data({"text": ["a", "b"], "label": ["x", "x"]})
