"""Rows from mapped files are the rows from memory, to the last bit; made once; and nothing of them stays behind."""

import json
import pickle
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from textlstm.experiment.cells import TrainCell
from textlstm.experiment.executors import Processes, serial
from textlstm.experiment.grid import plan_cells
from textlstm.experiment.locks import LOCK_FILE, Holder
from textlstm.experiment.shared_rows import MappedRows, rows_key, scratch_folder
from textlstm.experiment.sweep import run_grid
from textlstm.results import read_predictions
from textlstm.text.datasets import load_data
from textlstm.training.finetuning import train_into
from textlstm.training.preparation import prepare


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def several_labels(planted):
    texts, labels = planted(40, 3)
    rows = [[label, "long"] if len(text) > 30 else [label] for text, label in zip(texts, labels, strict=True)]
    return load_data((texts, rows), test=(texts[:9], rows[:9]))


def same_split(one, other):
    assert one.texts.to_pylist() == other.texts.to_pylist()
    assert len(one) == len(other)
    assert np.array_equal(one.rows, other.rows)
    if one.labels is None:
        assert other.labels is None
    else:
        assert one.labels.dtype == other.labels.dtype
        assert np.array_equal(one.labels, other.labels)


def check_same(ours, theirs):
    for name in ("train", "validation", "test"):
        one, other = getattr(ours.rows, name), getattr(theirs.rows, name)
        assert (one is None) == (other is None)
        if one is not None:
            same_split(one, other)
            mine, its = ours.encoded[name], theirs.encoded[name]
            for field in ("ids", "offsets", "cut_rows"):
                assert getattr(mine, field).dtype == getattr(its, field).dtype
                assert np.array_equal(getattr(mine, field), getattr(its, field))
            assert mine.truncated == its.truncated
    assert ours.encoded.keys() == theirs.encoded.keys()
    assert ours.rows.notes == theirs.rows.notes
    assert ours.rows.labels_used == theirs.rows.labels_used
    for field in ("source", "fingerprint", "label_names", "multi_label", "notes"):
        assert getattr(ours.data, field) == getattr(theirs.data, field)
    assert ours.tokenizer.get_vocab() == theirs.tokenizer.get_vocab()
    assert len(ours.tokenizer) == len(theirs.tokenizer)
    assert (ours.tokenizer.pad_token_id, ours.tokenizer.unk_token_id) == (
        theirs.tokenizer.pad_token_id,
        theirs.tokenizer.unk_token_id,
    )
    assert ours.tokenizer.backend_tokenizer.to_str() == theirs.tokenizer.backend_tokenizer.to_str()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data.size": 20, "seed": 3},
        {"tokenizer.kind": "bpe", "tokenizer.vocab_size": 300, "tokenizer.max_length": 4},
        {"tokenizer.kind": "wordpiece", "tokenizer.lowercase": False},
        {"tokenizer.kind": "unigram", "tokenizer.vocab_size": 60},
        {"data.score_test": False},
    ],
)
def test_shared_rows_are_the_rows_that_preparing_gives(tmp_path, tiny_recipe, tiny_data, changes):
    recipe = tiny_recipe(changes)
    shared = MappedRows.share(tiny_data, tmp_path)
    check_same(shared.prepared(recipe, prepare), prepare(recipe, tiny_data))


def test_pretrained_vectors_are_shared_too(tmp_path, tiny_recipe, tiny_data):
    (tmp_path / "words.vec").write_text("good 1 2 3\nbad -1 0 2\nfilm 0 0 1\n")
    (tmp_path / "rows").mkdir()
    recipe = tiny_recipe({"embeddings.source": str(tmp_path / "words.vec"), "model.embedding_size": 3})
    shared = MappedRows.share(tiny_data, tmp_path / "rows")
    ours, theirs = shared.prepared(recipe, prepare), prepare(recipe, tiny_data)
    check_same(ours, theirs)
    assert np.array_equal(ours.vectors.rows, theirs.vectors.rows)
    assert (ours.vectors.digest, ours.vectors.notes) == (theirs.vectors.digest, theirs.vectors.notes)
    assert isinstance(ours.vectors.rows, np.memmap)


