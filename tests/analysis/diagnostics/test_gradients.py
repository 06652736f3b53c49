"""Watched runs, verdicts from maps that are known, and remedies that a recipe really takes."""

import math
from dataclasses import replace

import numpy as np
import pytest

from textlstm.analysis.diagnostics.gradients import judge_gradients, reach_watch, remedy_effect, watched_training
from textlstm.analysis.diagnostics.notes import NOTES_FILE, read_notes, train_watched
from textlstm.analysis.diagnostics.reach import Reach
from textlstm.errors import RunFolderError
from textlstm.model import TextLSTMConfig
from textlstm.training.preparation import build_config, build_model, prepare
from textlstm.training.watch import GradientRecord


def reach_of(lowest, *, layers=3, distances=20):
    """A map whose layer 1 has the given gains, and whose other levels are near 1."""
    gains = np.full((1, layers + 1, distances), 0.9)
    gains[0, 1] = lowest
    return Reach(("forward",), gains, np.zeros_like(gains), np.full(distances, 50), 6, 0)


def record_of(norms, limit):
    totals = np.array(norms)
    return GradientRecord(("layer 1",), np.arange(1, len(totals) + 1), totals[:, None], totals, limit)


FADING = 0.5 ** np.arange(20)
CASES = {
    "fades over distance": (reach_of(FADING), None, {"forget_bias": 0.0}),
    "fades over depth": (reach_of(np.full(20, 0.001)), None, {}),
    "grows": (reach_of(np.full(20, 50.0)), record_of([1.0], 5.0), {"activation": "relu"}),
    "clipped often": (reach_of(np.full(20, 0.9)), record_of([2.0, 3.0, 4.0, 0.1], 1.0), {}),
}


@pytest.mark.parametrize("problem", CASES)
def test_each_problem_is_found_alone_and_has_remedies_that_change_the_recipe(problem, tiny_recipe):
    reach, record, options = CASES[problem]
    found = judge_gradients(TextLSTMConfig(num_layers=3, **options), reach, record)
    assert list(found.problems) == [problem]
    assert len(found.sentences) == 1
    assert found.remedies
    recipe = tiny_recipe({"model.num_layers": 3, "training.max_grad_norm": 5.0 if record is None else record.limit})
    recipe = recipe.override({f"model.{name}": value for name, value in options.items()})
    for remedy in found.remedies:
        assert recipe.override(dict(remedy.settings)).fingerprint() != recipe.fingerprint()


def test_remedies_that_are_in_place_are_not_named():
    config = TextLSTMConfig(num_layers=3, join="residual", layer_norm=True, forget_bias=4.0)
    both = judge_gradients(config, reach_of(0.001 * FADING))
    assert list(both.problems) == ["fades over distance", "fades over depth"]
    assert [dict(remedy.settings) for remedy in both.remedies] == [{"model.num_layers": 2}]


def test_a_sound_stack_gets_no_remedy_and_short_texts_are_no_proof():
    sound = judge_gradients(TextLSTMConfig(num_layers=3), reach_of(np.full(20, 0.5)), record_of([0.5], 1.0))
    assert not sound.problems
    assert not sound.remedies
    assert "nothing to mend" in sound.sentences[0]
    short = reach_of(FADING[:4], distances=4)
    assert "short texts" in judge_gradients(TextLSTMConfig(num_layers=3), short).sentences[0]


def test_the_forget_bias_spans_the_distance():
    found = judge_gradients(TextLSTMConfig(num_layers=3, forget_bias=1.0), reach_of(FADING))
    assert found.remedies[0].settings == {"model.forget_bias": round(math.log(19), 1)}


def test_a_watched_run_is_kept_and_read_back(tiny_recipe, tiny_data, tmp_path):
    recipe = tiny_recipe({"model.num_layers": 2, "training.epochs": 2})
    prepared = prepare(recipe, tiny_data)
    watched = watched_training(recipe, prepared=prepared)
    assert list(watched.reach) == ["start", "middle", "end"]
    assert 0 < watched.watching
    train_watched(recipe, prepared, tmp_path)
    read = read_notes(tmp_path)
    for moment, reach in watched.reach.items():
        np.testing.assert_array_equal(read.reach[moment].gains, reach.gains)
    np.testing.assert_allclose(read.record.norms, watched.record.norms, atol=1e-5)
    assert read.record.clipped == watched.record.clipped
    assert replace(read.record, limit=0.0).clipped == 1.0
    (tmp_path / NOTES_FILE).write_text("{}")
    with pytest.raises(RunFolderError, match="absent or damaged"):
        read_notes(tmp_path)


def test_a_short_run_is_looked_at_less_closely_where_that_is_asked_for(tiny_recipe, tiny_data):
    def longest(settings, *, bounded):
        recipe = tiny_recipe({"model.num_layers": 1, **settings})
        prepared = prepare(recipe, tiny_data)
        network = build_model(build_config(recipe, prepared), seed=0)
        reach = reach_watch(recipe, prepared, bounded=bounded).probe(network)
        return int((reach.texts > 0).sum()), int(reach.texts[0])

    words = max(len(text.split()) for text in tiny_data.splits["train"].texts.to_pylist())
    assert longest({"training.epochs": 2}, bounded=False) == (words, 48)
    assert longest({"training.epochs": 2}, bounded=True) == (min(words, 9), 24)
    assert longest({"training.min_updates": 1000}, bounded=True) == (words, 48)


def test_a_remedy_that_changes_nothing_has_no_effect(tiny_recipe, tiny_data):
    recipe = tiny_recipe({"model.num_layers": 1, "training.epochs": 1})
    same = remedy_effect(recipe, {"model.join": "residual"}, data=tiny_data, seeds=(0, 1))  # one layer has no joins
    assert (same.reach_start.value, same.reach_end.value, same.score.value) == (0.0, 0.0, 0.0)
    assert same.split == "test"
    other = remedy_effect(recipe, {"model.forget_bias": -4.0}, data=tiny_data, seeds=(0, 1))
    assert other.reach_start.high < 0
