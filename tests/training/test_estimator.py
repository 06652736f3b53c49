"""The scikit-learn side: clones, pipelines, cross-validation, searches, labels of every kind, several labels."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from textlstm.errors import DataError, RecipeError, RunFolderError
from textlstm.inference.predictor import Predictor
from textlstm.results import read_run
from textlstm.training.estimator import TextLSTMClassifier

SETTINGS = {
    "tokenizer.min_frequency": 1,
    "model.embedding_size": 8,
    "model.embedding_dropout": 0.0,
    "model.output_dropout": 0.1,
    "training.learning_rate": 0.02,
    "training.batch_size": 8,
}


@pytest.fixture(scope="module")
def tiny():
    def make(**options):
        return TextLSTMClassifier(**{"hidden": 8, "epochs": 2, "settings": SETTINGS, **options})

    return make


@pytest.fixture(scope="module")
def fitted(tiny, planted):
    return tiny(epochs=8).fit(*planted(120, 0))


def test_it_learns_and_answers_in_scikit_learns_shapes(fitted, planted):
    texts, labels = planted(40, 1)
    chances = fitted.predict_proba(texts)
    assert chances.shape == (40, 2)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)
    assert fitted.classes_.tolist() == ["neg", "pos"]
    assert fitted.predict(texts).tolist() == fitted.classes_[chances.argmax(1)].tolist()
    assert fitted.score(texts, labels) == np.mean(fitted.predict(texts) == labels) > 0.9
    assert fitted.run_.history[-1].epoch == 8
    assert is_classifier(fitted)


def test_what_is_saved_answers_as_the_classifier(fitted, planted, tmp_path):
    texts, _ = planted(40, 1)
    fitted.save(tmp_path / "model")
    loaded = Predictor.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.probabilities(texts), fitted.predict_proba(texts), atol=1e-6)
    assert loaded.label_names == ["neg", "pos"]
    assert read_run(tmp_path / "model").fingerprint == fitted.run_.fingerprint
    with pytest.raises(RunFolderError, match="finished model already"):
        fitted.save(tmp_path / "model")
    with pytest.raises(NotFittedError):
        clone(fitted).save(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_clones_carry_the_settings_and_nothing_fitted(fitted, planted):
    other = clone(fitted)
    assert other.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        other.predict(["good"])
    other.set_params(layers=2, epochs=1).fit(*planted(20, 0))
    assert other.run_.cell["layers"] == 2
    again = clone(fitted).fit(*planted(120, 0))
    assert np.array_equal(again.predict_proba(["good film"]), fitted.predict_proba(["good film"]))


def test_every_setting_reaches_the_recipe(tiny, planted):
    settings = tiny(layers=2, hidden=6, epochs=1, seed=5, threads=1).fit(*planted(20, 0)).run_.settings
    assert (settings["model"]["num_layers"], settings["model"]["hidden_size"]) == (2, 6)
    assert (settings["training"]["epochs"], settings["seed"], settings["threads"]) == (1, 5, 1)
    assert settings["model"]["embedding_size"] == 8
    won = tiny(layers=2, epochs=1, settings={**SETTINGS, "model.num_layers": 1}).fit(*planted(20, 0))
    assert won.run_.cell["layers"] == 1


def test_pipelines_and_cross_validation_take_it(tiny, planted):
    texts, labels = planted(60, 0)
    pipeline = Pipeline([("shout", FunctionTransformer(lambda rows: [row.upper() for row in rows])), ("lstm", tiny())])
    scores = cross_val_score(pipeline, texts, labels, cv=2)
    assert scores.shape == (2,)
    assert ((0 <= scores) & (scores <= 1)).all()


def test_a_search_over_layers_finds_one(tiny, planted):
    texts, labels = planted(40, 0)
    search = GridSearchCV(tiny(epochs=1), {"layers": [1, 2]}, cv=2).fit(texts, labels)
    assert search.best_params_["layers"] in (1, 2)
    assert search.best_estimator_.predict(["a good film"]).shape == (1,)


@pytest.mark.parametrize(
    "kinds",
    [["b", "a"], [7, 3], [True, False], [2.5, 0.5], np.array([1, 0], dtype=np.int8), pd.Series(["x", "y"])],
    ids=lambda kinds: type(kinds).__name__ + str(type(kinds[0]).__name__),
)
def test_predictions_are_of_the_kind_that_fit_was_given(tiny, planted, kinds):
    texts, labels = planted(20, 0)
    given = np.asarray(kinds)[[label == "pos" for label in labels] * np.ones(20, dtype=int)]
    model = tiny(epochs=1).fit(np.array(texts), given)
    found = model.predict(pd.Series(texts))
    assert found.dtype == given.dtype
    assert set(found.tolist()) <= set(given.tolist())
    assert model.classes_.tolist() == sorted(set(given.tolist()))


def test_several_labels_a_text(tiny, planted):
    texts, labels = planted(60, 0)
    matrix = np.array(
        [
            [label == "pos", len(text.split()) > 6, row % 2]
            for row, (text, label) in enumerate(zip(texts, labels, strict=True))
        ]
    )
    matrix = matrix.astype(int)
    model = tiny().fit(texts, matrix)
    chances, found = model.predict_proba(texts), model.predict(texts)
    assert chances.shape == found.shape == (60, 3)
    assert np.array_equal(found, (chances >= 0.5).astype(int))
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.score(texts, matrix) == (found == matrix).all(1).mean()


@pytest.mark.parametrize(
    ("texts", "labels", "words"),
    [
        (["a", "b"], ["x"], "2 texts and 1 labels"),
        (["a", None], ["x", "y"], "row 1 is NoneType"),
        ([["a"], ["b"]], ["x", "y"], "row 0 is list"),
        ("ab", ["x", "y"], "put it into a list"),
        (["a", "b"], ["x", "x"], "at least two classes"),
        (["a", "b"], ["x", None], "row 1 has no label"),
        (["a", "b"], [1.0, float("nan")], "row 1 has no label"),
        (["a", "b"], [1, "x"], "of one kind"),
        ([], [], "at least one text"),
        (["a", "b"], [[1, 2], [0, 1]], "0 and 1"),
        (["a", "b"], [[[1]], [[0]]], "are one column of any kind"),
    ],
)
def test_what_cannot_be_learned_from_is_said(tiny, texts, labels, words):
    with pytest.raises(DataError, match=words):
        tiny().fit(texts, np.array(labels, dtype=object) if None in labels or "x" in labels else labels)


def test_a_wrong_setting_is_a_recipe_error(tiny, planted):
    with pytest.raises(RecipeError, match=r"did you mean model\.pooling"):
        tiny(settings={"model.poling": "mean"}).fit(*planted(20, 0))


def test_predicting_takes_texts_only(fitted):
    with pytest.raises(DataError, match="row 0 is int"):
        fitted.predict([1])
    assert fitted.predict([]).shape == (0,)
    assert fitted.predict([""]).shape == (1,)
