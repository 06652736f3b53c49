"""Gradient reach against the exact Jacobian of an implementation of its own, and its properties."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from textlstm.analysis.diagnostics.reach import bottom_gain, gradient_reach, reach_distances
from textlstm.errors import DataError, ModelError
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.encoding import Encoded

HIDDEN = 3


def make_stack(seed=0, **options):
    torch.manual_seed(seed)
    settings = {
        "vocab_size": 30,
        "embedding_size": 4,
        "hidden_size": HIDDEN,
        "num_labels": 2,
        "embedding_init_std": 1.0,
    }
    return TextLSTMForSequenceClassification(TextLSTMConfig(**{**settings, **options}))


def texts_of(lengths, seed=0):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(np.random.default_rng(seed).integers(1, 30, offsets[-1]).astype(np.int32), offsets)


def top_state(model, ids, direction, nudges):
    """The top layer's last output in one direction, by torch's own cell, with nudges by (level, direction, place)."""
    stack, config = model.lstm, model.config
    below = [[stack.embedding.weight[token] + nudges.get((0, None, t), 0.0) for t, token in enumerate(ids)]]
    for level, layer in enumerate(stack.layers, start=1):
        inputs = [torch.cat(parts) for parts in zip(*below, strict=True)] if config.join == "dense" else below[-1]
        if level > 1 and config.layer_norm:
            norm = stack.layer_norms[level - 2]
            inputs = [functional.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias) for x in inputs]
        sides = []
        for side in range(layer.directions):
            cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                setattr(cell, name, nn.Parameter(getattr(layer, name)[side].detach()))
            h = c = torch.zeros(layer.hidden_size)
            states = [None] * len(ids)
            for t in range(len(ids)) if side == 0 else reversed(range(len(ids))):
                h, c = cell(inputs[t], (h, c))
                h = h + nudges.get((level, side, t), 0.0)
                states[t] = h
            sides.append(states)
        outputs = [torch.cat(parts) for parts in zip(*sides, strict=True)]
        if level > 1 and config.join == "residual":
            outputs = [y + stack.shortcuts[level - 2](x) for y, x in zip(outputs, below[-1], strict=True)]
        below.append(outputs)
    end = below[-1][-1 if direction == 0 else 0]
    return end[direction * HIDDEN : (direction + 1) * HIDDEN]


def exact_gain(model, ids, direction, level, distance):
    place = len(ids) - 1 - distance if direction == 0 else distance
    width = model.config.embedding_size if level == 0 else HIDDEN
    key = (0, None, place) if level == 0 else (level, direction, place)
    jacobian = torch.autograd.functional.jacobian(
        lambda nudge: top_state(model, ids, direction, {key: nudge}), torch.zeros(width)
    )
    return float(jacobian.square().sum().div(HIDDEN).sqrt())


@pytest.mark.parametrize(
    "options",
    [
        {"num_layers": 3},
        {"num_layers": 2, "join": "residual"},
        {"num_layers": 3, "join": "dense", "layer_norm": True},
        {"num_layers": 2, "bidirectional": False},
        {"num_layers": 1},
    ],
    ids=str,
)
def test_all_vectors_give_the_exact_jacobian_norm(options):
    model, texts = make_stack(**options), texts_of([5, 3])
    reach = gradient_reach(model, texts, probes=None, fewest=1)
    for direction in range(len(reach.directions)):
        for level in range(reach.layers + 1):
            for distance in range(5):
                exact = [
                    exact_gain(model, texts[row].tolist(), direction, level, distance)
                    for row in range(2)
                    if len(texts[row]) > distance
                ]
                found = reach.gains[direction, level, distance]
                assert found == pytest.approx(np.exp(np.mean(np.log(exact))), rel=1e-3)


def test_few_vectors_estimate_the_squared_gain_without_bias():
    model, texts = make_stack(num_layers=2), texts_of([6])
    exact = gradient_reach(model, texts, probes=None, fewest=1).gains ** 2
    draws = [gradient_reach(model, texts, probes=1, fewest=1, seed=seed).gains ** 2 for seed in range(150)]
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - exact) <= 4.5 * error + 1e-6 * exact).all()


def test_the_top_state_gives_itself_and_short_texts_are_left_out():
    reach = gradient_reach(make_stack(num_layers=2), texts_of([2] * 5 + [9] * 4), fewest=4)
    np.testing.assert_allclose(reach.gains[:, -1, 0], 1.0, rtol=1e-5)
    assert reach.texts.tolist() == [9, 9, 4, 4, 4, 4, 4, 4, 4]
    assert reach.longest == 8
    shorter = gradient_reach(make_stack(num_layers=2), texts_of([2] * 5 + [9] * 4), fewest=5)
    assert shorter.longest == 1
    assert np.isnan(shorter.gains[:, :, 2:]).all()


def test_one_layer_with_closed_forget_gates_forgets_and_with_open_ones_does_not():
    closed, opened = (make_stack(num_layers=1, forget_bias=bias, bidirectional=False) for bias in (-8.0, 8.0))
    texts = texts_of([12] * 6)
    with torch.no_grad():
        for model in (closed, opened):
            model.lstm.layers[0].weight_hh.mul_(0.3)
    gains = [gradient_reach(model, texts, fewest=2).gains[0, 1] for model in (closed, opened)]
    assert gains[0][11] < 1e-6 < 1e-3 < gains[1][11]
    near, far = (reach_distances(gradient_reach(model, texts, fewest=2), share=0.001)[1] for model in (closed, opened))
    assert near.words < 5
    assert not near.censored
    assert far.censored
    assert far.words == 11


def test_the_model_and_the_streams_of_random_numbers_are_left_alone():
    model, texts = make_stack(num_layers=2), texts_of([5] * 8)
    before, state = {k: v.clone() for k, v in model.state_dict().items()}, torch.get_rng_state()
    first = gradient_reach(model, texts)
    assert model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    np.testing.assert_array_equal(first.gains, gradient_reach(model, texts).gains)
    with torch.no_grad():  # a caller may have switched gradients off
        np.testing.assert_array_equal(first.gains, gradient_reach(model, texts).gains)


def test_bottom_gain_is_a_mean_of_logarithms():
    reach = gradient_reach(make_stack(num_layers=2), texts_of([5] * 8))
    assert bottom_gain(reach) == pytest.approx(np.log10(reach.gains[:, 1]).mean())
    assert bottom_gain(reach, distances=2) == pytest.approx(np.log10(reach.gains[:, 1, :2]).mean())


def test_nothing_to_measure_is_said():
    with pytest.raises(ModelError, match="has none"):
        gradient_reach(make_stack(num_layers=0, pooling="mean"), texts_of([3]))
    with pytest.raises(DataError, match="none with a token"):
        gradient_reach(make_stack(), texts_of([0, 0]))
