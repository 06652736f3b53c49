"""Half-lives, stuck gates and dead units of networks whose memory is known."""

import numpy as np
import pytest
import torch

from textlstm.analysis.diagnostics.gates import gate_memory
from textlstm.analysis.diagnostics.steps import read_steps, text_batches
from textlstm.errors import DataError, ModelError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded


def make_stack(**options):
    torch.manual_seed(0)
    settings = {"vocab_size": 30, "embedding_size": 4, "hidden_size": 3, "num_labels": 2, "embedding_init_std": 1.0}
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**settings, **options}))


def texts_of(lengths, seed=0):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(np.random.default_rng(seed).integers(1, 30, offsets[-1]).astype(np.int32), offsets)


def with_forget_bias(model, bias):
    """Leave the forget gates nothing but their bias."""
    with torch.no_grad():
        for layer in model.lstm.layers:
            forget = slice(layer.hidden_size, 2 * layer.hidden_size)
            layer.weight_ih[:, forget] = 0.0
            layer.weight_hh[:, forget] = 0.0
            layer.bias_ih[:, forget] = torch.tensor(bias)
    return model


def test_a_gate_of_one_half_has_a_half_life_of_one_word():
    model = with_forget_bias(make_stack(num_layers=2), [0.0, np.log(3.0), 40.0])
    for memory in gate_memory(model, texts_of([4, 9, 1, 30])):
        np.testing.assert_allclose(memory.forget, [0.5, 0.75, 1.0], rtol=1e-6)
        np.testing.assert_allclose(memory.half_life[:2], [1.0, np.log(2) / np.log(4 / 3)], rtol=1e-5)
        assert memory.half_life[2] > 1e6
        assert memory.saturated[2]
        np.testing.assert_array_equal(memory.open_share[1], [0.0, 0.0, 1.0])
        assert memory.words == 44
        assert memory.summary()["half_life"] == pytest.approx(memory.half_life[1])


def test_figures_are_those_of_the_words_one_text_at_a_time():
    model, texts = make_stack(num_layers=2), texts_of([4, 9, 1, 30, 17])
    batches = text_batches(texts, most=99, max_tokens=99, batch_rows=1, pad_id=0, seed=0)
    alone = [read_steps(model, ids, lengths) for ids, lengths in batches]
    for memory in gate_memory(model, texts):
        own = [read.layers[memory.layer - 1][memory.direction == "backward"] for read in alone]
        forget = np.concatenate([part.gates["forget"][:, 0].detach().numpy() for part in own])
        hidden = np.concatenate([part.hidden[:, 0].detach().numpy() for part in own])
        np.testing.assert_allclose(memory.forget, forget.mean(axis=0), rtol=1e-5)
        np.testing.assert_allclose(memory.half_life, np.log(2) / -np.log(forget).mean(axis=0), rtol=1e-4)
        np.testing.assert_allclose(memory.spread, hidden.std(axis=0), rtol=1e-3)
        np.testing.assert_allclose(memory.closed_share[1], (forget < 0.1).mean(axis=0))


def test_a_unit_whose_output_gate_is_shut_is_dead():
    model = make_stack(num_layers=1)
    with torch.no_grad():
        model.lstm.layers[0].bias_ih[:, 3 * 3] = -30.0  # the first unit's output gate
    for memory in gate_memory(model, texts_of([9] * 6)):
        assert memory.dead.tolist() == [True, False, False]
        assert memory.saturated[0]
        assert memory.closed_share[2, 0] == 1.0


def test_nothing_to_read_is_said():
    with pytest.raises(ModelError, match="has none"):
        gate_memory(make_stack(num_layers=0, pooling="mean"), texts_of([3]))
    with pytest.raises(DataError, match="none with a token"):
        gate_memory(make_stack(), texts_of([0]))
