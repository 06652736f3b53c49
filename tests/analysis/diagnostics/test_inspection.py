"""A whole inspection: its values, what is left out and why, and every error in one sentence."""

import json
import shutil

import numpy as np
import pytest

from textlstm.analysis.diagnostics import inspection as module
from textlstm.analysis.diagnostics.inspected import PARTS, level_name, read_inspection
from textlstm.analysis.diagnostics.inspection import inspect_model
from textlstm.analysis.diagnostics.inspection_data import load_inspected
from textlstm.analysis.diagnostics.inspection_page import answer, facts, write_inspection
from textlstm.analysis.diagnostics.inspection_tables import level_table
from textlstm.analysis.diagnostics.notes import NOTES_FILE, read_notes
from textlstm.errors import DataError, ModelError, RecipeError, RunFolderError
from textlstm.inference.predictor import Predictor
from textlstm.text.protocol import load_recipe_data
from textlstm.training.finetuning import finetune


def copied(watched_model, folder):
    shutil.copytree(watched_model.model, folder)
    return folder


def rows_of(path, rows):
    path.write_text("\n".join([rows[0], *rows[1:]]) + "\n")
    return path


def test_every_part_is_there_with_as_many_levels_as_the_stack_has(inspection):
    found = inspection
    assert found.left_out == []
    assert {said.part for said in found.statements} <= set(PARTS)
    order = ["act", "open", "fine"]
    kinds = [order.index(said.kind) for said in found.statements]
    assert kinds == sorted(kinds)
    assert [len(direction) for direction in found.reach.gains] == [3, 3]
    assert [(row.layer, row.direction) for row in found.gates] == [
        (layer, direction) for layer in (1, 2) for direction in ("forward", "backward")
    ]
    assert [probe.fact for probe in found.probes] == ["label", "length", "token", "position"]
    assert all(len(probe.trained) == len(probe.control) == len(probe.untrained) == 3 for probe in found.probes)
    assert np.shape(found.similarity.trained) == (3, 3)
    assert [stack.layers for stack in found.depth.prefixes] == [[], [1], [1, 2]]
    assert len(found.words.texts) == 6
    assert found.data.labeled and found.data.rows == 120
    assert found.fresh_start and found.quick


def test_the_training_is_seen_as_it_was_watched(inspection, watched_model):
    notes = read_notes(watched_model.model)
    watched = inspection.training.watched
    assert list(watched.moments) == ["start", "middle", "end"]
    assert watched.parts == ["embeddings", "layer 1", "layer 2", "classifier"]
    assert watched.clipped == pytest.approx(notes.record.clipped)
    assert watched.watching == notes.watching == watched_model.watching > 0
    # What is called the untrained stack has the weights that the run set out from.
    assert np.shape(watched.moments["start"])[:2] == np.shape(inspection.reach.untrained)[:2]
    same = inspect_model(watched_model.model, watched_model.data, parts=["reach"], split="train", quick=True)
    start = np.array(watched.moments["start"])[:, :, 0]
    assert np.array(same.reach.untrained)[:, :, 0] == pytest.approx(start, rel=0.3)


def test_an_inspection_is_written_and_read_back_and_repeats(inspection, watched_model, tmp_path):
    page, plain = write_inspection(inspection, tmp_path / "out")
    assert read_inspection(tmp_path / "out") == inspection
    assert json.loads(plain.read_text())["schema_version"] == 1
    assert "NaN" not in plain.read_text()
    assert page.stat().st_size < 3_000_000
    again = inspect_model(watched_model.model, watched_model.data, parts=["reach", "memory", "depth"], quick=True)
    assert (again.reach, again.gates, again.depth) == (inspection.reach, inspection.gates, inspection.depth)


def test_the_score_is_that_of_the_model(inspection, watched_model):
    """Attributions explain what the model says, and the own head scores what `evaluate` scores."""
    predictor = Predictor.load(watched_model.model)
    for text in inspection.words.texts:
        (said,) = predictor([text.text])
        assert said.labels == (text.label,)
        assert said.score == pytest.approx(text.probability, abs=1e-5)
        total = sum(word.value for word in text.words) + text.other
        assert total == pytest.approx(text.score - text.baseline, abs=0.05 * abs(text.score - text.baseline) + 1e-3)
    wrong = [text.true_label != text.label for text in inspection.words.texts]
    assert wrong == sorted(wrong, reverse=True)  # errors first


