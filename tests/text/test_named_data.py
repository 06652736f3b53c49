"""Data held apart from what other data is scored on, by a key: in what is learned from, and in running text."""

import os
from pathlib import Path

import numpy as np
import pytest

from textlstm.errors import DataError
from textlstm.recipe import validate
from textlstm.recipe_files import load_recipe
from textlstm.recipe_sections import DataSection
from textlstm.text.datasets import load_data
from textlstm.text.folds import with_fold
from textlstm.text.named_data import excluded_splits, keys_of, load_named
from textlstm.text.overlap import text_keys
from textlstm.text.protocol import load_recipe_data, with_test_split
from textlstm.text.running_text import RunningText
from textlstm.text.text_record import TEXTS_FILE, TextRecord, read_record

DATA = Path(os.environ.get("TEXTLSTM_DATA_DIR", "/nonexistent"))
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="TEXTLSTM_DATA_DIR is not set")


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return str(path)


ONE = [("sun and moon", "a"), ("a star", "b"), ("A Star!", "a"), ("rain", "b"), ("snow", "a"), ("fog", "b")]


def test_held_out_texts_of_other_data_are_left_out_of_what_is_learned_from(tmp_path):
    source = write(tmp_path / "one" / "train.csv", ONE)
    write(tmp_path / "one" / "test.csv", [("Rain.", "a")])
    write(tmp_path / "other" / "train.csv", [("snow", "a"), ("hail", "b")])
    write(tmp_path / "other" / "test.csv", [("a star", "a"), ("rain", "b")])
    data = load_named(DataSection(source=str(tmp_path / "one"), exclude=[str(tmp_path / "other")]))
    assert data.splits["train"].text_list() == ["sun and moon", "snow", "fog"]  # its training rows do no harm
    assert data.splits["test"].text_list() == ["Rain."]  # nothing is learned from it
    assert data.fingerprint != load_named(DataSection(source=str(tmp_path / "one"))).fingerprint
    assert "left out, because their texts are in a protected split: 3 of 6 train rows" in data.notes[-1]
    alone = load_named(DataSection(source=source, exclude=[str(tmp_path / "other" / "train.csv")]))
    assert "snow" not in alone.splits["train"].text_list()  # data without a test split is scored whole, fold by fold
    (tmp_path / "plain.txt").write_text("Snow\n\nfog\n")  # texts without labels can be forbidden as well
    plain = load_named(DataSection(source=source, exclude=[str(tmp_path / "plain.txt")]))
    assert plain.splits["train"].text_list() == ["sun and moon", "a star", "A Star!", "rain"]
    with pytest.raises(DataError, match="All 6 training rows"):
        load_named(DataSection(source=source, exclude=[source]))


def test_training_rows_out_of_which_a_test_split_is_held_are_protected(tmp_path):
    other = tmp_path / "other"
    write(other / "train.csv", [(f"text {row}", "ab"[row % 2]) for row in range(30)])
    write(other / "validation.csv", [("hail", "a"), ("ice", "b")])
    parted = with_test_split(load_data(str(other)))
    assert np.isin(keys_of([parted.splits["test"]]), keys_of(excluded_splits([str(other)]))).all()
    for secret in ("text\nfog\n", "text,label\nfog,\n"):  # nothing is scored on it, so a grid holds out another
        (other / "test.csv").write_text(secret)
        assert sorted(map(len, excluded_splits([str(other)]))) == [1, 2, 30]
    write(other / "test.csv", [("fog", "b")])
    assert sorted(map(len, excluded_splits([str(other)]))) == [1, 2]
    (other / "train.csv").write_text("text,b,c\nsnow,sun,x\nrain,fog,y\n")  # which column is the label cannot be told
    (other / "test.csv").write_text("text,b,c\nstar,moon,x\n")
    (other / "validation.csv").unlink()
    assert [len(split) for split in excluded_splits([str(other)])] == [1]


def test_one_name_is_a_list_and_a_recipe_reads_its_data_by_the_key(tmp_path):
    source = write(tmp_path / "one.csv", ONE)
    other = write(tmp_path / "other.csv", [("fog", "a"), ("ice", "b")])
    recipe = validate({"name": "x", "data": {"source": source, "exclude": other}}, origin="the tests")
    assert recipe.data.exclude == [other]
    assert len(load_recipe_data(recipe).splits["train"]) == 5
    assert recipe.fingerprint() != recipe.override({"data.exclude": None}).fingerprint()


def test_running_text_leaves_out_what_is_named_or_held_out_before_it_counts(tmp_path):
    source = write(tmp_path / "one.csv", ONE)
    other = write(tmp_path / "other.csv", [("fog", "a"), ("Sun AND moon.", "b")])
    texts = RunningText(DataSection(source=source, exclude=[other]), limit=3)
    assert [text for batch in texts.batches() for text in batch] == ["a star", "A Star!", "rain"]
    assert texts.notes == [f"{source}: left out 2 texts that other data, or a held-out split, is scored on."]
    held = RunningText(DataSection(source=source), held_out=keys_of(excluded_splits([other])))
    assert [text for batch in held.batches() for text in batch] == ["a star", "A Star!", "rain", "snow"]
    with pytest.raises(DataError, match=r"All 6 texts of .* are among held-out ones"):
        list(RunningText(DataSection(source=source, exclude=[source])).batches())


def test_running_text_of_a_fold_is_that_of_its_training_rows(tmp_path):
    source = write(tmp_path / "one.csv", [(f"text {row}", "ab"[row % 2]) for row in range(30)])
    part = DataSection(source=source, folds=3, fold=1)
    texts = [text for batch in RunningText(part).batches() for text in batch]
    parted = with_fold(load_named(DataSection(source=source)), fold=1, folds=3)
    assert texts == parted.splits["train"].text_list()
    assert not set(texts) & set(parted.splits["test"].text_list())


def test_a_record_tells_which_texts_went_by_and_holds_none_of_them(tmp_path, monkeypatch):
    record = TextRecord()
    batches = [["A star.", "rain"], ["rain"]]
    assert list(record.watch(batches)) == batches
    record.write(tmp_path)
    data = load_named(DataSection(source=write(tmp_path / "one.csv", ONE)))
    known = read_record(tmp_path)
    assert np.isin(text_keys(data.splits["train"].texts), known).tolist() == [False, True, True, True, False, False]
    assert b"rain" not in (tmp_path / TEXTS_FILE).read_bytes()
    (tmp_path / TEXTS_FILE).write_bytes(b"no array")
    assert read_record(tmp_path) is None and read_record(tmp_path / "nowhere") is None
    monkeypatch.setattr("textlstm.text.text_record.MOST_TEXTS", 2)
    many = TextRecord()
    list(many.watch(batches))
    many.write(tmp_path / "nothing is written here")  # or there would be an error


@needs_data
def test_no_text_that_sst2_scores_is_left_in_mr():
    recipe = load_recipe("mr").override({"data.exclude": ["sst2"]})
    kept = load_recipe_data(recipe).splits["train"]
    scored = keys_of(excluded_splits(["sst2"]))
    whole = load_recipe_data(load_recipe("mr")).splits["train"]
    assert int(np.isin(text_keys(whole.texts), scored).sum()) > 2_000
    assert not np.isin(text_keys(kept.texts), scored).any()
    # Subj is cross-validated: all its texts are scored.
    assert len(keys_of(excluded_splits(["subj"]))) == len(np.unique(text_keys(load_subj().texts)))


def load_subj():
    return load_recipe_data(load_recipe("subj")).splits["train"]
