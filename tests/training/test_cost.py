"""Parameters and operations against hand counts; memory and machine facts as far as they can be known."""

import getpass
import mmap
import platform

import torch

from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.training.cost import (
    count_parameters,
    describe_environment,
    flops_per_token,
    peak_memory_mb,
    reset_peak_memory,
)


def model_of(**options):
    sizes = {"vocab_size": 50, "embedding_size": 5, "hidden_size": 7, "pooling": "mean", "num_labels": 3}
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**sizes, **options}))


def test_parameters_and_operations_of_two_layers_are_those_counted_by_hand():
    model = model_of(num_layers=2)
    matrices = 2 * 4 * 7 * (5 + 7) + 2 * 4 * 7 * (14 + 7) + 14 * 3
    biases = 2 * 2 * (4 * 7 + 4 * 7) + 3
    assert count_parameters(model) == (50 * 5 + matrices + biases, matrices + biases)
    assert flops_per_token(model) == 2 * matrices


def test_each_layer_costs_more_and_the_vocabulary_costs_no_operations():
    depths = [model_of(num_layers=layers) for layers in (1, 2, 3)]
    flops = [flops_per_token(model) for model in depths]
    assert flops == sorted(set(flops))
    assert flops_per_token(model_of(vocab_size=5000)) == flops[0]
    assert count_parameters(model_of(vocab_size=5000))[1] == count_parameters(depths[0])[1]


def test_peak_memory_sees_what_was_held_and_let_go():
    reset_peak_memory()
    before = peak_memory_mb(torch.device("cpu"))
    with mmap.mmap(-1, 64 * 2**20) as held:  # straight from the system: the heap may have as much to spare
        held[:] = bytes([1]) * len(held)
    assert peak_memory_mb(torch.device("cpu")) >= before + 32


def test_the_environment_names_versions_and_not_the_user():
    facts = describe_environment(torch.device("cpu"))
    assert facts["torch"] == torch.__version__.split("+")[0] or facts["torch"] == torch.__version__
    assert {"python", "processor", "device", "threads", "textlstm"} <= set(facts)
    assert facts["device"] == "cpu"
    words = " ".join(facts.values())
    assert platform.node() not in words
    assert getpass.getuser() not in words.split()
