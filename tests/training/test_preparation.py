"""Rows, ids and fresh weights: alike where two runs should be alike, from the training rows alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from textlstm.errors import DataError, RecipeError
from textlstm.text.datasets import load_data
from textlstm.text.streams import stream
from textlstm.training.preparation import build_config, build_model, check_model_options, prepare


@given(st.integers(0, 2**31), st.text(max_size=20), st.text(max_size=20))
def test_streams_are_repeatable_and_apart(seed, one, other):
    assert 0 <= stream(seed, one) < 2**32
    assert stream(seed, one) == stream(seed, one)
    assert (stream(seed, one) == stream(seed, other)) == (one == other)


def weights_at(recipe, prepared):
    return build_model(build_config(recipe, prepared), seed=recipe.seed).state_dict()


@pytest.mark.parametrize("join", ["plain", "residual", "dense"])
def test_what_two_depths_share_starts_equal(tiny_recipe, tiny_data, join):
    changes = {"model.join": join, "model.embedding_size": 16, "model.hidden_size": 8}
    shallow, deep = (tiny_recipe({**changes, "model.num_layers": layers}) for layers in (1, 3))
    prepared = prepare(shallow, tiny_data)
    one, three = weights_at(shallow, prepared), weights_at(deep, prepared)
    assert one.keys() < three.keys()
    assert [name for name in one if not torch.equal(one[name], three[name])] == []
    second, third = (name for name in three if name.endswith("weight_hh") and name not in one)
    assert not torch.equal(three[second], three[third])  # layers do not start alike


def test_seeds_start_differently_and_the_callers_generator_is_left_alone(tiny_recipe, tiny_data):
    recipe = tiny_recipe()
    prepared = prepare(recipe, tiny_data)
    before = torch.random.get_rng_state()
    config = build_config(recipe, prepared)
    torch.manual_seed(5)
    first = build_model(config, seed=0).state_dict()
    torch.manual_seed(6)
    again, other = build_model(config, seed=0).state_dict(), build_model(config, seed=1).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)
    torch.random.set_rng_state(before)


def test_rows_and_ids_do_not_depend_on_depth_and_do_on_seed(tiny_recipe, tiny_data):
    changes = {"data.size": 20}
    one, deep, other = (
        prepare(tiny_recipe({**changes, **more}), tiny_data) for more in ({}, {"model.num_layers": 3}, {"seed": 1})
    )
    assert one.rows.train.rows.tolist() == deep.rows.train.rows.tolist() != other.rows.train.rows.tolist()
    assert np.array_equal(one.encoded["train"].ids, deep.encoded["train"].ids)


def test_the_vocabulary_comes_from_the_training_rows_alone(tiny_recipe, planted):
    data = load_data(
        planted(40, 0), validation=(["zebra bad", "bad"], ["neg", "pos"]), test=(["yak", "good"], ["neg", "pos"])
    )
    vocabulary = prepare(tiny_recipe(), data).tokenizer.get_vocab()
    assert "bad" in vocabulary
    assert not {"zebra", "yak"} & set(vocabulary)


@pytest.mark.parametrize("size", [2, 60])
def test_texts_are_cut_at_the_maximum_length(tiny_recipe, tiny_data, size):
    encoded = prepare(tiny_recipe({"tokenizer.max_length": size}), tiny_data).encoded["train"]
    assert encoded.lengths.max() == min(size, max(len(text.split()) for text in tiny_data.splits["train"].text_list()))


def test_balanced_weights_are_scikit_learns(tiny_recipe):
    labels = ["a"] * 7 + ["b"] * 2 + ["c"] * 1
    data = load_data((["x"] * 10, labels))
    config = build_config(tiny_recipe({"training.class_weights": "balanced"}), prepare(tiny_recipe(), data))
    numbers = data.splits["train"].labels
    assert config.class_weights == pytest.approx(
        compute_class_weight("balanced", classes=np.unique(numbers), y=numbers).tolist()
    )
    assert build_config(tiny_recipe(), prepare(tiny_recipe(), data)).class_weights is None


def test_balanced_weights_of_several_labels_even_out_yes_and_no(tiny_recipe):
    data = load_data({"text": ["x"] * 8, "labels": [["a", "b"]] * 2 + [["a"]] * 4 + [[]] * 2})
    prepared = prepare(tiny_recipe(), data)
    config = build_config(tiny_recipe({"training.class_weights": "balanced"}), prepared)
    assert config.class_weights == [pytest.approx(2 / 6), pytest.approx(6 / 2)]
    assert config.problem_type == "multi_label_classification"


def test_the_config_takes_over_the_recipe_and_the_data(tiny_recipe, tiny_data):
    recipe = tiny_recipe({"model.num_layers": 2, "model.pooling": "mean", "model.label_smoothing": 0.1})
    prepared = prepare(recipe, tiny_data)
    config = build_config(recipe, prepared)
    for key, value in recipe.model.model_dump().items():
        assert getattr(config, key) == value
    assert config.vocab_size == len(prepared.tokenizer)
    assert config.id2label == {0: "neg", 1: "pos"}
    assert config.label2id == {"neg": 0, "pos": 1}


def test_every_option_that_does_not_fit_is_told_at_once(tiny_recipe, tiny_data):
    cells = [tiny_recipe({"model.hidden_size": [8, 8], "model.num_layers": layers}) for layers in (1, 2, 3)]
    with pytest.raises(RecipeError) as caught:
        check_model_options(cells)
    assert [f"at {layers} layers, model.hidden_size" in str(caught.value) for layers in (1, 2, 3)] == [
        True,
        False,
        True,
    ]
    check_model_options([cells[1]])
    with pytest.raises(RecipeError, match="do not go together: hidden_size"):
        build_config(cells[0], prepare(cells[0], tiny_data))


def test_a_subset_of_one_class_is_said(tiny_recipe):
    data = load_data((["x"] * 30, ["a"] * 28 + ["b"] * 2), label_names=["a", "b", "c"])
    with pytest.raises(DataError, match="ask for 3 rows or more"):
        prepare(tiny_recipe({"data.size": 2}), data)
