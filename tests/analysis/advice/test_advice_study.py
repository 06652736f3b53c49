"""Fitting a study to data and time: sensible plans from small to large, and one clear sentence where there is none."""

import re
from dataclasses import replace

import numpy as np
import pytest

from textlstm.analysis.advice.study import FEWEST_ROWS, fit_to_budget, whole_study
from textlstm.errors import DataError, RecipeError
from textlstm.recipe import validate
from textlstm.text.datasets import load_data


def texts_of(counts, *, words=10, test=None):
    """So many texts of each class; all of one length."""
    labels = np.repeat(np.arange(len(counts)), counts)
    text = " ".join(["word"] * words)
    return load_data(([f"{text} {row}" for row in range(len(labels))], [f"c{label}" for label in labels]), test=test)


def default_recipe(**changes):
    return validate({"name": "study", "data": {"source": "here"}}, origin="the tests").override(changes)


def planned(data, *, budget=1200.0, recipe=None, max_layers=4, workers=2, pace=None):
    whole = whole_study(recipe or default_recipe(), data, budget=budget, max_layers=max_layers, workers=workers)
    return fit_to_budget(whole, pace=pace)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([150, 150], 10),
        ([290, 10], 10),
        ([150_000, 150_000], 20),
        ([40] * 150, 15),
        ([2000, 2000], 60),
    ],
    ids=["300 texts", "imbalanced", "300,000 texts", "150 classes", "longer texts"],
)
def test_twenty_minutes_have_a_plan_for_data_of_many_shapes(counts, words):
    study = planned(texts_of(counts, words=words))
    assert study.depths[:2] == (1, 2)
    assert study.first_look <= 0.95 * study.budget
    assert study.rows == (sum(counts) if study.size == "full" else study.size)
    assert study.rows >= min(sum(counts), 20 * len(counts))
    if study.size != "full":
        assert any(f"Each run sees {study.rows:,} of the {sum(counts):,} rows" in note for note in study.notes)


def test_more_time_never_plans_less_and_a_slower_machine_never_more():
    data = texts_of([5000, 5000], words=30)

    def size_of(**options):
        study = planned(data, **options)
        return len(study.depths), study.rows

    sizes = [size_of(budget=budget) for budget in (600.0, 1200.0, 2400.0, 7200.0)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    paces = [size_of(budget=2400.0, pace=pace) for pace in (0.5, 1.0, 1.5)]
    assert paces == sorted(paces, reverse=True)


def test_the_refusal_of_a_small_budget_names_options_that_do_fit():
    data = texts_of([1000, 1000], words=300)
    with pytest.raises(RecipeError, match="Even a first look") as refused:
        planned(data, budget=600.0)
    words = str(refused.value)
    options = dict(re.findall(r"--(budget|max-length|hidden) (\d+)", words))
    assert set(options) == {"budget", "max-length", "hidden"}, words
    planned(data, budget=60.0 * int(options["budget"]))
    planned(data, budget=600.0, recipe=default_recipe(**{"tokenizer.max_length": int(options["max-length"])}))
    planned(data, budget=600.0, recipe=default_recipe(**{"model.hidden_size": int(options["hidden"])}))


def test_the_test_split_is_put_aside_and_its_content_changes_nothing():
    one = planned(texts_of([100, 100], test=(["a test text", "another"], ["c0", "c1"])))
    other = planned(texts_of([100, 100], test=(["words", "more of them"], ["c1", "c0"])))
    plain = planned(texts_of([100, 100]))
    assert set(one.data.splits) == {"train"}
    assert one.data.fingerprint == other.data.fingerprint == plain.data.fingerprint
    assert not one.recipe.data.score_test
    assert any("test split is left closed" in note for note in one.notes)
    assert not any("test split" in note for note in plain.notes)


def test_imbalance_and_rare_classes_are_told():
    assert any("95 % of the rows are 'c0'" in note for note in planned(texts_of([950, 50])).notes)
    assert any("1 of 3 classes has fewer than 4 rows ('c2')" in note for note in planned(texts_of([99, 99, 3])).notes)
    many = planned(texts_of([99, 99, 3, 99, 2])).notes
    assert any("2 of 5 classes have fewer than 4 rows (such as 'c2')" in note for note in many)


@pytest.mark.parametrize(
    ("counts", "words"),
    [([15, 15], f"needs {FEWEST_ROWS} labeled rows or more, and .* has 30"), ([50, *[2] * 30], "needs 4 rows a class")],
)
def test_too_few_rows_are_refused_in_a_sentence(counts, words):
    with pytest.raises(DataError, match=words):
        planned(texts_of(counts))


def test_what_cannot_be_compared_is_refused_in_a_sentence():
    data = texts_of([50, 50])
    with pytest.raises(RecipeError, match="--max-layers is 1"):
        planned(data, max_layers=1)
    with pytest.raises(RecipeError, match="hidden_size is a list"):
        planned(data, recipe=default_recipe(**{"model.hidden_size": [8]}))
    with pytest.raises(DataError, match=r"needs labels, and .* has none"):
        planned(replace(data, splits={"train": replace(data.splits["train"], labels=None)}))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("data.size", 100, "larger --budget"),
        ("data.holdout", 0.1, "a quarter of the rows"),
        ("model.num_layers", 3, "--max-layers"),
        ("seed", 7, "from 0"),
        ("grid.seeds", 20, "by itself"),
        ("grid.layers", [1, 2], "by itself"),
    ],
)
def test_what_a_study_decides_itself_is_not_silently_ignored(key, value, words):
    with pytest.raises(RecipeError, match=rf"Advice sets {key} by itself .*{words}.*leave it out"):
        planned(texts_of([50, 50]), recipe=default_recipe(**{key: value}))


def test_several_labels_a_row_have_a_plan_too():
    labels = ["a;b" if row % 3 else "b" for row in range(120)]
    data = load_data(([f"text {row}" for row in range(120)], labels), label_separator=";")
    assert planned(data).rows == 120
