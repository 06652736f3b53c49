"""Counting without torch: the same parameters and operations as the models have, and widths that meet a target."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.recipe import validate
from textlstm.recipe_arithmetic import hidden_sizes, layer_inputs, match_widths, stack_size
from textlstm.training.cost import count_parameters, flops_per_token


def recipe_of(**model):
    return validate({"name": "x", "data": {"source": "nowhere"}, "model": model}, origin="the tests")


@st.composite
def model_options(draw, least_layers=0):
    layers = draw(st.integers(least_layers, 4))
    widths = st.integers(1, 9)
    uneven = draw(st.booleans()) and layers > 0
    poolings = ["last", "mean", "max", "attention", "concat"] + (["layer_mix"] if layers and not uneven else [])
    return {
        "num_layers": layers,
        "hidden_size": draw(st.lists(widths, min_size=layers, max_size=layers)) if uneven else draw(widths),
        "embedding_size": draw(st.integers(1, 9)),
        "bidirectional": draw(st.booleans()),
        "join": draw(st.sampled_from(["plain", "residual", "dense"])),
        "layer_norm": draw(st.booleans()),
        "pooling": draw(st.sampled_from(poolings)),
    }


@settings(max_examples=80, deadline=None)
@given(model_options(), st.integers(2, 5), st.integers(1, 20))
def test_counts_are_those_of_the_model(options, labels, vocabulary):
    model = TextLSTMForSequenceClassification(TextLSTMConfig(**options, vocab_size=vocabulary, num_labels=labels))
    size = stack_size(recipe_of(**options), num_labels=labels, vocab_size=vocabulary)
    assert (size.embedding + size.stack, size.stack) == count_parameters(model)
    assert size.flops_per_token == flops_per_token(model)
    assert hidden_sizes(recipe_of(**options)) == model.config.hidden_sizes
    assert layer_inputs(recipe_of(**options)) == [layer.input_size for layer in model.lstm.layers]


def test_without_a_vocabulary_the_largest_counts():
    recipe = recipe_of(embedding_size=10)
    assert stack_size(recipe, num_labels=2).embedding == 10 * recipe.tokenizer.vocab_size


@settings(max_examples=60, deadline=None)
@given(model_options(least_layers=1), st.integers(3, 30))
def test_widths_meet_the_target_as_nearly_as_units_allow(options, reference):
    options.pop("hidden_size")
    assume(options["pooling"] != "layer_mix")
    recipe = recipe_of(**options)

    def count(widths):
        return stack_size(recipe.override({"model.hidden_size": widths}), num_labels=3).stack

    # Any count in the range of what evenly wide stacks can have, not only the counts that they do have.
    low, high = count([1] * recipe.model.num_layers), count([reference] * recipe.model.num_layers)
    target = low + (high - low) * 5 // 7
    widths = match_widths(recipe, parameters=target, num_labels=3)
    assert len(widths) == recipe.model.num_layers
    assert max(widths) - min(widths) <= 1
    assert widths == sorted(widths, reverse=True)
    missed, depth = abs(count(widths) - target), len(widths)
    assert missed <= min(abs(count([width] * depth) - target) for width in range(1, reference + 1))
    if options["join"] != "residual":  # whose shortcuts become matrices where two widths differ
        steps = [count([even + 1] * k + [even] * (depth - k)) for even in range(1, reference) for k in range(depth + 1)]
        assert missed == min(abs(step - target) for step in steps)


@settings(max_examples=30, deadline=None)
@given(model_options(least_layers=1), st.integers(1, 80))
def test_a_width_that_a_stack_has_is_found_again(options, width):
    recipe = recipe_of(**{**options, "hidden_size": width})
    parameters = stack_size(recipe, num_labels=4).stack
    assert match_widths(recipe, parameters=parameters, num_labels=4) == [width] * recipe.model.num_layers


def test_a_mixture_of_layers_is_matched_with_one_width_for_all():
    recipe = recipe_of(num_layers=3, pooling="layer_mix", embedding_size=8)
    assert len(set(match_widths(recipe, parameters=5_000, num_labels=2))) == 1


def test_what_cannot_be_made_so_small_is_refused():
    with pytest.raises(RecipeError, match="4 layers of one unit"):
        match_widths(recipe_of(num_layers=4, embedding_size=100), parameters=500, num_labels=2)
