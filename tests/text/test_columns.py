"""Columns are found when names or types are plain, and asked for when they are not."""

import pyarrow as pa
import pytest

from textlstm.errors import DataError
from textlstm.text.columns import choose_columns, looks_like_data, texts_of
from textlstm.text.tables import RawSplit, raw_table


def raw(columns, *, untyped=False):
    table = raw_table(pa.table(columns), "data.csv")
    return RawSplit(table.table, table.rows, table.origin, table.place, untyped)


@pytest.mark.parametrize(
    ("names", "text", "label"),
    [
        (["text", "label"], "text", "label"),
        (["Label", "TEXT"], "TEXT", "Label"),
        (["id", "Review Text", "Sentiment"], "Review Text", "Sentiment"),
        (["text", "title", "label", "category"], "text", "label"),
        (["content", "title", "label"], "content", "label"),
        (["question", "stars"], "question", "stars"),
        (["sentence", "idx", "labels"], "sentence", "labels"),
        (["tweet", "whatever"], "tweet", "whatever"),
        (["whatever", "class"], "whatever", "class"),
    ],
)
def test_telling_names(names, text, label):
    columns = choose_columns(raw({n: ["a", "b"] for n in names}), text_columns=None, label_column=None)
    assert (columns.text, columns.label) == ([text], label)
    plain = [text, label] == names == ["text", "label"]
    assert [repr(text) in note for note in columns.notes] == ([] if plain else [True])


@pytest.mark.parametrize("untyped", [False, True])
def test_the_only_string_column_and_the_only_other_one(untyped):
    columns = {"verdict": ["1", "2"] if untyped else [1, 2], "wording": ["a b", "c"], "id": ["7", "8"]}
    found = choose_columns(raw(columns, untyped=untyped), text_columns=None, label_column=None)
    assert (found.text, found.label) == (["wording"], "verdict")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sentence", "question", "label"], "open which column is the text: 'sentence', 'question'.*--text-column"),
        (["text", "category", "sentiment"], "open which column is the label: 'category', 'sentiment'.*--label-column"),
        (["title", "description", "label"], "'title', 'description'.*several to be joined"),
        (["foo", "bar"], "no column is plainly the text.*'foo', 'bar'.*--text-column"),
        (["text", "foo", "bar"], "no column is plainly the label.*--label-column"),
        (["text"], "no column is plainly the label"),
    ],
)
def test_ambiguous_names_list_the_columns_and_the_option(names, message):
    with pytest.raises(DataError, match=message):
        choose_columns(raw({name: ["a", "b"] for name in names}), text_columns=None, label_column=None)


def test_named_columns_are_taken_or_missed():
    data = raw({"a": ["x"], "b": ["y"], "label": ["z"]})
    assert choose_columns(data, text_columns=["b", "a"], label_column=None).text == ["b", "a"]
    assert choose_columns(data, text_columns=["b"], label_column="a").label == "a"
    with pytest.raises(DataError, match=r"no column 'lable'.*Did you mean 'label'"):
        choose_columns(data, text_columns=["a"], label_column="lable")
    with pytest.raises(DataError, match=r"named as text and as label"):
        choose_columns(data, text_columns=["a"], label_column="a")
    with pytest.raises(DataError, match=r"empty list"):
        choose_columns(data, text_columns=[], label_column="a")


@pytest.mark.parametrize(
    "columns",
    [
        {"I loved this film very much": ["dull", "fine"], "pos": ["neg", "pos"]},
        {"great": ["dull", "fine"], "1": ["0", "1"]},
        {"good": ["bad", "ugly"], "pos": ["pos", "neg"]},
    ],
)
def test_a_file_without_a_header_is_told(columns):
    data = raw(columns, untyped=True)
    assert looks_like_data(data)
    with pytest.raises(DataError, match=r"first line looks like data.*Put a line with column names.*text,label"):
        choose_columns(data, text_columns=None, label_column=None)
    with pytest.raises(DataError, match=r"no column 'text'.*first line looks like data"):
        choose_columns(data, text_columns=["text"], label_column=None)


def test_several_columns_are_joined_by_a_newline_without_the_empty_ones():
    data = raw({"title": ["T", None, "  ", ""], "body": ["B", "B", "B", None], "label": [1, 2, 1, 2]})
    columns = choose_columns(data, text_columns=["title", "body"], label_column=None)
    assert texts_of(data, columns).to_pylist() == ["T\nB", "B", "B", ""]


def test_texts_of_other_types():
    data = raw(
        {
            "words": [["a", "b"], None],
            "number": [1, 2],
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "view": pa.array(["x", None], pa.string_view()),
            "flag": [True, False],
            "label": ["p", "q"],
        }
    )

    def texts(name):
        result = texts_of(data, choose_columns(data, text_columns=[name], label_column="label"))
        assert result.type == pa.large_string() and result.null_count == 0
        return result.to_pylist()

    assert [texts(name) for name in ("words", "number", "kind", "view")] == [
        ["a b", ""],
        ["1", "2"],
        ["x", "y"],
        ["x", ""],
    ]
    with pytest.raises(DataError, match=r"'flag' holds bool, and text was expected"):
        texts("flag")
