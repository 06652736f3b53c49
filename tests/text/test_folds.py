"""Folds: every row once, rows of one text together, class shares and sizes even, and the same folds every time."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.datasets import TextData, load_data
from textlstm.text.folds import fold_rows, pooled, with_fold
from textlstm.text.overlap import shared_rows, text_keys
from textlstm.text.splits import Split

DATA = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="TEXTLSTM_DATA_DIR is not set")


def split_of(labels, texts=None):
    texts = [f"text {row}" for row in range(len(labels))] if texts is None else texts
    return Split(pa.array(texts, pa.large_string()), np.array(labels), np.arange(len(labels)))


def data_of(split, **others):
    return TextData({"train": split, **others}, ["a", "b", "c"], False, "here", "0" * 16, [])


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(8, 40), min_size=2, max_size=4),
    folds=st.integers(2, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_without_repeated_texts_classes_and_sizes_differ_by_one_row_at_most(counts, folds, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    numbers = fold_rows(split_of(labels), folds=folds, multi_label=False, seed=seed)
    assert np.ptp(np.bincount(numbers, minlength=folds)) <= 1
    for label in range(len(counts)):
        assert np.ptp(np.bincount(numbers[labels == label], minlength=folds)) <= 1
    again = fold_rows(split_of(labels), folds=folds, multi_label=False, seed=seed)
    assert numbers.tolist() == again.tolist()


@settings(deadline=None, max_examples=60)
@given(data=st.data(), folds=st.integers(2, 5), seed=st.integers(0, 2**32 - 1))
def test_rows_of_one_text_share_a_fold_whatever_their_dress_and_label(data, folds, seed):
    rng = np.random.default_rng(seed)
    repeats = data.draw(st.lists(st.integers(1, 6), min_size=30, max_size=60))
    words = np.repeat(np.arange(len(repeats)), repeats)
    rng.shuffle(words)
    texts = [f"Word {word} !" if rng.random() < 0.5 else f"word {word}" for word in words]
    labels = np.where(rng.random(len(words)) < 0.05, 1 - words % 2, words % 2)  # some texts have two labels
    split = split_of(labels, texts)
    numbers = fold_rows(split, folds=folds, multi_label=False, seed=seed)
    for key in np.unique(text_keys(split.texts)):
        assert len(set(numbers[text_keys(split.texts) == key])) == 1
    sizes = np.bincount(numbers, minlength=folds)
    assert np.ptp(sizes) <= 2 * max(repeats)
    for label in (0, 1):
        assert np.bincount(numbers[labels == label], minlength=folds).min() > 0


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), folds=st.integers(2, 6))
def test_several_labels_a_row_are_spread_more_evenly_than_by_chance(seed, folds):
    rng = np.random.default_rng(seed)
    labels = rng.random((240, 5)) < np.array([0.5, 0.3, 0.2, 0.1, 0.05])

    def uneven(numbers):
        return sum(np.bincount(numbers[labels[:, label]], minlength=folds).std() for label in range(5))

    numbers = fold_rows(split_of(labels), folds=folds, multi_label=True, seed=seed)
    chance = np.mean([uneven(rng.permutation(np.arange(240) % folds)) for _ in range(20)])
    assert uneven(numbers) < chance
    assert np.ptp(np.bincount(numbers, minlength=folds)) <= 6


def test_seeds_draw_other_folds():
    split = split_of(np.arange(60) % 2)
    one, other = (fold_rows(split, folds=5, multi_label=False, seed=seed) for seed in (0, 1))
    assert one.tolist() != other.tolist()


def test_a_heavy_text_of_one_class_starves_no_fold_of_another():
    labels, texts = [0] * 40 + [1] * 4, ["the same"] * 30 + [f"t{row}" for row in range(14)]
    numbers = fold_rows(split_of(labels, texts), folds=4, multi_label=False)
    assert sorted(numbers[40:]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("labels", "texts", "folds", "multi_label", "words"),
    [
        (
            [0] * 9 + [1] * 3,
            None,
            4,
            False,
            "the rarest class has 3 different texts.*ask for 3 folds or fewer, or merge",
        ),
        ([0] * 9 + [1] * 3, None, 1, False, "2 folds or more, and 1 was asked for"),
        ([0, 1, 1], None, 2, False, "has 1 different texts.*ask for a held-out test split instead"),
        ([0, 0, 0, 1, 1, 1], ["a", "b", "c", "d", "D", "d."], 2, False, "the rarest class has 1 different"),
        (np.ones((3, 2), dtype=bool), None, 4, True, "there are 3 different texts"),
    ],
)
def test_rows_that_cannot_be_parted_so_are_refused(labels, texts, folds, multi_label, words):
    with pytest.raises(DataError, match=words):
        fold_rows(split_of(labels, texts), folds=folds, multi_label=multi_label)


def test_unlabeled_rows_have_no_folds():
    bare = Split(pa.array(["a", "b"], pa.large_string()), None, np.arange(2))
    with pytest.raises(DataError, match="name the column of labels"):
        fold_rows(bare, folds=2, multi_label=False)


def test_a_class_that_no_row_has_is_no_obstacle():
    assert set(fold_rows(split_of([0, 2] * 6), folds=3, multi_label=False)) == {0, 1, 2}


def test_the_folds_of_a_set_score_every_row_once():
    split = split_of(np.arange(50) % 3)
    data = data_of(split)
    scored = []
    for fold in range(4):
        made = with_fold(data, fold=fold, folds=4)
        train, test = made.splits["train"], made.splits["test"]
        assert sorted([*train.rows, *test.rows]) == list(range(50))
        assert test.text_list() == [f"text {row}" for row in test.rows]
        assert np.array_equal(test.labels, split.labels[test.rows])
        assert f"fold {fold + 1} of 4: {len(test)} of the 50 training rows are the test split" in made.notes[-1]
        assert (made.fingerprint, data.notes) == (data.fingerprint, [])
        scored += test.rows.tolist()
    assert sorted(scored) == list(range(50))


def test_folds_are_refused_where_a_test_split_waits():
    data = data_of(split_of(np.arange(30) % 2), test=split_of([0, 1]))
    with pytest.raises(DataError, match="here has one with 2 labeled rows; leave out"):
        with_fold(data, fold=0, folds=3)
    with pytest.raises(DataError, match="counted from 0 to 2, and fold 3"):
        with_fold(data_of(split_of(np.arange(30) % 2)), fold=3, folds=3)
    unlabeled = Split(pa.array(["q"], pa.large_string()), None, np.arange(1))
    made = with_fold(data_of(split_of(np.arange(30) % 2), test=unlabeled), fold=0, folds=3)
    assert len(made.splits["test"]) == 10


def test_pooling_joins_what_a_copy_has_parted():
    unlabeled = Split(pa.array(["q"], pa.large_string()), None, np.arange(1))
    parts = {"validation": split_of([1, 1], ["d", "e"]), "test": split_of([0], ["f"])}
    made = pooled(data_of(split_of([0, 1, 0], ["a", "b", "c"]), **parts))
    assert list(made.splits) == ["train"]
    assert made.splits["train"].text_list() == list("abcdef")
    assert made.splits["train"].labels.tolist() == [0, 1, 0, 1, 1, 0]
    assert made.splits["train"].rows.tolist() == list(range(6))
    assert made.notes == ["all labeled rows pooled: 3 train, 2 validation, 1 test"]
    assert "test has no labels and is left aside" in pooled(data_of(split_of([0, 1]), test=unlabeled)).notes
    alone = data_of(split_of([0, 1]))
    assert pooled(alone) is alone


@needs_data
@pytest.mark.parametrize("name", ["mr", "subj", "cr", "mpqa"])
def test_ten_folds_of_the_cross_validated_sets(name, monkeypatch):
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(DATA))
    data = load_data(name, on_bad_rows="drop")
    split = data.splits["train"]
    numbers = fold_rows(split, folds=10, multi_label=False)
    assert np.ptp(np.bincount(numbers)) <= 2
    for label in (0, 1):
        assert np.ptp(np.bincount(numbers[split.labels == label])) <= 2
    made = with_fold(data, fold=7, folds=10)
    assert shared_rows(made.splits["test"], made.splits["train"]).count == 0
    repeated = len(split) - len(np.unique(text_keys(split.texts)))
    assert repeated == {"mr": 2, "subj": 2, "cr": 8, "mpqa": 2377}[name]  # MPQA's three empty rows are dropped
