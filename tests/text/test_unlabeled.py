"""Texts without labels from any data, and none that is scored later."""

import pyarrow as pa
import pytest

from textlstm.errors import DataError
from textlstm.text.datasets import load_data
from textlstm.text.unlabeled import load_texts, without_held_out


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.txt", "one film\n\ntwo films\n"),
        ("labeled.csv", "text,label\none film,neg\ntwo films,pos\n"),
        ("unlabeled.csv", "id,review\n1,one film\n2,two films\n"),
        ("rows.jsonl", '{"body": "one film", "x": 1}\n{"body": "two films", "x": 2}\n'),
        ("only.csv", "words\none film\ntwo films\n"),
    ],
)
def test_texts_are_found_with_and_without_labels(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    texts, _ = load_texts(str(path))
    assert texts.text_list() == ["one film", "two films"]
    assert texts.labels is None


def test_named_columns_are_taken_where_there_are_such(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("text,note\nno,yes\n")
    assert load_texts(str(path), text_columns=["note"])[0].text_list() == ["yes"]
    assert load_texts(str(path), text_columns=["absent"])[0].text_list() == ["no"]


@pytest.mark.parametrize(
    ("content", "words"), [("a,b\nx y,z w\n", "no column is plainly the text"), ("text\n \n", "holds no text")]
)
def test_what_has_no_plain_text_is_said(tmp_path, content, words):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=words):
        load_texts(str(path))


def test_a_folder_gives_its_training_texts_alone(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na film,neg\n")
    (tmp_path / "test.csv").write_text("text,label\na test,neg\n")
    assert load_texts(str(tmp_path))[0].text_list() == ["a film"]


def test_held_out_texts_are_left_out_however_they_are_written():
    data = load_data((["a", "b"], ["x", "y"]), test=(["Good, film!"], ["x"]))
    texts, _ = load_texts({"text": ["good film", "bad film"]})
    kept, notes = without_held_out(texts, [data.splits["test"]], source="t")
    assert kept.text_list() == ["bad film"]
    assert "1 of 2" in notes[0]
    nothing, notes = without_held_out(texts.take([0]), [data.splits["test"]], source="t")
    assert nothing is None
    assert "all 1 texts of t" in notes[0]
    whole, notes = without_held_out(texts, [], source="t")
    assert isinstance(whole.texts, pa.Array | pa.ChunkedArray) and len(whole) == 2 and notes == []
