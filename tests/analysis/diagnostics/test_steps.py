"""Reading step by step gives what the model gives, whatever its options and the padding."""

import itertools

import numpy as np
import pytest
import torch

from textlstm.analysis.diagnostics.steps import read_steps, text_batches
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded


def make_stack(seed=0, **options):
    torch.manual_seed(seed)
    settings = {"vocab_size": 20, "embedding_size": 5, "hidden_size": 4, "num_labels": 3, "embedding_init_std": 1.0}
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**settings, **options}))


def batch_of(lengths, seed=0):
    rng = np.random.default_rng(seed)
    ids = np.zeros((len(lengths), max(lengths)), dtype=np.int64)
    for row, length in enumerate(lengths):
        ids[row, :length] = rng.integers(1, 20, length)
    return torch.from_numpy(ids), torch.tensor(lengths)


OPTIONS = [
    {"num_layers": layers, "join": join, "layer_norm": norm, "bidirectional": both, "activation": activation}
    for layers, join, norm, both, activation in itertools.product(
        (1, 3), ("plain", "residual", "dense"), (False, True), (False, True), ("tanh", "relu")
    )
] + [
    {"num_layers": 2, "hidden_size": [3, 4], "join": "residual"},
    {"num_layers": 2, "gate_activation": ["sigmoid", "hard_sigmoid"]},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_states_are_the_models_own_in_training_mode_too(options):
    model = make_stack(**options)
    ids, lengths = batch_of([7, 4, 1])
    read = read_steps(model, ids, lengths)  # dropout is on in the model, and does nothing here
    model.train(False)
    expected = model.lstm(ids, output_hidden_states=True, return_dict=True).hidden_states
    assert len(read.outputs) == len(expected)
    for own, theirs in zip(read.outputs, expected, strict=True):
        torch.testing.assert_close(own.transpose(0, 1), theirs, atol=1e-5, rtol=0)


def test_gates_and_cells_do_not_hang_on_the_batch():
    model = make_stack(num_layers=2)
    ids, lengths = batch_of([7, 4, 2])
    together = read_steps(model, ids, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = read_steps(model, ids[row : row + 1, :length], lengths[row : row + 1])
        for one, many in zip(itertools.chain(*alone.layers), itertools.chain(*together.layers), strict=True):
            torch.testing.assert_close(one.cell[:, 0], many.cell[:length, row], atol=1e-6, rtol=0)
            for name, gate in one.gates.items():
                torch.testing.assert_close(gate[:, 0], many.gates[name][:length, row], atol=1e-6, rtol=0)


def test_cells_follow_the_equations_of_the_lstm():
    model = make_stack(num_layers=1)
    ids, lengths = batch_of([6])
    for own in read_steps(model, ids, lengths).layers[0]:
        torch.testing.assert_close(own.hidden, own.gates["output"] * torch.tanh(own.cell))
        kept = own.gates["forget"][1:] * own.cell[:-1]
        assert bool(((own.cell[1:] - kept).abs() <= own.gates["input"][1:] + 1e-6).all())  # what is written is below 1


def test_batches_are_cut_and_leave_empty_texts_out():
    encoded = Encoded(np.arange(1, 12, dtype=np.int32), np.array([0, 6, 6, 8, 11]))
    batches = text_batches(encoded, most=9, max_tokens=4, batch_rows=2, pad_id=0, seed=0)
    assert [lengths.tolist() for _, lengths in batches] == [[4, 3], [2]]
    assert batches[0][0].tolist() == [[1, 2, 3, 4], [9, 10, 11, 0]]