def test_the_table_has_a_row_a_level_and_the_first_words_say_what_to_do(inspection):
    table = level_table(inspection)
    assert [row[0] for row in table.rows] == [level_name(level) for level in range(3)]
    assert all(len(row) == len(table.headers) for row in table.rows)
    acts = [said for said in inspection.statements if said.kind == "act"]
    assert len(answer(inspection)) == 1 + len(acts)
    assert "120 of the 120 texts" in " ".join(facts(inspection))
    quiet = inspection.model_copy(update={"statements": []})
    assert answer(quiet) == ["Nothing was found that should be changed."]


def test_only_what_was_asked_for_is_looked_at(watched_model):
    found = inspect_model(watched_model.model, watched_model.data, parts=["memory"], quick=True)
    assert found.gates and found.reach is None and found.depth is None and found.words is None
    assert not found.left_out
    with pytest.raises(RecipeError, match=r"Parts of an inspection are reach, memory, .* and 'memry' was asked for"):
        inspect_model(watched_model.model, watched_model.data, parts=["memry"])


def test_texts_of_ones_own_are_explained(watched_model):
    own = ["a good film", "the plot was bad"]
    found = inspect_model(watched_model.model, watched_model.data, parts=["words"], inputs=own, quick=True)
    assert [text.text for text in found.words.texts] == own
    assert [text.true_label for text in found.words.texts] == [None, None]
    assert found.own_texts


def test_without_labels_what_needs_none_is_there_and_the_rest_is_said(watched_model, planted, tmp_path):
    texts = [text for seed in range(3) for text in planted(60, 20 + seed)[0]]
    bare = rows_of(tmp_path / "bare.csv", ["text", *texts])
    found = inspect_model(watched_model.model, bare, quick=True, texts=2)
    assert found.reach and found.gates and found.probes and found.words
    assert found.depth is None and not found.data.labeled
    assert [probe.fact for probe in found.probes] == ["length", "token", "position"]
    told = " ".join(found.left_out)
    assert "New heads need labels, and there are none" in told and "no column of labels" in told
    with pytest.raises(DataError, match="New heads need labels, and there are none"):
        inspect_model(watched_model.model, bare, parts=["depth"], quick=True)


def test_too_few_texts_of_a_class_are_said(watched_model, planted, tmp_path):
    texts, labels = planted(120, 7)
    few = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)]
    one = [row for row in few if row.endswith("neg")][:100] + [row for row in few if row.endswith("pos")][:6]
    path = rows_of(tmp_path / "few.csv", ["text,label", *one])
    with pytest.raises(DataError, match=r"takes two classes with 10 texts each or more to fit new heads on") as caught:
        inspect_model(watched_model.model, path, parts=["depth"], quick=True)
    assert "give more labeled texts" in str(caught.value)
    with pytest.raises(DataError, match="60 different texts or more"):
        inspect_model(watched_model.model, rows_of(tmp_path / "tiny.csv", ["text,label", *few[:30]]), parts=["probes"])


def test_labels_of_other_data_are_refused(watched_model, tmp_path):
    path = rows_of(tmp_path / "other.csv", ["text,label", "a film,great", "a plot,awful", "the story,great"])
    with pytest.raises(DataError, match="3 rows have an unknown label"):
        inspect_model(watched_model.model, path)


def test_a_model_from_elsewhere_is_refused(watched_model, tmp_path):
    other = copied(watched_model, tmp_path / "bert")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(ModelError, match=r"should hold a textlstm model .* 'bert'"):
        inspect_model(other, watched_model.data)
    with pytest.raises(ModelError, match="nowhere"):
        inspect_model(tmp_path / "nowhere", watched_model.data)


@pytest.mark.parametrize("rows", [-5, 200])
def test_a_tokenizer_of_other_size_is_refused(watched_model, tmp_path, rows):
    """Embeddings of another number of rows than the tokenizer has tokens."""
    from textlstm.model import TextLSTMForSequenceClassification

    other = copied(watched_model, tmp_path / "other")
    model = TextLSTMForSequenceClassification.from_pretrained(other)
    model.resize_token_embeddings(model.config.vocab_size + rows)
    model.save_pretrained(other)
    with pytest.raises(ModelError, match=r"tokenizer .* another model's"):
        inspect_model(other, watched_model.data)


