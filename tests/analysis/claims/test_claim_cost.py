"""Cost: growth that is planted comes out, and the weaker of training and answers decides."""

from types import SimpleNamespace

import numpy as np
import pytest

from textlstm.analysis.claims import cost
from textlstm.analysis.claims.finding import verdict
from textlstm.analysis.claims.step_times import time_training
from textlstm.errors import RecipeError, RunFolderError
from textlstm.model import TextLSTMConfig
from textlstm.recipe_files import load_recipe
from textlstm.text import protocol

TINY = {
    "data.source": "listops:max_depth=2,max_length=16,train=40,validation=20,test=20",
    "grid.layers": [1, 2],
    "grid.seeds": 2,
    "model.hidden_size": 2,
    "model.embedding_size": 2,
    "training.batch_size": 4,
}


def planted(monkeypatch, tmp_path, *, training, answers, data="these texts"):
    """Measure repeats whose times grow by a share of one layer with each layer more, and with noise."""

    def repeat(recipe, configs, *, tokens, seed):
        rng = np.random.default_rng(seed)

        def times(growth):
            busy = rng.uniform(1, 3)  # a slow moment hits all depths alike
            return {str(k): busy * (1 + growth * (k - 1)) * rng.normal(1, 0.003) for k in configs}

        late = {name: times(answers) for name in ("latency_1", "late_1", "latency_32")}
        timed = {"training": times(training), "memory_mb": times(training), **late}
        return {"processor": {"share": 0.5}, **timed}

    monkeypatch.setattr(protocol, "load_recipe_data", lambda _: SimpleNamespace(fingerprint=data))
    monkeypatch.setattr(cost, "_configs", lambda recipe, data, depths: (dict.fromkeys(depths), 10))
    counts = {"flops": 1.0, "parameters": 1, "disk_mb": 1.0}
    monkeypatch.setattr(cost, "_counted", lambda configs: dict.fromkeys(configs, counts))
    monkeypatch.setattr(cost, "_repeat", repeat)
    return cost.measure(load_recipe("claims/cost"), tmp_path, seeds=10, preview=False, tell=lambda _: None)


def test_growth_in_proportion_is_a_hundred_percent_a_layer(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, training=1.0, answers=1.0)
    assert finding.effect.value == pytest.approx(100, abs=3)
    assert verdict(finding.effect, 10, preview=False) == "supported"
    exponents = [effect for effect in finding.others if effect.unit == "power of layers"]
    assert len(exponents) == 4 and all(effect.value == pytest.approx(1.0, abs=0.05) for effect in exponents)
    assert finding.charts[0].spec(validate=True)
    assert any("had 50 %" in note and "upper bounds" in note for note in finding.notes)


def test_answers_that_cost_nothing_more_decide_against_training_that_does(monkeypatch, tmp_path):
    finding = planted(monkeypatch, tmp_path, training=1.0, answers=0.0)
    assert "answer to one text" in finding.effect.name
    assert verdict(finding.effect, 10, preview=False) == "no effect beyond the threshold"


def test_times_of_other_data_are_not_taken_for_these_and_a_damaged_file_is_named(monkeypatch, tmp_path):
    first = planted(monkeypatch, tmp_path, training=1.0, answers=1.0)
    kept = planted(monkeypatch, tmp_path, training=0.5, answers=0.5)
    assert kept.effect == first.effect  # the same data: read, not timed again
    other = planted(monkeypatch, tmp_path, training=0.5, answers=0.5, data="a file of the same name with other texts")
    assert other.effect.value == pytest.approx(50, abs=3)
    (tmp_path / "seed=0.json").write_text('{"training": ')
    with pytest.raises(RunFolderError, match=r"seed=0\.json should hold figures as JSON"):
        planted(monkeypatch, tmp_path, training=1.0, answers=1.0)


def test_a_claim_is_measured_and_resumed(tmp_path, monkeypatch):
    from textlstm.inference import latency

    monkeypatch.setattr(latency, "FEWEST_ROUNDS", 2)
    whole = latency.measure_latency
    monkeypatch.setattr(latency, "measure_latency", lambda configs, **how: whole(configs, **{**how, "seconds": 0.0}))
    monkeypatch.setattr(cost, "_ROUNDS", 2)
    recipe = load_recipe("claims/cost").override(TINY)
    first = cost.measure(recipe, tmp_path, seeds=2, preview=True, tell=lambda _: None)
    again = cost.measure(recipe, tmp_path, seeds=2, preview=True, tell=lambda _: None)
    np.testing.assert_equal(again.effect, first.effect)
    assert [row["layers"] for row in first.table] == [1, 2]
    assert first.table[1]["operations a token"] > first.table[0]["operations a token"] > 0


@pytest.mark.parametrize("problem", ["single_label_classification", "multi_label_classification"])
def test_a_step_is_timed_on_labels_of_either_kind(problem):
    config = TextLSTMConfig(
        vocab_size=9, num_labels=3, problem_type=problem, embedding_size=2, hidden_size=2, num_layers=1
    )
    recipe = load_recipe("claims/cost").override(TINY)
    seconds, memory = time_training(recipe, {1: config}, tokens=5, seed=0, rounds=1, warm_up=0)
    assert seconds["1"] > 0 and memory.keys() == {"1"}


def test_one_depth_is_no_comparison(tmp_path):
    with pytest.raises(RecipeError, match="fewer than two"):
        cost.measure(
            load_recipe("claims/cost").override({**TINY, "grid.layers": [2]}),
            tmp_path,
            seeds=2,
            preview=True,
            tell=lambda _: None,
        )
