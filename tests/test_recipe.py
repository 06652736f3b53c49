"""Recipes: every shipped one, all problems at once, overrides, and what the fingerprint does and does not see."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe, describe_key, known_keys, validate
from textlstm.recipe_files import find_recipe, load_recipe, parse_override, shipped_recipes, write_override
from textlstm.recipe_keys import flatten

PLAIN = {"name": "x", "data": {"source": "pydocs"}}


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_is_valid_named_after_its_file_and_round_trips(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.description
    assert validate(yaml.safe_load(recipe.to_yaml()), origin="yaml") == recipe


def test_the_shipped_recipes_are_found():
    assert {"quickstart", "sst2", "trec", "listops"} <= set(shipped_recipes())


def test_all_problems_come_at_once_with_dotted_names_and_the_nearest_key():
    with pytest.raises(RecipeError) as caught:
        validate({**PLAIN, "modle": 1, "training": {"epochs": "many", "lerning_rate": 1}, "seed": -1}, origin="r.yaml")
    text = str(caught.value)
    for part in (
        "r.yaml",
        "modle: no such key; did you mean model?",
        "training.lerning_rate: no such key; did you mean training.learning_rate?",
        "training.epochs",
        "seed",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        (None, "empty"),
        ([1], "a list"),
        ({}, "name: is needed"),
        ({**PLAIN, "tokenizer": {"kind": "pretrained"}}, "go together"),
        ({**PLAIN, "grid": {"layers": []}}, "grid.layers"),
        ({**PLAIN, "grid": {"seeds": []}}, "grid.seeds"),
        ({**PLAIN, "grid": {"seeds": [-1]}}, "grid.seeds"),
        ({**PLAIN, "model": {"embedding_size": 10**99}}, "model.embedding_size: whole numbers should be at most"),
        ({**PLAIN, "grid": {"layers": [1, 2]}, "model": {"num_layers": 3}}, "model.num_layers is 3 and grid.layers"),
        ({**PLAIN, "grid": {"seeds": 2}, "seed": 7}, "seed is 7 and grid.seeds"),
        ({**PLAIN, "training": {"learning_rate": True}}, "training.learning_rate: yes or no does not fit"),
        ({**PLAIN, "tokenizer": {"kind": "bpe", "vocab_size": 10}}, "at least 258"),
        ({**PLAIN, "tokenizer": {"kind": "pretrained", "source": "x", "lowercase": False}}, "no effect"),
        ({**PLAIN, "model": {"join": "highway"}}, "model.join"),
        ({**PLAIN, "name": "../up"}, "name"),
        ({**PLAIN, "version": 2}, "version"),
    ],
)
def test_wrong_recipes_are_refused_with_the_key(tree, word):
    with pytest.raises(RecipeError, match=word):
        validate(tree, origin="r.yaml")


def test_a_misspelt_recipe_name_is_answered_with_the_nearest():
    with pytest.raises(RecipeError, match=r"did you mean sst2\?"):
        find_recipe("sts2")


def test_a_file_that_is_not_yaml_is_named(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("a: [1")
    with pytest.raises(RecipeError, match=r"r\.yaml should be YAML"):
        load_recipe(path)


def test_yaml_objects_are_not_built(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(RecipeError, match="YAML"):
        load_recipe(path)


def test_overrides_change_what_they_name_and_nothing_else():
    recipe = validate(PLAIN, origin="test")
    changed = recipe.override({"model.num_layers": 3, "grid.sizes": [10, "full"]})
    before, after = flatten(recipe.model_dump()), flatten(changed.model_dump())
    assert {key for key in before if before[key] != after[key]} == {"model.num_layers", "grid.sizes"}
    with pytest.raises(RecipeError, match="value without keys"):
        recipe.override({"name.first": 1})


@pytest.mark.parametrize("text", ["model.num_layers", "=3", "a=[1"])
def test_a_malformed_set_is_refused(text):
    with pytest.raises(RecipeError, match="--set"):
        parse_override(text)


@given(st.text(max_size=30))
def test_overrides_are_parsed_or_refused_never_a_crash(text):
    try:
        key, _ = parse_override(text)
    except RecipeError:
        return
    assert key == key.strip() != ""


VALUES = {
    "grid.layers": [2],
    "grid.sizes": [10],
    "data.size": 10,
    "tokenizer.source": None,
    "grid.seeds": 7,
    "name": "other",
    "data.source": "listops",
    "reference": [{"model": "BiLSTM", "score": 87.5, "source": "Tai 2015", "mark": "M"}],
    "measured": {"minutes": 3, "cells": 4, "workers": 2, "machine": "two cores"},
    "grid.axes": {"model.join": ["plain", "dense"]},
    "grid.controls": ["matched_compute"],
    "grid.tuning.learning_rate": [0.001, 0.002],
    "grid.tuning.dropout": [0.2, 0.3],
    "claim": {"name": "cost", "statement": "s", "estimand": "e", "threshold": 1, "unit": "points"},
}
ALONG = {
    "data.fold": {"data.folds": 20},
    "grid.widths": {"grid.layers": [2]},
    **{key: {"embeddings.source": "v.txt"} for key in known_keys() if key.startswith("embeddings.")},
    "embeddings.source": {},
    "embeddings.pieces": {"embeddings.source": "v.txt", "tokenizer.kind": "bpe"},
    "objectives.unlabeled": {"objectives.entropy": 1.0},
    "transfer.rate_factor": {"transfer.encoder": "x"},
    "transfer.unfreeze_epochs": {"transfer.encoder": "x"},
}
"""What a key needs beside it."""

VALUES |= {
    "augmentation.copies": 2,
    "augmentation.rules": ["typos"],
    "augmentation.vectors": "vectors.txt",
    "augmentation.protected": ["seldom"],
    "distillation.teacher": ["some/model"],
    "distillation.labels": {"LABEL_0": "neg"},
    "distillation.unlabeled": "texts.txt",
    "distillation.unlabeled_rows": 10,
    "distillation.rest": True,
}
_COPIES, _TEACHER = {"augmentation.copies": 2}, {"distillation.teacher": "some/model"}
ALONG |= {key: _COPIES for key in known_keys() if key.startswith("augmentation.") and key != "augmentation.copies"}
ALONG |= {key: _TEACHER for key in known_keys() if key.startswith("distillation.") and key != "distillation.teacher"}
ALONG["augmentation.similarity"] = {**_COPIES, "augmentation.vectors": "vectors.txt"}
ALONG["distillation.unlabeled_rows"] = {**_TEACHER, "distillation.unlabeled": "texts.txt"}


@pytest.mark.parametrize(
    "value",
    ["plain words", "yes", "null", "1e-3", "12", "a: b", "it's", "", " ", "#", "[1", "\U0001f600 é", 2, 0.5, 1e-05,
     True, None, [1, "no"], {"model.join": "residual"}],
)  # fmt: skip
def test_a_written_setting_is_read_as_the_same(value):
    assert parse_override(write_override("a.b", value)) == ("a.b", value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"augmentation.rules": ["neighbors"], **_COPIES}, "needs vectors"),
        ({"augmentation.vectors": "x", "augmentation.rules": ["swap"], **_COPIES}, "serve the rules"),
        ({"augmentation.similarity": 0.9, **_COPIES}, "no effect without vectors"),
        ({"augmentation.rules": ["casing"], **_COPIES}, "lowercase folds case"),
        ({"augmentation.rules": ["spelling"]}, "augmentation.rules"),
        ({"augmentation.copies": -1}, "augmentation.copies"),
        ({"distillation.loss": "mse", "distillation.temperature": 3.0, **_TEACHER}, "no effect on loss `mse`"),
        ({"distillation.unlabeled_rows": 5, **_TEACHER}, "give both, or neither"),
        ({"distillation.hard_weight": 1.0, **_TEACHER}, "leaves nothing to the teacher"),
        ({"distillation.teacher": []}, "distillation.teacher"),
        ({"objectives.mixup": 0.5, **_TEACHER}, "leave one of the two out"),
        ({"objectives.adversarial": 0.5, **_TEACHER}, "leave one of the two out"),
    ],
)
def test_copies_and_teachers_go_with_what_they_need(changes, words):
    with pytest.raises(RecipeError, match=words):
        validate(PLAIN, origin="test").override(changes)


def test_a_teacher_may_be_named_alone():
    recipe = validate(PLAIN, origin="test").override({"distillation.teacher": "some/model"})
    assert recipe.distillation.teacher == ["some/model"]
    assert recipe.override({"distillation.teacher": ["a", "b"]}).distillation.teacher == ["a", "b"]


@pytest.mark.parametrize(
    "key", [key for key in known_keys() if key not in ("version", "data.source", "tokenizer.source")]
)
def test_the_fingerprint_moves_exactly_for_keys_that_can_change_a_result(key):
    """One source per option: every key can be set, and is seen or ignored as documented."""
    recipe = validate(PLAIN, origin="test").override(ALONG.get(key, {}))
    old = flatten(recipe.model_dump(mode="json")).get(key)
    options = known_keys()[key]
    for candidate in (
        VALUES.get(key),
        not old,
        3,
        0.25,
        ["x"],
        [1],
        "x",
        ["trackio"],
        ["tfidf"],
        12,
        "cpu",
        "macro_f1",
        "bf16",
        "drop",
        "max",
    ):
        try:
            changed = recipe.override({key: candidate})
        except RecipeError:
            continue
        if changed != recipe:
            break
    else:
        changed = _another_literal(recipe, key, options)
    ignored = key in (
        "name",
        "description",
        "trackers",
        "preview",
        "protocol",
        "reference",
        "measured",
        "delta",
        "data.mirror",
        "training.checkpoint_seconds",
    ) or key.startswith("grid.")
    assert (changed.fingerprint() == recipe.fingerprint()) == ignored


def _another_literal(recipe, key, field):
    for choice in getattr(field.annotation, "__args__", ()):
        try:
            changed = recipe.override({key: choice} | ({"tokenizer.source": "x"} if choice == "pretrained" else {}))
        except RecipeError:
            continue
        if changed != recipe:
            return changed
    raise AssertionError(f"no second value for {key}")


def test_every_key_is_described():
    assert all(describe_key(key) for key in known_keys())


def test_writing_a_default_out_does_not_move_the_fingerprint():
    explicit = Recipe.model_validate({**PLAIN, "training": {"epochs": Recipe.model_validate(PLAIN).training.epochs}})
    assert explicit.fingerprint() == validate(PLAIN, origin="test").fingerprint()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("data.pool", "on the same data"),
        ("data.score_test", "on the same data"),
        ("name", "changes no result"),
        ("delta", "changes no result"),
        ("preview", "changes no result"),
        ("trackers", "changes no result"),
        ("modl.join", "did you mean"),
    ],
)
def test_what_is_no_setting_of_a_run_is_no_axis(key, words):
    with pytest.raises(RecipeError, match=words):
        validate({"name": "x", "data": {"source": "y"}, "grid": {"axes": {key: [1, 2]}}}, origin="the tests")


def test_an_axis_can_be_set_by_its_dotted_name():
    recipe = validate({"name": "x", "data": {"source": "y"}}, origin="the tests")
    changed = recipe.override(dict([parse_override("grid.model.join=[plain, residual]")]))
    assert changed.grid.axes == {"model.join": ["plain", "residual"]}
    again = changed.override({"grid.model.join": ["dense"], "grid.tuning.trials": 3})
    assert (again.grid.axes, again.grid.tuning.trials) == ({"model.join": ["dense"]}, 3)


@pytest.mark.parametrize("control", ["matched_parameters", "matched_compute"])
def test_widths_and_matched_depths_exclude_each_other(control):
    grid = {"layers": [1, 2], "widths": [8, 4], "controls": [control]}
    with pytest.raises(RecipeError, match="leave one of the two out"):
        validate({"name": "x", "data": {"source": "y"}, "grid": grid}, origin="the tests")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"embeddings.extra_words": 5, "tokenizer.kind": "bpe"},
            "adds words to kind `word`, and .* is bpe",
        ),
        ({"embeddings.pieces": "average"}, "no effect on tokenizer.kind `word`"),
        ({"embeddings.tuned": "never", "embeddings.learning_rate": 0.1}, "no effect with tuned `never`"),
        ({"embeddings.tuned": 0}, "embeddings.tuned"),
        ({"embeddings.scale": 0}, "embeddings.scale"),
    ],
)
def test_keys_of_pretrained_vectors_that_exclude_each_other_are_told(changes, words):
    recipe = validate(PLAIN, origin="test")
    with pytest.raises(RecipeError, match=words):
        recipe.override({"embeddings.source": "v.txt", **changes})


def test_keys_of_vectors_count_only_with_a_source():
    """An axis may compare with and without vectors; the cells without them are then the same run."""
    recipe = validate(PLAIN, origin="test")
    assert recipe.override({"embeddings.tuned": "never"}).fingerprint() == recipe.fingerprint()
