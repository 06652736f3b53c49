"""Which rows a run may see: the table of the module, nested subsets, and a test split that nobody trains on."""

import dataclasses
import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text.datasets import TextData, load_data
from textlstm.text.overlap import shared_notes, text_keys
from textlstm.text.protocol import (
    check_size,
    labeled_split,
    load_recipe_data,
    use_rows,
    validation_rows,
    with_test_split,
)
from textlstm.text.splits import Split, hold_out


def split_of(rows, *, classes=3, seed=0, labeled=True):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, max(0, rows - classes))])[:rows]
    texts = pa.array([f"text {row}" for row in range(rows)], pa.large_string())
    return Split(texts, labels if labeled else None, np.arange(rows))


def data_of(rows, **others):
    return TextData({"train": split_of(rows), **others}, ["a", "b", "c"], False, "here", "0" * 16, [])


def rows_of(split):
    return set(split.rows.tolist())


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (2, 0),
        (499, 0),
        (500, 75),
        (600, 90),
        (2000, 300),
        (2001, 200),
        (3000, 300),
        (9_999, 1000),
        (10**6, 1000),
    ],
)
def test_validation_follows_the_table(labels, rows):
    assert validation_rows(labels) == rows


@given(st.integers(500, 10**7))
def test_validation_is_never_too_small_to_choose_by_nor_too_large_to_give_away(labels):
    assert 75 <= validation_rows(labels) <= min(1000, 0.15 * labels + 1)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([3, 50, 499, 500, 600, 3000, "full"]), st.integers(0, 2**32 - 1))
def test_a_size_counts_every_label_that_is_looked_at(size, seed):
    data = data_of(3500)
    used = use_rows(data, size=size, seed=seed)
    rows = 3500 if size == "full" else size
    assert used.labels_used == rows
    held_out = rows_of(used.validation) if used.validation is not None else set()
    assert len(held_out) == validation_rows(rows)
    assert not rows_of(used.train) & held_out
    for split in (used.train, used.validation):
        if split is not None:  # rows keep their own texts and labels
            assert split.text_list() == [f"text {row}" for row in split.rows]
            assert np.array_equal(split.labels, data.splits["train"].labels[split.rows])
    assert set(used.train.labels) == {0, 1, 2}


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(3, 900), min_size=2, max_size=4), st.integers(0, 2**32 - 1))
def test_subsets_of_one_seed_are_nested(sizes, seed):
    data = data_of(900)
    seen = []
    for size in sorted(sizes):
        used = use_rows(data, size=size, seed=seed)
        seen.append(rows_of(used.train) | (rows_of(used.validation) if used.validation is not None else set()))
    assert all(small <= large for small, large in itertools.pairwise(seen))


def test_seeds_draw_other_subsets_and_repeat_their_own():
    data = data_of(300)
    one, again, other = (use_rows(data, size=50, seed=seed).train.rows.tolist() for seed in (0, 0, 1))
    assert one == again != other


def test_a_given_validation_split_is_used_with_full_only():
    data = data_of(1000, validation=split_of(40, seed=1))
    assert use_rows(data, size="full", seed=0).validation is data.splits["validation"]
    assert use_rows(data, size="full", seed=0).labels_used == 1040
    assert use_rows(data, size=100, seed=0).validation is None
    assert rows_of(use_rows(data, size=600, seed=0).validation) <= rows_of(data.splits["train"])
    assert use_rows(data, size=600, seed=0).labels_used == 600


def test_splits_without_labels_are_left_aside_and_said():
    data = data_of(600, validation=split_of(40, labeled=False), test=split_of(30, labeled=False))
    used = use_rows(data, size="full", seed=0)
    assert used.test is None
    assert len(used.validation) == 90  # taken from the training rows, since the given ones cannot choose
    assert [note for note in used.notes if "left aside" in note] == [
        "validation has no labels and is left aside",
        "test has no labels and is left aside",
    ]


@pytest.mark.parametrize(
    ("size", "words"), [(301, "the training split of here has 300"), (2, "ask for 3 rows or more")]
)
def test_a_size_that_does_not_fit_is_refused(size, words):
    for refuse in (lambda: check_size(data_of(300), size), lambda: use_rows(data_of(300), size=size, seed=0)):
        with pytest.raises(DataError, match=words):
            refuse()
    check_size(data_of(300), "full")
    check_size(data_of(300), 300)


def test_a_comparison_without_a_test_split_holds_one_out_the_same_every_time():
    data = data_of(500)
    made, again = with_test_split(data), with_test_split(data)
    assert len(made.splits["test"]) == 100
    assert not rows_of(made.splits["test"]) & rows_of(made.splits["train"])
    assert made.splits["test"].rows.tolist() == again.splits["test"].rows.tolist()
    assert made.fingerprint == data.fingerprint
    assert "100 of the training rows held out" in made.notes[-1]
    assert data.notes == []
    assert with_test_split(made) is made
    unlabeled = data_of(500, test=split_of(30, labeled=False))
    assert with_test_split(unlabeled).splits["test"].labels is not None


