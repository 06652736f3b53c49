"""The weakest of three links decides, and the claim from its recipe to a finding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textlstm.analysis.claims.effects import weakest_link
from textlstm.analysis.claims.finding import Effect, verdict
from textlstm.analysis.claims.gradients import LINKS, measure
from textlstm.errors import RecipeError
from textlstm.recipe_files import load_recipe

THRESHOLDS = dict(zip(LINKS, (0.3, 0.3, 1.0), strict=True))


def links_of(*ends):
    return {key: Effect(key, (low + high) / 2, low, high, "", 10) for key, (low, high) in zip(LINKS, ends, strict=True)}


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 3)), min_size=3, max_size=3))
def test_the_joint_verdict_is_that_of_all_three(spans):
    links = links_of(*((low, low + width) for low, width in spans))
    each = [verdict(links[key], THRESHOLDS[key], preview=False) for key in LINKS]
    joint = verdict(weakest_link("all", links, THRESHOLDS), 1.0, preview=False)
    assert (joint == "supported") == all(word == "supported" for word in each)
    assert (joint == "contradicted") == any(word == "contradicted" for word in each)
    falls = {"contradicted", "no effect beyond the threshold"}
    assert (joint in falls) == any(word in falls for word in each)


def test_reach_that_is_lost_without_a_gain_in_score_is_no_support():
    joint = weakest_link("all", links_of((1.0, 2.0), (0.9, 1.5), (-0.4, 0.6)), THRESHOLDS)
    assert verdict(joint, 1.0, preview=False) == "no effect beyond the threshold"
    assert "score_gained" in joint.note


def tiny_claim(changes=None):
    return load_recipe("claims/gradients").override(
        {
            "data.source": "listops:max_depth=2,max_length=20,train=80,validation=20,test=40",
            "grid.layers": [1, 3],
            "grid.sizes": ["full"],
            "grid.seeds": 2,
            "model.hidden_size": 4,
            "training.epochs": 1,
            "training.min_updates": 0,
            "claim.variants": {"residual": {"model.join": "residual"}},
            **(changes or {}),
        }
    )


@pytest.mark.slow
def test_a_claim_is_measured_and_resumed(tmp_path):
    recipe = tiny_claim()
    first = measure(recipe, tmp_path, seeds=2, preview=True, tell=lambda _: None)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    assert len(finished) == len(list(tmp_path.rglob("gradients.json"))) == 2 * 2 * 2
    again = measure(recipe, tmp_path, seeds=2, preview=True, tell=lambda _: None)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == finished
    np.testing.assert_equal(again.effect, first.effect)
    units = ["orders of magnitude"] * 2 + ["points"]
    assert [effect.unit for effect in first.others] == ["times its threshold"] * 3 + units
    assert [one.value * THRESHOLDS[key] for key, one in zip(LINKS, first.others, strict=False)] == pytest.approx(
        [one.value for one in first.others[3:]]
    )
    rows = {(row["remedy"], row["layers"]): row for row in first.table}
    # One layer has no joins, so that the remedy changes nothing there, to the last bit.
    one, same = rows["none", 1], rows["residual", 1]
    assert {**one, "remedy": ""} == {**same, "remedy": ""}
    assert rows["residual", 3]["before training"] > rows["none", 3]["before training"]
    for chart in first.charts:
        assert chart.spec(validate=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"claim.variants": {}}, "names none"),
        ({"claim.options": {"reach_lost": 0.3}}, "lacks reach_restored"),
        ({"claim.options": {**THRESHOLDS, "score_gained": 0}}, "above 0"),
        ({"grid.layers": [2]}, "fewer than two"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_training(changes, message, tmp_path):
    with pytest.raises(RecipeError, match=message):
        measure(tiny_claim(changes), tmp_path, seeds=2, preview=True, tell=lambda _: None)
    assert not list(tmp_path.rglob("result.json"))