@pytest.mark.parametrize("fcntl", [True, False])
def test_of_several_processes_one_makes_the_rows(tmp_path, tiny_recipe, tiny_data, monkeypatch, fcntl):
    """Where files cannot be locked two may make them; the first to finish stay, and both get the same."""
    if not fcntl:
        monkeypatch.setattr("textlstm.experiment.shared_rows.fcntl", None)
    shared, recipe, made = MappedRows.share(tiny_data, tmp_path), tiny_recipe(), []

    def slow(*arguments):
        made.append(arguments)
        if len(made) == 1 and not fcntl:  # meanwhile another one begins and ends
            check_same(MappedRows(tmp_path).prepared(recipe, slow), prepare(recipe, tiny_data))
        return prepare(*arguments)

    check_same(shared.prepared(recipe, slow), prepare(recipe, tiny_data))
    check_same(MappedRows(tmp_path).prepared(recipe, slow), prepare(recipe, tiny_data))
    assert len(made) == (1 if fcntl else 2)


@pytest.mark.parametrize("taught", [False, True])
def test_further_rows_are_shared_too(tmp_path, tiny_recipe, tiny_data, taught):
    changes = {"augmentation.copies": 2, "augmentation.rules": ["swap", "ngrams"], "data.size": 20}
    if taught:
        train_into(tmp_path / "teacher", tiny_recipe({"training.epochs": 1}), tiny_data)
        changes |= {"distillation.teacher": str(tmp_path / "teacher"), "distillation.rest": True}
    (tmp_path / "rows").mkdir()
    ours = MappedRows.share(tiny_data, tmp_path / "rows").prepared(tiny_recipe(changes), prepare)
    theirs = prepare(tiny_recipe(changes), tiny_data)
    check_same(ours, theirs)
    mine, its = ours.transfer, theirs.transfer
    for field in ("ids", "offsets", "cut_rows"):
        assert np.array_equal(getattr(mine.encoded, field), getattr(its.encoded, field))
    for field in ("owners", "labeled"):
        assert getattr(mine, field).dtype == getattr(its, field).dtype
        assert np.array_equal(getattr(mine, field), getattr(its, field))
    assert (mine.logits is None) == (not taught)
    assert not taught or np.array_equal(mine.logits, its.logits)
    assert (mine.digest, mine.notes, mine.copies) == (its.digest, its.notes, its.copies)
    assert len(mine.teachers) == taught and (mine.teachers, mine.neighbors) == (its.teachers, its.neighbors)
    assert ours.fingerprint == theirs.fingerprint
    assert all(np.array_equal(one, other) for one, other in zip(ours.learned[1:], theirs.learned[1:], strict=True))


@pytest.mark.parametrize("fold", [0, 2])
def test_folds_and_held_out_rows_are_found_again(tmp_path, tiny_recipe, planted, fold):
    data = load_data(planted(600, 2))
    recipe = tiny_recipe({"data.folds": 3, "data.fold": fold, "tokenizer.kind": "word"})
    ours = MappedRows.share(data, tmp_path).prepared(recipe, prepare)
    theirs = prepare(recipe, data)
    check_same(ours, theirs)
    plain = tiny_recipe({"data.size": 510})
    check_same(MappedRows(tmp_path).prepared(plain, prepare), prepare(plain, data))
    assert theirs.rows.test is not None


def test_several_labels_a_row_and_unlabeled_splits_survive(tmp_path, tiny_recipe, planted, tiny_data):
    data = several_labels(planted)
    check_same(
        MappedRows.share(data, tmp_path).prepared(tiny_recipe(), prepare),
        prepare(tiny_recipe(), data),
    )
    unlabeled = replace(tiny_data, splits={**tiny_data.splits, "test": replace(tiny_data.splits["test"], labels=None)})
    (tmp_path / "other").mkdir()
    shared = MappedRows.share(unlabeled, tmp_path / "other")
    for name, split in unlabeled.splits.items():
        same_split(shared.data.splits[name], split)
    check_same(shared.prepared(tiny_recipe(), prepare), prepare(tiny_recipe(), unlabeled))


def test_ids_and_texts_are_views_of_the_files(tmp_path, tiny_recipe, tiny_data):
    prepared = MappedRows.share(tiny_data, tmp_path).prepared(tiny_recipe({"data.size": 20}), prepare)
    for encoded in prepared.encoded.values():
        for array in (encoded.ids, encoded.offsets):
            assert not array.flags.owndata
            assert not array.flags.writeable
    mapped = Path("/proc/self/maps").read_text()
    assert str(tmp_path / "data" / "train.arrow") in mapped
    assert str(tmp_path / rows_key(tiny_recipe({"data.size": 20})) / "train.arrow") in mapped