def test_the_split_to_score_on_is_test_or_the_only_one_or_the_one_named():
    both = data_of(50, test=split_of(20))
    assert labeled_split(both, None) is both.splits["test"]
    assert labeled_split(both, "train") is both.splits["train"]
    assert labeled_split(data_of(50), None).rows.size == 50
    with pytest.raises(DataError, match="say which with --split"):
        labeled_split(data_of(50, validation=split_of(20)), None)
    with pytest.raises(DataError, match="here has train; name one of these"):
        labeled_split(data_of(50), "tset")
    with pytest.raises(DataError, match="Scores need labels"):
        labeled_split(data_of(50, test=split_of(20, labeled=False)), None)


def test_every_key_of_the_data_section_reaches_the_loader(tiny_recipe, tmp_path, monkeypatch):
    given = {}

    def fake_load_data(source, **options):
        given.update(options, source=source)
        return data_of(3)

    monkeypatch.setattr("textlstm.text.named_data.load_data", fake_load_data)
    values = {
        "source": "s",
        "mirror": "m",
        "config": "c",
        "revision": "r",
        "text_columns": ["t"],
        "label_column": "l",
        "label_names": ["x", "y"],
        "label_separator": ";",
        "encoding": "cp1252",
        "validation": "v",
        "test": "e",
        "on_bad_rows": "drop",
    }
    recipe = tiny_recipe({f"data.{key}": value for key, value in values.items()})
    assert set(values) | {"size", "folds", "fold", "pool", "holdout", "score_test", "exclude"} == set(
        type(recipe.data).model_fields
    )
    load_recipe_data(recipe)
    assert given == {**{key: value for key, value in values.items() if key != "config"}, "name": "c"}


def test_notes_say_how_rows_were_drawn():
    used = use_rows(dataclasses.replace(data_of(3000)), size=600, seed=7)
    assert used.notes == [
        "600 of 3,000 training rows, stratified, seed 7",
        "validation: 90 rows held out of the training rows, stratified, seed 7",
    ]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 2)), min_size=20, max_size=80), st.booleans())
def test_no_text_is_on_both_sides_of_a_held_out_test_split(pairs, alone):
    pairs = pairs + [(100 + 4 * label + copy, label) for label in range(3) for copy in range(4)]
    texts = [f"text number {text}{' !' if place % 2 else ''}" for place, (text, _) in enumerate(pairs)]
    data = load_data((texts, [f"c{label}" for _, label in pairs]))
    if not alone:
        data = replace(data, splits={**data.splits, "validation": data.splits["train"].take(np.arange(5))})
    made = with_test_split(data)
    train, test = made.splits["train"], made.splits["test"]
    assert not set(text_keys(train.texts)) & set(text_keys(test.texts))
    assert sorted([*train.rows, *test.rows]) == list(range(len(pairs)))
    assert set(train.labels) == {0, 1, 2}
    # Each class has rows whose text is its own, so that each can be scored.
    assert set(test.labels) == {0, 1, 2}
    assert len(test) <= 0.2 * len(pairs) + 1 + 3 * max(Counter(text for text, _ in pairs).values())
    told = [note for note in made.notes if "are also in" in note or "is also in" in note]
    assert told == list(shared_notes(made.splits))


def test_holding_out_leaves_rows_without_copies_as_they_are_drawn():
    data = data_of(500)
    _, drawn = hold_out(data.splits["train"], rows=100, seed=0)
    assert with_test_split(data).splits["test"].rows.tolist() == drawn.rows.tolist()
    twice = replace(data, splits={"train": data.splits["train"].take(np.tile(np.arange(500), 2))})
    numbered = twice.splits["train"]
    twice = replace(twice, splits={"train": Split(numbered.texts, numbered.labels, np.arange(1000))})
    made = with_test_split(twice)
    assert 190 <= len(made.splits["test"]) <= 200  # about as many as asked for, though every text is there twice
    assert "so that no text is in both" in made.notes[-1]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_held_out_rows_are_drawn_anew_by_each_seed_and_share_no_text_with_training(share):
    texts = pa.array([f"text {row // 2}" for row in range(600)], pa.large_string())  # every text comes twice
    whole = Split(texts, np.arange(600) // 2 % 3, np.arange(600))
    drawn = []
    for seed in (0, 1):
        used = use_rows(dataclasses.replace(data_of(3), splits={"train": whole}), size="full", seed=seed, holdout=share)
        seen = [text for name in used.splits if name != "holdout" for text in used.splits[name].text_list()]
        assert not set(seen) & set(used.holdout.text_list())
        assert len(used.holdout) + used.labels_used == 600
        assert abs(len(used.holdout) - share * 600) <= 4
        assert set(used.holdout.labels.tolist()) == {0, 1, 2}
        drawn.append(rows_of(used.holdout))
    assert drawn[0] != drawn[1]


def test_nothing_is_held_out_unless_asked_for():
    assert use_rows(data_of(600), size="full", seed=0).holdout is None
