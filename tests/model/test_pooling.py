"""Pooling: equal to the plain computation on each text alone, and never NaN for a text without words."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.model.pooling import LayerMix, Pooling

POOLINGS = ["last", "mean", "max", "attention", "concat", "layer_mix"]


@given(
    name=st.sampled_from(POOLINGS),
    lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    garbage=st.sampled_from([0.0, 1e4, -1e4]),
    bidirectional=st.booleans(),
)
@settings(deadline=None)
def test_a_text_is_pooled_as_if_it_were_alone(name, lengths, garbage, bidirectional):
    torch.manual_seed(0)
    pooling = Pooling(name, widths=[6, 6], bidirectional=bidirectional)
    padding = (torch.arange(5) >= torch.tensor(lengths).unsqueeze(1)).unsqueeze(2)
    layers = [torch.randn(len(lengths), 5, 6).masked_fill(padding, garbage) for _ in range(2)]
    with torch.no_grad():
        pooled = pooling(layers, torch.tensor(lengths))
        assert pooled.shape == (len(lengths), pooling.output_size)
        for row, length in enumerate(lengths):
            if length == 0:
                assert (pooled[row] == 0).all()
            else:
                alone = pooling([layer[row : row + 1, :length] for layer in layers], torch.tensor([length]))
                torch.testing.assert_close(pooled[row], alone[0], atol=1e-5, rtol=1e-5)


def test_each_pooling_is_what_its_name_says():
    states = torch.tensor([[[1.0, -5.0], [3.0, -4.0], [2.0, -6.0], [9.0, 9.0]]])
    lengths = torch.tensor([3])
    expected = {"last": [2.0, -5.0], "mean": [2.0, -5.0], "max": [3.0, -4.0]}
    for name, values in expected.items():
        assert Pooling(name, widths=[2], bidirectional=True)([states], lengths).tolist() == [values]
    assert Pooling("last", widths=[2], bidirectional=False)([states], lengths).tolist() == [[2.0, -6.0]]
    concat = Pooling("concat", widths=[2], bidirectional=True)([states], lengths)
    assert concat.tolist() == [expected["last"] + expected["mean"] + expected["max"]]


def test_a_layer_mix_starts_as_the_mean_of_the_layers_and_learns():
    mix = LayerMix(3)
    layers = [torch.full((1, 2, 2), float(value)) for value in (1, 2, 6)]
    mixed = mix(layers)
    torch.testing.assert_close(mixed, torch.full((1, 2, 2), 3.0))
    mixed.sum().backward()
    assert (mix.weights.grad != 0).all()


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients_of_a_text_without_words_are_finite(name):
    pooling = Pooling(name, widths=[4], bidirectional=True)
    states = torch.randn(2, 3, 4, requires_grad=True)
    pooling([states], torch.tensor([0, 2])).square().sum().backward()
    assert states.grad.isfinite().all()
    assert (states.grad[0] == 0).all()
