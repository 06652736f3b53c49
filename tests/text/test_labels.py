"""Labels of every kind become class numbers, in the order that is given, declared or natural."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.labels import choose_classes, class_array, natural_key, read_labels
from textlstm.text.tables import raw_table


def labels_of(values, *, separator=None, metadata=None):
    array = values if isinstance(values, pa.Array) else pa.array(values)
    table = pa.table({"label": array})
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": metadata}})})
    return read_labels(raw_table(table, "data"), "label", separator=separator)


def encoded(values, *, label_names=None, **options):
    labels = labels_of(values, **options)
    classes = choose_classes(labels, label_names=label_names, origin="data")
    numbers, unknown = class_array(labels, classes)
    assert not unknown.any()
    return classes.names, numbers.tolist()


@pytest.mark.parametrize(
    ("values", "names", "numbers"),
    [
        (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
        ([10, 2, 1], ["1", "2", "10"], [2, 1, 0]),
        (["10", "2", "1"], ["1", "2", "10"], [2, 1, 0]),
        (["C10", "c2", "C1"], ["C1", "c2", "C10"], [2, 1, 0]),
        ([True, False], ["False", "True"], [1, 0]),
        ([1.0, 0.0], ["0", "1"], [1, 0]),
        ([3.5, 0.5, 1], ["0.5", "1", "3.5"], [2, 0, 1]),
        ([-1, 0, 1], ["-1", "0", "1"], [0, 1, 2]),
        (pa.array(["b", "a"]).dictionary_encode(), ["a", "b"], [1, 0]),
        (pa.DictionaryArray.from_arrays([1, 0], ["low", "high"], ordered=True), ["low", "high"], [1, 0]),
    ],
)
def test_single_labels(values, names, numbers):
    assert encoded(values) == (names, numbers)


def test_floats_stand_for_integers_with_gaps():
    labels = labels_of([1.0, float("nan"), 2.0])
    assert (labels.names, labels.missing.tolist()) == (["1", "2"], [False, True, False])


CLASS_LABEL = {"_type": "ClassLabel", "names": ["neg", "pos"]}


@pytest.mark.parametrize(
    "feature", [{"feature": CLASS_LABEL, "_type": "List"}, {"feature": CLASS_LABEL, "_type": "Sequence"}, [CLASS_LABEL]]
)
def test_class_labels_use_the_declared_names(feature):
    assert encoded([1, 0, 1], metadata={"label": CLASS_LABEL}) == (["neg", "pos"], [1, 0, 1])
    assert encoded([[1], [0, 1]], metadata={"label": feature}) == (["neg", "pos"], [[False, True], [True, True]])
    hidden = labels_of([1, -1], metadata={"label": CLASS_LABEL})
    assert hidden.missing.tolist() == [False, True]
    with pytest.raises(DataError, match="label 2 has no name; the column 'label' declares 2"):
        labels_of([2], metadata={"label": CLASS_LABEL})


def test_broken_metadata_is_as_none():
    table = pa.table({"label": [1, 2]}).replace_schema_metadata({"huggingface": "{no json"})
    assert read_labels(raw_table(table, "data"), "label", separator=None).names == ["1", "2"]


def test_given_names_set_the_order_or_name_positions():
    assert encoded(["b", "a"], label_names=["b", "a"]) == (["b", "a"], [0, 1])
    assert encoded([1, 0], label_names=["neg", "pos"]) == (["neg", "pos"], [1, 0])
    assert encoded(["1", "0"], label_names=["neg", "pos"]) == (["neg", "pos"], [1, 0])
    assert encoded(["1", "0"], label_names=["1", "0"]) == (["1", "0"], [0, 1])
    assert encoded([1, 0], label_names=["pos", "neg"], metadata={"label": CLASS_LABEL}) == (["pos", "neg"], [0, 1])


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (["a", "a"], {}, "only the label 'a'; a classifier needs two"),
        (["a" * 9999] * 2, {}, "only the label 'aaaaaa[a.]*'; a classifier needs two"),
        ([None, ""], {}, "no label at all"),
        (["a", "b"], {"label_names": ["a", "a"]}, "different, non-empty"),
        ([str(i) for i in range(60)], {}, "60 different values in 60 rows"),
        ([1, 0], {"label_names": ["x", "y"], "metadata": {"label": CLASS_LABEL}}, "declares the classes 'neg', 'pos'"),
        (pa.array([b"a"]), {}, "holds binary; labels are"),
        ([1, 2], {"separator": ","}, "only strings can be parted"),
    ],
)
def test_what_is_no_set_of_classes(values, options, message):
    with pytest.raises(DataError, match=message):
        encoded(values, **options)


@pytest.mark.parametrize(
    ("values", "separator"),
    [([["b", "a"], [], ["a"]], None), (["b| a", "", "a|"], "|"), ([[2, 1], [], [1]], None)],
)
def test_several_labels_a_row(values, separator):
    names, matrix = encoded(values, separator=separator)
    assert len(names) == 2
    assert matrix == [[True, True], [False, False], [True, False]]


def test_missing_labels_of_every_kind():
    assert labels_of(["a", None, " ", "b"]).missing.tolist() == [False, True, True, False]
    assert labels_of([["a"], None, ["b", None]]).missing.tolist() == [False, True, True]
    assert labels_of(["a|b", None, ""], separator="|").missing.tolist() == [False, True, False]


def test_blanks_are_removed_and_counted_and_case_is_kept():
    labels = labels_of([" pos", "pos", "Pos", "pos\u00a0"])
    assert (labels.names, labels.trimmed) == (["pos", "Pos"], 2)


def test_unknown_labels_are_marked():
    classes = choose_classes(labels_of(["a", "b"]), label_names=None, origin="data")
    assert class_array(labels_of(["b", "c", None]), classes)[1].tolist() == [False, True, False]


@given(st.lists(st.text(max_size=6)))
def test_natural_order_does_not_depend_on_the_input_order(names):
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)


@given(st.lists(st.one_of(st.none(), st.lists(st.sampled_from("abcdef"), max_size=3)), min_size=1, max_size=12))
def test_the_matrix_says_what_the_lists_said(rows):
    labels = labels_of(pa.array(rows, pa.list_(pa.string())))
    if not labels.names:
        return
    classes = choose_classes(labels, label_names=None, origin="data")
    matrix, _ = class_array(labels, classes)
    assert labels.missing.tolist() == [row is None for row in rows]
    for row, marks in zip(rows, matrix, strict=True):
        assert {classes.names[i] for i in np.flatnonzero(marks)} == set(row or [])