def test_unknown_words_are_noted(watched_model, tmp_path):
    rows = ["zzz qqq good xxx,pos", "zzz yyy bad,neg"] * 20
    path = rows_of(tmp_path / "foreign.csv", ["text,label", *rows])
    found = inspect_model(watched_model.model, path, parts=["memory"], quick=True)
    assert found.data.unknown == pytest.approx(100 / 140)
    assert any("does not know 71 % of the tokens" in note for note in found.notes)


def test_a_remedy_needs_the_recipe_and_something_to_mend(watched_model, tmp_path, monkeypatch):
    other = copied(watched_model, tmp_path / "bare")
    (other / "result.json").unlink()
    with pytest.raises(RecipeError, match=r"leave --try-remedy out"):
        inspect_model(other, watched_model.data, remedy_seeds=2)
    found = inspect_model(other, watched_model.data, parts=["reach"], quick=True)
    assert found.training is None and not found.fresh_start
    monkeypatch.setattr(module.verdicts, "on_reach", lambda *_: ([], []))
    quiet = inspect_model(watched_model.model, watched_model.data, parts=["reach"], remedy_seeds=2, quick=True)
    assert any("nothing to mend" in note for note in quiet.notes) and not quiet.remedies


def test_a_remedy_is_tried_with_the_models_own_recipe(watched_model, monkeypatch):
    from textlstm.analysis.diagnostics.gradients import Remedy

    monkeypatch.setattr(module.verdicts, "on_reach", lambda *_: ([], [Remedy({"model.join": "residual"}, "why")]))
    told = []
    found = inspect_model(
        watched_model.model, watched_model.data, parts=["reach"], remedy_seeds=2, quick=True, tell=told.append
    )
    (remedy,) = found.remedies
    assert remedy.settings == ["model.join=residual"]
    assert remedy.seeds == 2 and remedy.split == "test"
    assert remedy.score.low <= remedy.score.value <= remedy.score.high
    assert remedy.reach_start.value != 0
    assert sum("seed" in words for words in told) == 4
    assert any("model.join=residual changes accuracy on test" in said.words for said in found.statements)


def test_a_remedy_of_ones_own_is_tried_whatever_the_verdict(watched_model):
    model, data = watched_model.model, watched_model.data
    own = {"model.forget_bias": -4.0}
    found = inspect_model(model, data, parts=["memory"], remedy_seeds=2, remedy=own, quick=True)
    (remedy,) = found.remedies
    assert remedy.settings == ["model.forget_bias=-4.0"]
    assert remedy.reach_start.value < -0.1  # gates that start closed forget
    with pytest.raises(RecipeError, match="forget_bia"):
        inspect_model(model, data, parts=["memory"], remedy_seeds=1, remedy={"model.forget_bia": 1.0}, quick=True)


def test_damaged_notes_are_said(watched_model, tmp_path):
    other = copied(watched_model, tmp_path / "damaged")
    (other / NOTES_FILE).write_text("{")
    with pytest.raises(RunFolderError, match="absent or damaged"):
        inspect_model(other, watched_model.data, parts=["memory"])


def test_heads_are_fitted_on_rows_that_are_not_scored(watched_model, tiny_recipe):
    recipe = tiny_recipe({"data.source": str(watched_model.data)})
    test = load_inspected(recipe, split=None)
    assert (test.split, len(test.rows), len(test.fit)) == ("test", 120, 150)
    own = load_inspected(recipe, split="train")
    assert own.fit is None
    found = inspect_model(watched_model.model, watched_model.data, split="train", parts=["depth"], quick=True)
    assert found.depth.fitted + found.depth.scored == 150
    assert any("training split" in note for note in found.notes)


def test_a_model_with_several_labels_a_text_is_looked_at_too(tiny_recipe, planted, tmp_path):
    texts, labels = planted(140, 3)
    sizes = ["long" if len(text.split()) > 6 else "short" for text in texts]
    rows = [f"{text},{label}|{size}" for text, label, size in zip(texts, labels, sizes, strict=True)]
    path = rows_of(tmp_path / "several.csv", ["text,label", *rows])
    recipe = tiny_recipe({"data.source": str(path), "data.label_separator": "|", "training.epochs": 1})
    finetune(recipe, load_recipe_data(recipe), out=tmp_path / "model")
    found = inspect_model(tmp_path / "model", recipe, quick=True, texts=2)
    assert found.left_out == []
    assert found.model.multi_label and found.model.label_names == ["long", "neg", "pos", "short"]
    assert all("," in text.true_label for text in found.words.texts)
    assert 0 <= found.depth.own_score.value <= 1
