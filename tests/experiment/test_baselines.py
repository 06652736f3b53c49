"""Plain baselines: the rows of the runs that they stand beside, nothing learned from test, nothing done twice."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from textlstm.errors import DataError, RunFolderError
from textlstm.experiment import baseline_methods
from textlstm.experiment.baselines import read_baselines, run_baselines
from textlstm.experiment.linear import LinearSettings, fit_linear, fit_logistic, tfidf_features
from textlstm.experiment.openings import count_openings
from textlstm.experiment.runs import read_runs
from textlstm.results import read_predictions, write_run
from textlstm.text.datasets import load_data
from textlstm.text.splits import Split
from textlstm.training.preparation import prepare

GRID = {"grid.sizes": [20, 40], "grid.seeds": 2, "grid.baselines": ["majority", "tfidf"]}


def chances_of(folder, result):
    table = read_predictions(folder / result.path, "test")
    return np.array(table["probabilities"].to_pylist()), table


@pytest.fixture(scope="module")
def noisy_data(planted):
    """700 rows whose labels are wrong in one of six, so that a figure depends on the rows and on C."""

    def some(rows, seed):
        texts, labels = planted(rows, seed)
        wrong = np.random.default_rng(seed).random(rows) < 1 / 6
        return texts, [
            {"neg": "pos", "pos": "neg"}[label] if w else label for label, w in zip(labels, wrong, strict=True)
        ]

    return load_data(some(700, 0), test=some(50, 2))


@pytest.mark.parametrize("folds", [None, 3])
def test_rows_are_those_of_the_run_of_the_same_size_seed_and_fold(tmp_path, tiny_recipe, noisy_data, folds):
    data = noisy_data
    if folds:
        data = load_data((noisy_data.splits["train"].text_list(), noisy_data.splits["train"].labels.tolist()))
    sizes = [5, 400, "full"] if folds else [5, 600, "full"]  # without and with validation rows
    recipe = tiny_recipe({"grid.sizes": sizes, "grid.seeds": 2, "grid.folds": folds, "grid.baselines": ["majority"]})
    results = run_baselines(recipe, data, tmp_path)
    assert len(results) == 6 * (folds or 1)
    for result in results:
        changes = {"data.size": result.size, "seed": result.seed, "data.folds": folds, "data.fold": result.fold}
        rows = prepare(tiny_recipe(changes), data).rows
        chances, table = chances_of(tmp_path, result)
        shares = np.bincount(rows.train.labels, minlength=2) / len(rows.train)
        np.testing.assert_allclose(chances, np.tile(shares, (len(rows.test), 1)), rtol=1e-6)
        assert table["row"].to_pylist() == rows.test.rows.tolist()
        assert table["label"].to_pylist() == rows.test.labels.tolist()
        assert result.labels_used == rows.labels_used
        majority = np.argmax(np.bincount(rows.train.labels))  # of ties the first
        assert result.test.accuracy.value == pytest.approx(np.mean(rows.test.labels == majority))


def test_words_beat_the_majority_and_files_hold_what_the_figures_say(tmp_path, tiny_recipe, tiny_data):
    results = run_baselines(tiny_recipe(GRID), tiny_data, tmp_path)
    assert [result.coordinates for result in results] == [
        {"baseline": name, "size": size, "seed": seed}
        for name in ("majority", "tfidf")
        for size in (20, 40)
        for seed in (0, 1)
    ]
    assert read_baselines(tmp_path) == results
    by_place = {tuple(result.coordinates.values()): result.test.accuracy.value for result in results}
    for size, seed in [(20, 0), (20, 1), (40, 0), (40, 1)]:
        assert by_place["tfidf", size, seed] > 0.7 > by_place["majority", size, seed]
    for result in results:
        chances, table = chances_of(tmp_path, result)
        right = chances.argmax(1) == np.array(table["label"].to_pylist())
        assert right.mean() == pytest.approx(result.test.accuracy.value)


def test_the_strength_is_the_best_on_validation_and_the_model_is_scikit_learns(tmp_path, tiny_recipe, noisy_data):
    recipe = tiny_recipe({"grid.sizes": [600], "grid.seeds": 1, "grid.baselines": ["tfidf"]})
    (result,) = run_baselines(recipe, noisy_data, tmp_path)
    rows = prepare(tiny_recipe({"data.size": 600}), noisy_data).rows
    terms = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, tokenizer=str.split, token_pattern=None)
    matrix = terms.fit_transform(rows.train.text_list())
    losses, chances = {}, {}
    for strength in result.settings["strengths"]:
        model = LogisticRegression(C=strength, tol=1e-6, max_iter=10_000).fit(matrix, rows.train.labels)
        losses[strength] = log_loss(
            rows.validation.labels, model.predict_proba(terms.transform(rows.validation.text_list()))
        )
        chances[strength] = model.predict_proba(terms.transform(rows.test.text_list()))
    assert result.strength == min(losses, key=losses.get)
    assert result.strength not in (min(losses), max(losses))  # or the choice would not be seen
    np.testing.assert_allclose(chances_of(tmp_path, result)[0], chances[result.strength], atol=2e-3)


def test_the_figure_that_chooses_the_epoch_chooses_the_strength(tmp_path, tiny_recipe, noisy_data):
    chosen = {}
    for choose_by in ("log_loss", "accuracy"):
        grid = {"grid.sizes": [600], "grid.seeds": 3, "grid.baselines": ["tfidf"], "training.choose_by": choose_by}
        results = run_baselines(tiny_recipe(grid), noisy_data, tmp_path / choose_by)
        chosen[choose_by] = [result.strength for result in results]
    assert chosen["log_loss"] != chosen["accuracy"]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_labels_of_the_test_split_change_no_probability(seed, multi_label, held_out):
    rng = np.random.default_rng(seed)
    words = np.array("one two three four five".split())

    def split(rows):
        texts = [" ".join(rng.choice(words, 3)) for _ in range(rows)]
        labels = rng.random((rows, 3)) < 0.4 if multi_label else rng.integers(0, 3, rows)
        return Split(pa.array(texts, "large_string"), labels, np.arange(rows))

    train, validation, test = split(25), split(10) if held_out else None, split(6)
    options = LinearSettings(classes=3, multi_label=multi_label, strengths=(0.1, 10.0))
    features = tfidf_features(lowercase=True)
    first = fit_linear(train, validation, test, fit_features=features, settings=options)
    flipped = Split(test.texts, np.flip(test.labels, 0), test.rows)
    second = fit_linear(train, validation, flipped, fit_features=features, settings=options)
    assert first[1] == second[1]
    np.testing.assert_array_equal(first[0], second[0])
    assert first[0].shape == (6, 3)
    assert ((first[0] >= 0) & (first[0] <= 1)).all()
    if not multi_label:
        np.testing.assert_allclose(first[0].sum(1), 1, atol=1e-6)  # in single precision


def test_a_class_without_training_rows_gets_no_probability_and_a_constant_label_is_certain():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(30, 4))
    single = LinearSettings(classes=4, multi_label=False, strengths=(1.0,))
    chances = fit_logistic(matrix, np.repeat([1, 3], 15), strength=1.0, settings=single)(matrix)
    assert (chances[:, [0, 2]] == 0).all()
    np.testing.assert_allclose(chances.sum(1), 1)
    assert (fit_logistic(matrix, np.full(30, 2), strength=1.0, settings=single)(matrix)[:, 2] == 1).all()
    labels = np.column_stack([matrix[:, 0] > 0, np.ones(30, bool), np.zeros(30, bool)])
    several = LinearSettings(classes=3, multi_label=True, strengths=(1.0,))
    chances = fit_logistic(matrix, labels, strength=1.0, settings=several)(matrix)
    assert np.mean((chances[:, 0] > 0.5) == labels[:, 0]) > 0.9
    np.testing.assert_array_equal(chances[:, 1:], np.tile([1.0, 0.0], (30, 1)))


def test_balanced_classes_are_followed():
    rng = np.random.default_rng(0)
    labels = (np.arange(200) < 20).astype(int)
    matrix = rng.normal(size=(200, 1)) + labels[:, None]
    given = {
        balanced: fit_logistic(
            matrix,
            labels,
            strength=1.0,
            settings=LinearSettings(classes=2, multi_label=False, strengths=(1.0,), balanced=balanced),
        )(matrix)
        for balanced in (False, True)
    }
    assert given[False][:, 1].mean() == pytest.approx(0.1, abs=0.01)
    assert given[True][:, 1].mean() > 0.3


@pytest.mark.parametrize("text", ["Größe 好坏 ไทย", "ok !", "[MAX 2 9 ]"])
def test_every_script_and_mark_is_a_term(text):
    _, features = tfidf_features(lowercase=True)([text, "other"])
    assert features([text]).nnz >= 2
    assert features(["好"]).nnz == (1 if "好" in text else 0)


def test_multi_label_data_are_scored_label_by_label(tmp_path, tiny_recipe):
    rng = np.random.default_rng(0)
    marks = rng.integers(0, 2, (120, 2))
    texts = [" ".join(["the film", *(["good"] * a), *(["long"] * b), "it was"]) for a, b in marks]
    labels = [",".join(name for name, mark in zip(("praise", "length"), row, strict=True) if mark) for row in marks]
    rows = [(text, label) for text, label in zip(texts, labels, strict=True) if label]
    data = load_data(tuple(zip(*rows[:70], strict=True)), test=tuple(zip(*rows[70:], strict=True)), label_separator=",")
    results = run_baselines(tiny_recipe({**GRID, "grid.sizes": [40]}), data, tmp_path)
    scores = {result.name: result.test.accuracy.value for result in results}
    assert scores["tfidf"] > 0.95 > scores["majority"]
    train = prepare(tiny_recipe({"data.size": 40, "seed": 1}), data).rows.train
    np.testing.assert_allclose(chances_of(tmp_path, results[1])[0][0], train.labels.mean(0), rtol=1e-6)


def test_finished_baselines_are_kept_and_only_the_absent_one_is_fitted(tmp_path, tiny_recipe, tiny_data):
    told = []
    recipe = tiny_recipe(GRID)
    first = run_baselines(recipe, tiny_data, tmp_path, listener=lambda *words: told.append(words))
    assert told == [(result, False) for result in first]
    assert count_openings(tmp_path) == 8
    lost = tmp_path / first[5].path
    (lost / "baseline.json").rename(lost / "baseline.json.partial")  # killed before the last rename
    again = run_baselines(recipe, tiny_data, tmp_path, listener=lambda *words: told.append(words))
    assert [spared for _, spared in told[8:]] == [number != 5 for number in range(8)]
    assert count_openings(tmp_path) == 9
    assert [result.model_copy(update={"seconds": 0.0}) for result in again] == [
        result.model_copy(update={"seconds": 0.0}) for result in first
    ]
    larger = run_baselines(tiny_recipe({**GRID, "grid.sizes": [20, 40, "full"]}), tiny_data, tmp_path)
    assert len(larger) == 12


def test_seeds_with_the_very_same_rows_are_one_fit_and_one_opening(tmp_path, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"grid.seeds": 3, "grid.baselines": ["tfidf"]})  # all rows, and a validation split of its own
    results = run_baselines(recipe, tiny_data, tmp_path)
    assert [result.seed for result in results] == [0, 1, 2]
    assert count_openings(tmp_path) == 1
    assert len({result.seconds for result in results}) == 1


def test_other_settings_or_data_are_refused_by_name(tmp_path, tiny_recipe, tiny_data, noisy_data):
    run_baselines(tiny_recipe(GRID), tiny_data, tmp_path)
    cased = tiny_recipe({**GRID, "tokenizer.lowercase": False})
    with pytest.raises(RunFolderError, match="lowercase was True, is False"):
        run_baselines(cased, tiny_data, tmp_path)
    with pytest.raises(RunFolderError, match="fingerprint"):
        run_baselines(tiny_recipe(GRID), noisy_data, tmp_path)
    assert count_openings(tmp_path) == 8


def test_a_closed_test_split_stays_closed_and_one_without_labels_is_an_error(tmp_path, tiny_recipe, tiny_data, planted):
    assert run_baselines(tiny_recipe({**GRID, "data.score_test": False}), tiny_data, tmp_path) == []
    assert count_openings(tmp_path) == 0
    with pytest.raises(DataError, match="test split with labels"):
        run_baselines(tiny_recipe(GRID), load_data(planted(60, 0)), tmp_path)


def test_a_damaged_result_says_so(tmp_path, tiny_recipe, tiny_data):
    (result, *_) = run_baselines(tiny_recipe(GRID), tiny_data, tmp_path)
    (tmp_path / result.path / "baseline.json").write_text('{"name": "tf')
    with pytest.raises(RunFolderError, match="move its folder away"):
        read_baselines(tmp_path)


def test_runs_and_baselines_do_not_take_each_other_for_their_own(
    tmp_path, tiny_recipe, tiny_data, make_run, make_predictions
):
    recipe = tiny_recipe(GRID)
    run_baselines(recipe, tiny_data, tmp_path)
    write_run(tmp_path / "layers=1" / "seed=0", make_run(recipe), make_predictions(), recipe.to_yaml())
    assert len(read_runs(tmp_path)) == 1
    assert len(read_baselines(tmp_path)) == 8
    assert read_baselines(tmp_path / "layers=1") == []


def test_vectors_of_an_encoder_are_made_once_for_the_grid(tmp_path, tiny_recipe, tiny_data, monkeypatch):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "model.safetensors").write_bytes(b"weights")
    asked = []

    def encode(folder, texts, *, max_length, threads):
        asked.append(texts)
        return np.array([[text.count("good") - text.count("bad"), 1.0] for text in texts], dtype=np.float32)

    monkeypatch.setattr(baseline_methods, "encode_frozen", encode)
    recipe = tiny_recipe({"grid.sizes": [20, "full"], "grid.seeds": 2, "grid.encoder": str(encoder)})
    results = run_baselines(recipe, tiny_data, tmp_path / "grid")
    assert [result.test.accuracy.value for result in results] == [1.0] * 4
    every = {text for split in tiny_data.splits.values() for text in split.text_list()}
    assert len(asked) == 1 and sorted(asked[0]) == sorted(every)
    (tmp_path / "grid" / results[2].path / "baseline.json").unlink()
    assert len(run_baselines(recipe, tiny_data, tmp_path / "grid")) == 4
    assert len(asked) == 1  # read from the file
    (encoder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(RunFolderError, match="encoder was"):
        run_baselines(recipe, tiny_data, tmp_path / "grid")


def test_plain_baselines_need_no_torch(tmp_path):
    code = f"""
import sys
from pathlib import Path
from textlstm.experiment.baselines import run_baselines
from textlstm.recipe import validate
from textlstm.text.datasets import load_data
grid = {{"sizes": [8], "baselines": ["majority", "tfidf"]}}
recipe = validate({{"name": "light", "data": {{"source": "here"}}, "grid": grid}}, origin="the test")
data = load_data((["good film", "bad film"] * 8, ["pos", "neg"] * 8), test=(["good", "bad"], ["pos", "neg"]))
assert len(run_baselines(recipe, data, Path({str(tmp_path)!r}))) == 2
print(*sorted({{"torch", "transformers", "datasets"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
