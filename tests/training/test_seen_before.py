"""What has learned from scored texts is refused with the way out: language models, teachers and encoders."""

import re
import shutil

import pytest

from textlstm.errors import RecipeError
from textlstm.recipe import validate
from textlstm.text.datasets import load_data
from textlstm.text.protocol import with_test_split
from textlstm.training.finetuning import train_into
from textlstm.training.preparation import prepare
from textlstm.training.pretraining import pretrain
from textlstm.training.seen_before import check_seen_before, seen_before

STACK = {"embedding_size": 8, "hidden_size": 8, "num_layers": 1}


def write(path, texts, labels):
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in zip(texts, labels, strict=True)))
    return str(path)


def pretrained(folder, source, **data):
    recipe = {
        "name": "e",
        "data": {"source": source, **data},
        "tokenizer": {"min_frequency": 1},
        "model": STACK,
        "language_model": {"window": 4, "sampled_words": 0, "validation_tokens": 20},
        "training": {"epochs": 1, "batch_size": 4},
    }
    return pretrain(validate(recipe, origin="the tests"), out=folder)


def test_an_encoder_that_has_read_test_texts_is_refused_and_one_without_them_is_not(tiny_recipe, planted, tmp_path):
    texts, labels = planted(60, 0)
    scored = [f"{text} moon" for text in planted(20, 3)[0]]
    test = write(tmp_path / "test.csv", scored, labels[:20])
    data = load_data((texts, labels), test=test)
    source = write(tmp_path / "text.csv", [*texts, *scored[:7]], [*labels, *labels[:7]])
    pretrained(tmp_path / "all", source)
    start = tiny_recipe({"transfer.encoder": str(tmp_path / "all"), "data.mirror": "mine"})
    with pytest.raises(
        RecipeError,
        match=r"Encoder .*all should have learned from nothing .* and has learned from 7 of its 20 test texts; .*"
        r"textlstm pretrain TEXT --set data.exclude=\[mine\]",
    ):
        prepare(start, data)
    with pytest.raises(RecipeError, match=rf"--set data.exclude=\[{re.escape(test)}\]; where they were held out"):
        prepare(start.override({"data.test": test}), data)
    unlabeled = load_data((texts, labels), test={"text": scored})  # nothing is scored on such a test split
    assert prepare(start, unlabeled).rows.test is None
    apart = pretrained(tmp_path / "apart", source, exclude=[test])
    assert any("left out 7 texts" in note for note in apart.notes)
    prepared = prepare(start.override({"transfer.encoder": str(tmp_path / "apart")}), data)
    assert not any("Encoder" in note or "encoder" in note for note in prepared.rows.notes)
    (tmp_path / "apart" / "texts.npy").unlink()
    told = prepare(start.override({"transfer.encoder": str(tmp_path / "apart")}), data).rows.notes
    assert any("does not say what it has learned from" in note for note in told)


def test_word_vectors_of_an_own_model_are_looked_at_too(tiny_recipe, planted, tmp_path, monkeypatch):
    texts, labels = planted(60, 0)
    scored = [f"{text} moon" for text in planted(20, 3)[0]]
    data = load_data((texts, labels), test=(scored, labels[:20]))
    pretrained(tmp_path / "all", write(tmp_path / "text.csv", [*texts, *scored[:7]], [*labels, *labels[:7]]))
    for changes in (
        {"embeddings.source": str(tmp_path / "all")},
        {"augmentation.vectors": str(tmp_path / "all"), "augmentation.rules": ["neighbors"], "augmentation.copies": 1},
    ):
        with pytest.raises(RecipeError, match=r"The model .*all \(its vectors are taken\) should .* 7 of its 20 test"):
            prepare(tiny_recipe(changes), data)
        with pytest.raises(RecipeError, match="its vectors are taken"):
            check_seen_before([tiny_recipe(changes)], data)
    check_seen_before([tiny_recipe({"embeddings.source": "./nowhere"})], data)  # told by whoever reads it
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(RecipeError, match="7 of its 20 test texts"):
        check_seen_before([tiny_recipe({"embeddings.source": "~/all"})], data)


def test_an_encoder_of_a_fold_serves_that_fold_alone(tiny_recipe, planted, tmp_path):
    source = write(tmp_path / "rows.csv", *planted(60, 0))
    pretrained(tmp_path / "fold1", source, folds=3, fold=1)
    data = load_data(source)
    changes = {"transfer.encoder": str(tmp_path / "fold1"), "data.source": source, "data.folds": 3}
    assert prepare(tiny_recipe({**changes, "data.fold": 1}), data).rows.test is not None
    with pytest.raises(RecipeError, match=r"--set data.folds=3 --set data.fold=2"):
        prepare(tiny_recipe({**changes, "data.fold": 2}), data)


def test_a_teacher_of_other_data_is_held_against_the_scored_texts(tiny_recipe, planted, tmp_path, monkeypatch):
    texts, labels = planted(60, 0)
    other, theirs = planted(40, 5)
    scored = [f"{text} moon" for text in planted(20, 3)[0]]
    data = load_data((texts, labels), test=(scored, labels[:20]))
    for name, taught in {"mixed": [*other, *scored[:4]], "apart": other}.items():
        source = write(tmp_path / f"{name}.csv", taught, [*theirs, *labels][: len(taught)])
        train_into(tmp_path / name, tiny_recipe({"data.source": source, "training.epochs": 1}))
    with pytest.raises(RecipeError, match=r"4 of its 20 test texts; .*textlstm train .*mixed.csv --set data.exclude="):
        seen_before("Teacher t", tmp_path / "mixed", tiny_recipe(), data)
    (note,) = seen_before("Teacher t", tmp_path / "apart", tiny_recipe(), data)
    assert note.startswith("teacher t: it has learned from") and note.endswith("in which no test text of this run is")
    with monkeypatch.context() as closed:  # every cell of a grid asks, and the teacher's data is read for the first
        closed.setattr("textlstm.training.learned_texts.load_named", lambda part: pytest.fail("read again"))
        assert seen_before("Teacher t", tmp_path / "apart", tiny_recipe(), data) == [note]
    (tmp_path / "apart.csv").unlink()
    assert "cannot be read again here" in seen_before("Teacher t", tmp_path / "apart", tiny_recipe(), data)[0]


