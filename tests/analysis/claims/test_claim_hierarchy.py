"""Hierarchy: what counts is what training moves, and the claim from its recipe to a finding."""

from types import SimpleNamespace

import numpy as np
import pytest

from textlstm.analysis.claims import hierarchy
from textlstm.analysis.claims.finding import verdict
from textlstm.errors import DataError, RecipeError
from textlstm.recipe_files import load_recipe
from textlstm.text import protocol

CLAIM = load_recipe("claims/hierarchy")
RECIPE = CLAIM.planned(CLAIM.claim.full)


def planted(monkeypatch, tmp_path, *, trained, untrained, data="these texts"):
    """Seeds whose abstract facts lie so many layers above the surface facts."""

    def probe_seed(recipe, data):
        rng = np.random.default_rng(recipe.seed)

        def probes(order):
            low, high = 1.0 + rng.normal(0, 0.05), 1.0 + order + rng.normal(0, 0.05)
            plain = {"measure": "accuracy", "baseline": 0.2, "scores": [0.5] * 4, "controls": [0.2] * 4}
            return [
                {"fact": "label", "abstract": True, "center": high, **plain},
                {"fact": "token", "abstract": False, "center": low, **plain},
            ]

        found = {"trained": probes(trained), "untrained": probes(untrained)}
        orders = {name: label["center"] - token["center"] for name, (label, token) in found.items()}
        gained = orders["trained"] - orders["untrained"]
        return {
            "accuracy": 0.8,
            "order": orders["trained"],
            "untrained_order": orders["untrained"],
            "gained": gained,
            **found,
        }

    monkeypatch.setattr(hierarchy, "probing_workers", lambda *_: (1, None))
    texts = SimpleNamespace(text_list=lambda: [f"text {number}" for number in range(100)])
    given = SimpleNamespace(fingerprint=data, splits={"test": texts})
    monkeypatch.setattr(hierarchy, "load_recipe_data", lambda _: given)
    monkeypatch.setattr(hierarchy, "with_test_split", lambda data: data)
    monkeypatch.setattr(hierarchy, "_probe_seed", probe_seed)
    return hierarchy.measure(RECIPE, tmp_path, seeds=10, preview=False, tell=lambda _: None)


def test_an_order_that_training_makes_is_support(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, trained=1.0, untrained=0.2)
    assert finding.effect.value == pytest.approx(0.8, abs=0.1)
    assert verdict(finding.effect, 0.25, preview=False) == "supported"
    moved = next(effect for effect in finding.others if effect.name.startswith("center of label"))
    assert moved.value == pytest.approx(0.8, abs=0.1)
    for chart in finding.charts:
        assert chart.spec(validate=True)


def test_an_order_that_is_there_without_training_is_none_of_its(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, trained=1.0, untrained=1.0)
    assert verdict(finding.effect, 0.25, preview=False) == "no effect beyond the threshold"


def test_seeds_are_probed_once(monkeypatch, tmp_path):
    first = planted(monkeypatch, tmp_path, trained=1.0, untrained=0.0)
    again = planted(monkeypatch, tmp_path, trained=5.0, untrained=0.0)  # read from the files of the first
    assert again.effect == first.effect and len(list(tmp_path.glob("seed=*.json"))) == 10
    other = planted(monkeypatch, tmp_path, trained=5.0, untrained=0.0, data="texts that took the place of the first")
    assert other.effect.value == pytest.approx(5.0, abs=0.1)


def test_two_layers_are_no_order(tmp_path):
    with pytest.raises(RecipeError, match=r"set model\.num_layers=3"):
        hierarchy.measure(
            RECIPE.override({"model.num_layers": 2}), tmp_path, seeds=2, preview=True, tell=lambda _: None
        )


def test_too_few_test_texts_are_told_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(hierarchy, "_probe_seed", lambda *_: pytest.fail("it was trained"))
    few = "listops:max_depth=2,max_length=16,train=40,validation=20,test=30"
    with pytest.raises(DataError, match=r"takes 60 different ones or more, and listops:.* has \d+; name larger data"):
        hierarchy.measure(RECIPE.override({"data.source": few}), tmp_path, seeds=2, preview=True, tell=print)


def test_too_few_test_texts_a_class_are_told_before_anything_is_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(hierarchy, "_probe_seed", lambda *_: pytest.fail("it was trained"))
    path = tmp_path / "rare.csv"
    path.write_text("text,label\n" + "".join(f"word{row} and more,c{row % 150}\n" for row in range(600)))
    with pytest.raises(DataError, match=r"two classes with 10 test texts or more, and .*rare\.csv has 0"):
        hierarchy.measure(RECIPE.override({"data.source": str(path)}), tmp_path, seeds=2, preview=True, tell=print)


def test_a_claim_is_measured(tmp_path):
    recipe = RECIPE.override(
        {
            "data.source": "listops:max_depth=3,max_length=24,train=60,validation=20,test=200",
            "grid.seeds": 1,
            "model.hidden_size": 3,
            "model.embedding_size": 4,
            "training.epochs": 1,
            "training.min_updates": 0,
        }
    )
    assert protocol.load_recipe_data(recipe).source == recipe.data.source
    finding = hierarchy.measure(recipe, tmp_path, seeds=1, preview=True, tell=lambda _: None)
    facts = {row["fact"] for row in finding.table}
    assert "label" in facts and len(facts) >= 4
    assert {row["level"] for row in finding.table} == {0, 1, 2, 3}
    assert np.isfinite(finding.effect.value) and finding.effect.seeds == 1
