"""Data hunger: a lead that grows with the labels, one that does not, and what a variant is worth in times the data."""

import re

import numpy as np
import pytest
from fake_trained import FakeTrained

from textlstm.analysis.claims import data_hunger
from textlstm.analysis.claims.finding import verdict
from textlstm.analysis.claims.grids import OWN
from textlstm.analysis.claims.trained import Place
from textlstm.errors import RecipeError
from textlstm.recipe_files import load_recipe

SIZES = [125, 250, 500, 1000, 2000, 4000]
VARIANT = "augmentation"


def planted(monkeypatch, tmp_path, chance_of, *, sizes=SIZES, depths=(1, 2, 3)):
    places = [
        Place(name, "fixed_width", layers, size) for name in (OWN, VARIANT) for layers in depths for size in sizes
    ]
    fake = FakeTrained(places, chance_of, texts=2000, labels=lambda place: place.size)
    monkeypatch.setattr(data_hunger, "train_variants", lambda *_, **__: fake)
    return data_hunger.measure(load_recipe("claims/data-hunger"), tmp_path, seeds=10, preview=False, tell=print)


def curve(place, *, slope):
    doublings = np.log2(place.size / 125)
    own = 0.5 + 0.05 * doublings + (0.03 if place.variant == VARIANT else 0.0)
    return own + (place.layers > 1) * (slope * doublings - 0.03)


def test_a_lead_that_grows_is_support_and_its_slope_comes_out(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, lambda place: curve(place, slope=0.02))
    assert finding.effect.value == pytest.approx(2.0, abs=0.3)
    assert verdict(finding.effect, 0.25, preview=False) == "supported"
    assert any("2 layers against 1" in note for note in finding.notes)
    for chart in finding.charts:
        assert chart.spec(validate=True)


def test_a_lead_that_stays_is_no_effect_and_one_that_shrinks_is_against_it(monkeypatch, tmp_path):
    stays = planted(monkeypatch, tmp_path, lambda place: curve(place, slope=0.0))
    assert verdict(stays.effect, 0.25, preview=False) == "no effect beyond the threshold"
    shrinks = planted(monkeypatch, tmp_path, lambda place: curve(place, slope=-0.02))
    assert verdict(shrinks.effect, 0.25, preview=False) == "contradicted"


def test_a_variant_is_worth_the_labels_that_bring_as_much(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, lambda place: curve(place, slope=0.0))
    worth = next(note for note in finding.notes if note.startswith(f"Worth of {VARIANT}") and "1 layer:" in note)
    # Three points are 0.6 doublings, 1.5 times the labels.
    assert re.search(r"at 500 labels 1\.[45]\d* times", worth)
    assert "at 4,000 labels more than 1 times" in worth  # the curve ends there


@pytest.mark.parametrize("changes", [{"grid.sizes": [125, 250]}, {"grid.layers": [2]}])
def test_what_is_no_curve_is_refused_before_anything_is_trained(monkeypatch, tmp_path, changes):
    monkeypatch.setattr(data_hunger, "train_variants", lambda *_, **__: pytest.fail("it was trained"))
    recipe = load_recipe("claims/data-hunger").override(changes)
    with pytest.raises(RecipeError, match="three sizes or more"):
        data_hunger.measure(recipe, tmp_path, seeds=2, preview=True, tell=print)


def test_sizes_that_a_search_left_out_do_not_count(monkeypatch, tmp_path):
    with pytest.raises(RecipeError, match=r"2 sizes \(500, 1000\)"):
        planted(monkeypatch, tmp_path, lambda _: 0.5, sizes=[500, 1000])