def test_a_teacher_of_all_rows_is_refused_where_a_grid_holds_some_out(tiny_recipe, planted, tmp_path):
    data = load_data(planted(60, 0))
    train_into(tmp_path / "all", tiny_recipe({"training.epochs": 1}), data)
    train_into(tmp_path / "part", tiny_recipe({"training.epochs": 1}), with_test_split(data))
    with pytest.raises(RecipeError, match="of which a grid holds some out as the test split: it has seen rows"):
        seen_before("Teacher t", tmp_path / "all", tiny_recipe(), with_test_split(data))
    unlabeled = load_data(planted(60, 0), test={"text": planted(20, 3)[0]})  # nothing is scored on such a test split
    train_into(tmp_path / "unlabeled", tiny_recipe({"training.epochs": 1}), unlabeled)
    assert seen_before("Teacher t", tmp_path / "unlabeled", tiny_recipe(), unlabeled) == []
    train_into(tmp_path / "closed", tiny_recipe({"training.epochs": 1, "data.score_test": False}), data)
    with pytest.raises(RecipeError, match="of which a grid holds some out"):
        seen_before("Teacher t", tmp_path / "closed", tiny_recipe(), with_test_split(data))
    assert seen_before("Teacher t", tmp_path / "part", tiny_recipe(), with_test_split(data)) == []
    assert seen_before("Teacher t", tmp_path / "all", tiny_recipe(), data) == []  # nothing is scored there


def test_what_a_model_started_from_and_the_texts_beside_its_labels_count_as_read(tiny_recipe, planted, tmp_path):
    texts, labels = planted(60, 0)
    scored = [f"{text} moon" for text in planted(20, 3)[0]]
    data = load_data((texts, labels), test=(scored, labels[:20]))
    other, theirs = planted(40, 5)
    source = write(tmp_path / "other.csv", other, theirs)
    pretrained(tmp_path / "read", write(tmp_path / "text.csv", [*texts, *scored[:7]], [*labels, *labels[:7]]))
    plain = tiny_recipe({"data.source": source, "training.epochs": 1, **{f"model.{key}": STACK[key] for key in STACK}})
    train_into(tmp_path / "started", plain.override({"transfer.encoder": str(tmp_path / "read")}))
    with pytest.raises(
        RecipeError,
        match=r"Encoder m \(its encoder .*read\) should have learned .* from 7 of its 20 test texts; .*"
        r"textlstm pretrain TEXT --set data.exclude=.*; then train again what has learned from it",
    ):
        seen_before("Encoder m", tmp_path / "started", tiny_recipe(), data)
    train_into(tmp_path / "taught", plain.override({"distillation.teacher": str(tmp_path / "started")}))
    with pytest.raises(RecipeError, match=r"Teacher t \(its teacher .*started\) \(its encoder .*read\) should"):
        seen_before("Teacher t", tmp_path / "taught", tiny_recipe(), data)
    shutil.rmtree(tmp_path / "read")
    notes = seen_before("Teacher t", tmp_path / "taught", tiny_recipe(), data)
    assert sum("in which no test text of this run is" in note for note in notes) == 2
    assert f"(its encoder {tmp_path / 'read'}): it is not on this machine as it was" in notes[-1]
    beside = write(tmp_path / "beside.csv", [*other[:5], *scored[:3]], labels[:8])
    unlabeled = {"objectives.entropy": 0.1, "objectives.unlabeled": beside}
    train_into(tmp_path / "beside", plain.override(unlabeled))
    rest = {"distillation.teacher": str(tmp_path / "taught"), "distillation.unlabeled": beside}
    train_into(tmp_path / "labeled", plain.override(rest))
    for name in ("beside", "labeled"):
        with pytest.raises(RecipeError, match=r"Teacher t should .* from 3 of its 20 test texts"):
            seen_before("Teacher t", tmp_path / name, tiny_recipe(), data)
    (tmp_path / "beside.csv").unlink()
    assert (
        "from " + beside + ", which cannot be read again"
        in seen_before("Teacher t", tmp_path / "beside", tiny_recipe(), data)[0]
    )


def test_rows_that_are_kept_out_to_be_scored_are_looked_at_too(tiny_recipe, planted, tmp_path):
    texts, labels = planted(60, 0)
    data = load_data((texts, labels))
    pretrained(tmp_path / "all", write(tmp_path / "text.csv", texts, labels))
    changes = {"transfer.encoder": str(tmp_path / "all")}
    assert prepare(tiny_recipe(changes), data).rows.holdout is None
    kept = tiny_recipe({"data.holdout": 0.25})
    with pytest.raises(RecipeError, match=r"all should .* from \d+ of the \d+ texts that data.holdout keeps"):
        prepare(kept.override(changes), data)
    rest = prepare(kept, data).rows.train.text_list()
    pretrained(tmp_path / "rest", write(tmp_path / "rest.csv", rest, labels[: len(rest)]))
    assert prepare(kept.override({"transfer.encoder": str(tmp_path / "rest")}), data).rows.holdout is not None
