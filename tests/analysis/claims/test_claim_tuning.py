"""Tuning: when a search has arrived, planted searches that are harder or not, draws, and the claim end to end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.analysis.claims import grids
from textlstm.analysis.claims.effects import weakest_link
from textlstm.analysis.claims.finding import verdict
from textlstm.analysis.claims.random_search import Trials, arrival, search_effects
from textlstm.analysis.claims.tuning import measure, plan_search, read_options
from textlstm.errors import RecipeError
from textlstm.experiment.search_space import RandomSpace, random_settings
from textlstm.recipe_files import load_recipe

SPACE = RandomSpace((1e-3, 1e-2), (0.0, 0.5), (4, 8), ("tanh", "softsign"))
OPTIONS = read_options(load_recipe("claims/tuning"))


@given(st.lists(st.floats(50, 90), min_size=2, max_size=8))
def test_a_search_arrives_between_its_first_trial_and_its_last(curve):
    curve = np.sort(np.array(curve))[None]
    found = arrival(curve, near=0.5)[0]
    assert 1 <= found <= curve.shape[1]
    assert np.interp(found, np.arange(1, curve.shape[1] + 1), curve[0]) >= curve[0, -1] - 0.5 - 1e-9
    assert arrival(curve, near=5.0)[0] <= found


def test_arrival_is_read_off_between_whole_numbers():
    assert arrival(np.array([[70.0, 80.0, 80.4]]), near=0.4)[0] == pytest.approx(2.0)
    assert arrival(np.array([[70.0, 80.0, 80.0]]), near=5.0)[0] == pytest.approx(1.5)
    assert arrival(np.array([[70.0, 70.1, 70.2]]), near=0.5)[0] == 1.0


def planted(rng, *, good, operations, seeds=10, trials=12):
    """Searches in which a share of the configurations is good; validation tells test but for noise."""
    test = np.where(rng.random((seeds, trials)) < good, 80.0, 65.0) + rng.normal(0, 0.2, (seeds, trials))
    validation = test / 100 + rng.normal(0, 0.005, test.shape)
    return Trials(validation, test, np.full(test.shape, operations), 0)


def joint(shallow, deep):
    effects = search_effects(shallow, deep, [1, 3], OPTIONS)
    return effects, weakest_link("both", {name: effects[name] for name in OPTIONS.thresholds}, OPTIONS.thresholds)


def test_fewer_good_configurations_and_dearer_ones_are_support():
    rng = np.random.default_rng(0)
    shallow = planted(rng, good=0.8, operations=1e9)
    deep = planted(rng, good=0.2, operations=3e9)
    effects, both = joint(shallow, deep)
    assert verdict(both, 1.0, preview=False) == "supported"
    assert effects["share"].value > 30 and effects["compute"].value > effects["trials"].value
    reverse = joint(deep, shallow)[1]
    assert verdict(reverse, 1.0, preview=False) == "contradicted"


def test_a_layers_own_operations_alone_are_no_support():
    shallow = planted(np.random.default_rng(1), good=0.5, operations=1e9)
    deep = Trials(shallow.validation, shallow.test, 4 * shallow.operations, 0)
    effects, both = joint(shallow, deep)
    assert (effects["compute"].low, effects["compute"].high) == pytest.approx((2.0, 2.0))
    assert (effects["trials"].value, effects["share"].high) == (0.0, 0.0)  # resampled alike
    assert verdict(both, 1.0, preview=False) == "no effect beyond the threshold"


def test_draws_are_those_of_the_seed_and_of_the_ranges():
    first = random_settings(SPACE, trials=6, seed=3)
    assert random_settings(SPACE, trials=4, seed=3) == first[:4]
    assert random_settings(SPACE, trials=6, seed=4) != first
    for draw in first:
        assert 1e-3 <= draw["training.learning_rate"] <= 1e-2 and 4 <= draw["model.hidden_size"] <= 8
        assert draw["model.input_dropout"] == draw["model.layer_dropout"] == draw["model.output_dropout"] <= 0.5
    layered = random_settings(SPACE, trials=6, seed=3, layers=3)
    assert all(len(draw["model.hidden_size"]) == len(draw["model.activation"]) == 3 for draw in layered)
    assert len({tuple(draw["model.activation"]) for draw in layered}) > 1


def tiny_claim(changes=None, **options):
    recipe = load_recipe("claims/tuning")
    own = {
        **recipe.claim.options,
        "trials": 4,
        "per_layer_trials": 4,
        "space": {
            "learning_rate": [1e-3, 1e-2],
            "dropout": [0.0, 0.5],
            "units": [2, 4],
            "activations": ["tanh", "relu"],
        },
        **options,
    }
    return recipe.override(
        {
            "data.source": "listops:max_depth=2,max_length=16,train=40,validation=20,test=40",
            "grid.layers": [1, 2],
            "grid.sizes": ["full"],
            "grid.seeds": 1,
            "training.epochs": 1,
            "training.min_updates": 0,
            "claim.options": own,
            **(changes or {}),
        }
    )


def test_all_depths_try_the_same_settings_and_each_seed_others():
    recipe = tiny_claim({"grid.seeds": 2})
    _, planned = plan_search(recipe, read_options(recipe))
    assert len(planned) == len({cell.path for _, cell in planned}) == 2 * 2 * (4 + 4)
    rates = {}
    for name, cell in planned:
        if not name.startswith("layer"):
            rates.setdefault((cell.seed, name), set()).add(cell.recipe.training.learning_rate)
    assert all(len(found) == 1 for found in rates.values())
    assert len(set.union(*rates.values())) == 2 * 4


@pytest.mark.slow
def test_a_claim_is_measured_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(grids, "workers_for", lambda *_: (1, None))
    recipe = tiny_claim()
    first = measure(recipe, tmp_path, seeds=1, preview=True, tell=lambda _: None)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert len(finished) == 2 * (4 + 4)
    again = measure(recipe, tmp_path, seeds=1, preview=True, tell=lambda _: None)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    np.testing.assert_equal(again.effect, first.effect)
    units = ["times its threshold", "doublings", "% of configurations"]
    assert [effect.unit for effect in first.others] == [unit for unit in units for _ in range(2)]
    assert [row["units and activations"] for row in first.table] == ["one for all layers"] * 2 + ["layer by layer"] * 2
    for chart in first.charts:
        assert chart.spec(validate=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid.layers": [2]}, "two depths"),
        ({"grid.sizes": [30]}, "have none"),
        ({"claim.options": {"trials": 4}}, "lacks good"),
        ({"claim.options": {**load_recipe("claims/tuning").claim.options, "trials": 1}}, "at least 4"),
        ({"claim.options": {**load_recipe("claims/tuning").claim.options, "space": {"units": [2, 4]}}}, "space"),
        ({"claim.options": {**load_recipe("claims/tuning").claim.options, "thresholds": {"share": 0}}}, "thresholds"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(changes, message, tmp_path):
    with pytest.raises(RecipeError, match=message):
        measure(tiny_claim(changes), tmp_path, seeds=1, preview=True, tell=lambda _: None)
    assert not list(tmp_path.rglob("result.json"))