def test_rows_are_made_once_for_all_depths_whoever_asks(tmp_path, tiny_recipe, tiny_data):
    made, barrier, found = [], threading.Barrier(6), []
    shared = MappedRows.share(tiny_data, tmp_path)

    def counted(recipe, data):
        made.append((recipe.data.size, recipe.seed))
        return prepare(recipe, data)

    def ask(layers, size):
        barrier.wait()
        found.append(
            MappedRows(shared.folder).prepared(tiny_recipe({"model.num_layers": layers, "data.size": size}), counted)
        )

    threads = [threading.Thread(target=ask, args=(n, size)) for n in (1, 2, 3) for size in (20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [(20, 0), (30, 0)]
    assert len(found) == 6


def test_what_changes_rows_changes_their_name_and_nothing_else_does(tiny_recipe):
    names = [
        rows_key(tiny_recipe(changes))
        for changes in (
            {},
            {"seed": 1},
            {"data.size": 20},
            {"tokenizer.max_length": 9},
            {"data.folds": 2, "data.fold": 1},
            {"augmentation.copies": 2},
            {"augmentation.copies": 2, "augmentation.strength": 0.2},
            {"distillation.teacher": "t"},
            {"distillation.teacher": "u"},
            {"embeddings.source": "words.vec"},
            {"embeddings.source": "words.vec", "model.embedding_size": 9},
            {"transfer.encoder": "encoder"},
        )
    ]
    assert len(set(names)) == len(names)
    assert rows_key(tiny_recipe({"model.num_layers": 3, "training.epochs": 9})) == names[0]
    taught = {"distillation.teacher": "t", "distillation.hard_weight": 0.1, "distillation.temperature": 4.0}
    assert rows_key(tiny_recipe(taught)) == names[7]


@pytest.mark.slow
def test_runs_are_equal_with_and_without_sharing(tmp_path, tiny_recipe, tiny_data, own_temporary_folder):
    recipe = tiny_recipe({"grid.layers": [1, 2], "grid.sizes": [20], "grid.seeds": 2, "training.epochs": 1})
    alone = run_grid(recipe, tmp_path / "alone", run_cell=TrainCell(tiny_data), executor=serial)
    with TrainCell(tiny_data) as run_cell:
        pooled = run_grid(recipe, tmp_path / "pool", run_cell=run_cell, executor=Processes(2))
        (scratch,) = own_temporary_folder.glob("textlstm-rows-*")
        assert len(list(scratch.glob("*/tokenizer"))) == 2  # one a seed, for both depths
        assert len(pickle.dumps(run_cell)) < 1000
    assert not list(own_temporary_folder.glob("textlstm-rows-*"))
    assert pooled.failures == []
    assert [(run.cell, run.metrics, run.history) for run in pooled.runs] == [
        (run.cell, run.metrics, run.history) for run in alone.runs
    ]
    for cell in plan_cells(recipe):
        ours, theirs = (read_predictions(tmp_path / name / cell.path, "test") for name in ("pool", "alone"))
        assert ours == theirs


def test_one_process_writes_nothing(tiny_data, own_temporary_folder):
    with TrainCell(tiny_data):
        assert not list(own_temporary_folder.iterdir())
    copy = pickle.loads(pickle.dumps(TrainCell(tiny_data)))  # noqa: S301 - our own
    assert copy._data.fingerprint == tiny_data.fingerprint


def test_what_a_killed_sweep_left_is_removed_and_what_is_alive_stays(own_temporary_folder):
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    killed, empty = own_temporary_folder / "textlstm-rows-killed", own_temporary_folder / "textlstm-rows-new"
    for folder in (killed, empty):
        (folder / "data").mkdir(parents=True)
    (killed / LOCK_FILE).write_text(json.dumps(asdict(replace(Holder.here(), pid=done.pid))))
    with scratch_folder() as ours:
        assert not killed.exists()
        with scratch_folder() as theirs:
            assert ours.exists()
            assert theirs != ours
        assert not theirs.exists()
        assert [path.name for path in ours.iterdir()] == [LOCK_FILE]
    assert {path.name for path in own_temporary_folder.iterdir()} == {"textlstm-rows-new"}
