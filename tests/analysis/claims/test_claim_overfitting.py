"""Overfitting: only a gain of regularization that differs between depths counts."""

from types import SimpleNamespace

import pytest
from fake_trained import FakeTrained

from textlstm.analysis.claims import overfitting
from textlstm.analysis.claims.finding import verdict
from textlstm.analysis.claims.grids import OWN
from textlstm.analysis.claims.trained import Place
from textlstm.errors import RecipeError
from textlstm.recipe_files import load_recipe

RECIPE = load_recipe("claims/overfitting")


def planted(monkeypatch, tmp_path, gain_of, *, gap=0.0):
    places = [
        Place(name, "fixed_width", layers, size)
        for name in (OWN, *RECIPE.claim.variants)
        for layers in (1, 3)
        for size in (425, 500)
    ]

    def chance_of(place):
        return 0.6 + (gain_of(place) if place.variant != OWN else 0.0)

    fake = FakeTrained(places, chance_of, texts=2000, train=lambda place: 0.9 + gap * (place.layers > 1))
    monkeypatch.setattr(overfitting, "train_variants", lambda *_, **__: fake)
    return overfitting.measure(RECIPE, tmp_path, seeds=10, preview=False, tell=print)


def test_regularization_that_helps_the_deep_stack_more_is_support(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, lambda place: 0.02 + 0.04 * (place.layers > 1))
    assert finding.effect.value == pytest.approx(4.0, abs=0.5)
    assert verdict(finding.effect, 1.0, preview=False) == "supported"
    kinds = [effect.name for effect in finding.others if "alone" in effect.name]
    assert [name.split(" alone")[0] for name in kinds] == ["dropout", "locked dropout", "recurrent dropout"]
    for chart in finding.charts:
        assert chart.spec(validate=True)


def test_regularization_that_helps_all_depths_alike_is_no_support(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, lambda place: 0.05, gap=0.08)
    assert verdict(finding.effect, 1.0, preview=False) == "no effect beyond the threshold"
    # The deep stack overfits more all the same, and that is told beside.
    gaps = [effect for effect in finding.others if effect.name.startswith("gap in accuracy")]
    assert len(gaps) == 2 and all(effect.value == pytest.approx(8.0) for effect in gaps)
    ends = {row["labels"]: row["end"] for row in finding.table}
    assert ends == {425: "at a fixed end", 500: "at the early stop"}


def test_all_of_few_rows_train_to_a_fixed_end_too():
    assert overfitting._end_words([SimpleNamespace(metrics={"train": None, "test": None})]) == "at a fixed end"
    assert overfitting._end_words([SimpleNamespace(metrics={"train": None, "validation": None})]) == "at the early stop"


def test_one_depth_is_refused_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(overfitting, "train_variants", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(RecipeError, match=r"grid\.layers has only one"):
        overfitting.measure(RECIPE.override({"grid.layers": [2]}), tmp_path, seeds=2, preview=True, tell=print)


def test_without_variants_there_is_nothing_to_compare(tmp_path):
    with pytest.raises(RecipeError, match="names none"):
        overfitting.measure(RECIPE.override({"claim.variants": {}}), tmp_path, seeds=2, preview=True, tell=print)
