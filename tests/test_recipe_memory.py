"""The stated formula of peak memory: what it counts, and (slow) that whole trainings keep to it."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from textlstm.recipe import validate
from textlstm.recipe_arithmetic import stack_size
from textlstm.recipe_memory import LIBRARIES, peak_memory

FACTS = {"num_labels": 2, "mean_tokens": 100.0, "rows": 100_000}


def recipe_of(**changes):
    plain = validate({"name": "x", "data": {"source": "nowhere"}}, origin="the tests")
    return plain.override({key.replace("__", "."): value for key, value in changes.items()})


def parts(facts=None, **changes):
    return peak_memory(recipe_of(**changes), **{**FACTS, **(facts or {})})


def test_parts_add_up_and_parameters_are_counted_with_optimizer_and_the_best_weights():
    peak = parts()
    assert peak.total == peak.libraries + peak.parameters + peak.activations + peak.data
    assert peak.libraries == LIBRARIES
    size = stack_size(recipe_of(), num_labels=2)
    assert peak.parameters == 4 * (4 * size.embedding + 5 * size.stack)
    averaged = parts(training__weight_averaging=0.99)
    assert averaged.parameters - peak.parameters == 4 * (size.embedding + size.stack)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_a_batch_grows_with_its_texts_and_their_length_and_not_with_the_data(layers):
    one = parts(model__num_layers=layers, training__batch_size=64)
    assert parts(model__num_layers=layers, training__batch_size=128).activations == 2 * one.activations
    longer = parts({"mean_tokens": 200.0}, model__num_layers=layers, training__batch_size=64)
    assert longer.activations == 2 * one.activations
    more = parts({"rows": 1_000_000}, model__num_layers=layers, training__batch_size=64)
    assert (more.activations, more.parameters) == (one.activations, one.parameters)
    assert more.data == 10 * one.data


def test_each_layer_adds_the_same_and_one_direction_needs_less():
    by_depth = [parts(model__num_layers=layers, training__batch_size=64).activations for layers in (1, 2, 3, 4)]
    steps = [high - low for low, high in pairwise(by_depth)]
    assert steps[0] == steps[1] == steps[2] > 0
    assert parts(model__bidirectional=False).activations < parts().activations
    assert parts(model__join="dense", model__num_layers=4).activations > parts(model__num_layers=4).activations


def test_windows_bound_a_batch_and_small_data_bounds_the_vocabulary():
    long = {"mean_tokens": 1000.0}
    options = {"training__batch_size": 8, "model__window": 50, "tokenizer__max_length": 4000}
    windowed = parts(long, **options)
    assert windowed.activations < parts(long, **{**options, "model__window": None}).activations
    assert windowed.activations == parts({"mean_tokens": 5000.0}, **options).activations
    assert parts({"rows": 10}, tokenizer__vocab_size=50_000).parameters < parts(tokenizer__vocab_size=50_000).parameters


@pytest.mark.slow
def test_whole_trainings_keep_to_it():
    script = Path(__file__).parents[1] / "benchmarks" / "memory.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
