"""What a search may choose: within its limits, the same under a seed, and nothing that is given or has no effect."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.errors import RecipeError
from textlstm.experiment.search_space import RandomSpace, dropout_settings, random_settings, suggested_settings

SPACE = RandomSpace(learning_rate=(1e-4, 1e-2), dropout=(0.1, 0.4), units=(4, 32), activations=("tanh", "relu"))
RATE = "training.learning_rate"


def test_without_optuna_who_needs_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(RecipeError, match=r"The tuning claim searches with Optuna.*pip install 'textlstm\[tune\]'"):
        random_settings(SPACE, trials=1, seed=0)


@given(st.integers(0, 50))
def test_one_width_for_all_layers_within_the_limits_and_one_rate_of_dropout(seed):
    draws = random_settings(SPACE, trials=4, seed=seed)
    assert draws[:2] == random_settings(SPACE, trials=2, seed=seed)  # more trials begin with the same ones
    for draw in draws:
        assert 1e-4 <= draw[RATE] <= 1e-2
        assert 4 <= draw["model.hidden_size"] <= 32
        (rate,) = {draw[key] for key in dropout_settings(0.0)}
        assert 0.1 <= rate <= 0.4 and rate == round(rate, 3)
        assert set(draw) == {RATE, "model.hidden_size", *dropout_settings(0.0)}
    assert len({draw[RATE] for draw in draws}) == 4


def test_by_layer_each_has_its_own_units_and_activation():
    draws = random_settings(SPACE, trials=30, seed=1, layers=3)
    for draw in draws:
        assert [len(draw[f"model.{key}"]) for key in ("hidden_size", "activation")] == [3, 3]
        assert all(4 <= units <= 32 for units in draw["model.hidden_size"])
    assert {name for draw in draws for name in draw["model.activation"]} == {"tanh", "relu"}
    assert any(len(set(draw["model.activation"])) == 2 for draw in draws)


class Trial:
    """Chooses the last of everything, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def suggest_int(self, key, low, high, log=False):
        self.asked.append(key)
        return high

    def suggest_float(self, key, low, high, log=False):
        self.asked.append(key)
        return high - 1 / 30_000

    def suggest_categorical(self, key, choices):
        self.asked.append(key)
        return choices[-1]


BETWEEN = {"model.layer_dropout", "model.join"}


def suggested(recipe, *, fixed=None, max_layers=3):
    trial = Trial()
    settings = suggested_settings(trial, fixed=fixed or {}, recipe=recipe, max_layers=max_layers)
    assert list(settings) == trial.asked
    return settings


def test_all_that_is_open_is_chosen_in_three_digits_and_makes_a_recipe(tiny_recipe):
    settings = suggested(tiny_recipe())
    assert settings["model.num_layers"] == 3 and settings["model.join"] == "dense"
    assert settings[RATE] == 0.00997 and settings["model.output_dropout"] == 0.6
    assert set(settings) >= BETWEEN | {"model.embedding_size", "model.hidden_size", "model.pooling"}
    assert tiny_recipe(settings).model.num_layers == 3


def test_what_is_given_or_has_no_effect_is_not_chosen(tiny_recipe):
    assert not BETWEEN & set(suggested(tiny_recipe(), max_layers=1))
    given_depth = {"model.num_layers": 2, RATE: 0.1}
    settings = suggested(tiny_recipe(given_depth), fixed=given_depth)
    assert set(settings) >= BETWEEN and not set(given_depth) & set(settings)
    assert "model.embedding_size" not in suggested(tiny_recipe({"embeddings.source": "words.vec"}))
