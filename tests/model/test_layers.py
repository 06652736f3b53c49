"""The recurrent layer: equal to torch's packed LSTM, in outputs and gradients, whatever stands in the padding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textlstm.model.kernel import ACTIVATION_FUNCTIONS
from textlstm.model.layers import (
    LSTMLayer,
    initial_lstm_weights,
    reverse_prefix,
    reverse_prefix_order,
)


def make_layer(*args, dtype=torch.float32, **kwargs):
    layer = LSTMLayer(*args, **kwargs)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-0.5, 0.5)
    return layer.to(dtype)


def as_torch_lstm(layers):
    """The same stack as one nn.LSTM."""
    first = layers[0]
    reference = nn.LSTM(
        first.input_size, first.hidden_size, len(layers), batch_first=True, bidirectional=first.directions == 2
    ).to(first.weight_ih.dtype)
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            parameter.copy_(own_value(layers, name))
    return reference


def own_value(layers, name, gradient=False):
    """Our tensor for nn.LSTM's name of it: weight_hh_l1_reverse is layers[1].weight_hh[1]."""
    kind, rest = name.rsplit("_l", 1)
    index, _, reverse = rest.partition("_")
    tensor = getattr(layers[int(index)], kind)
    return (tensor.grad if gradient else tensor)[1 if reverse else 0]


@pytest.mark.parametrize("lengths", [[7, 7, 7, 7], [7, 3, 1, 5], [2, 7, 6, 7]])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_plain_stack_is_torchs_packed_lstm(lengths, bidirectional, num_layers, dtype):
    torch.manual_seed(0)
    width = 12 if bidirectional else 6
    layers = [
        make_layer(5 if index == 0 else width, 6, bidirectional=bidirectional, dtype=dtype)
        for index in range(num_layers)
    ]
    reference = as_torch_lstm(layers)
    x = torch.randn(4, 7, 5, dtype=dtype, requires_grad=True)
    x_reference = x.detach().clone().requires_grad_()
    lengths = torch.tensor(lengths)

    states = x
    for layer in layers:
        states = layer(states, lengths)
    packed = pack_padded_sequence(x_reference, lengths, batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(reference(packed)[0], batch_first=True)[0]
    torch.testing.assert_close(states, expected, atol=1e-6, rtol=0)

    upstream = torch.randn(4, 7, width, dtype=dtype)
    states.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(x.grad, x_reference.grad, atol=1e-6, rtol=1e-5)
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(own_value(layers, name, gradient=True), parameter.grad, atol=1e-6, rtol=1e-5)


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    garbage=st.floats(-1e3, 1e3),
    activation=st.sampled_from(["tanh", "relu"]),
)
@settings(deadline=None, max_examples=40)
def test_padding_is_never_read_and_gives_zero(lengths, garbage, activation):
    torch.manual_seed(len(lengths))
    layer = make_layer(3, 4, activation=activation)
    lengths = torch.tensor(lengths)
    padding = (torch.arange(6) >= lengths.unsqueeze(1)).unsqueeze(2)
    x = torch.randn(len(lengths), 6, 3)
    with torch.no_grad():
        states = layer(x, lengths)
        torch.testing.assert_close(layer(x.masked_fill(padding, garbage), lengths), states, atol=1e-6, rtol=1e-5)
        assert (states.masked_select(padding) == 0).all()
        for row, length in enumerate(lengths.tolist()):
            if length:
                alone = layer(x[row : row + 1, :length], lengths[row : row + 1])
                torch.testing.assert_close(alone[0], states[row, :length], atol=1e-5, rtol=1e-5)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4))
@settings(deadline=None)
def test_reversing_twice_changes_nothing(lengths):
    order = reverse_prefix_order(torch.tensor(lengths), 5)
    x = torch.arange(5 * len(lengths)).view(5, len(lengths), 1)
    turned = reverse_prefix(x, order)
    assert torch.equal(reverse_prefix(turned, order), x)
    for row, length in enumerate(lengths):
        assert torch.equal(turned[:length, row], x[:length, row].flip(0))
        assert torch.equal(turned[length:, row], x[length:, row])


def test_the_step_loop_equals_the_fused_kernel_in_states_and_gradients():
    torch.manual_seed(0)
    layer = make_layer(3, 4)
    x, lengths = torch.randn(3, 5, 3, requires_grad=True), torch.tensor([5, 2, 4])
    towards = torch.randn(3, 5, 8)

    def read():
        states = layer(x, lengths)
        return [states, *torch.autograd.grad((states * towards).sum(), [x, *layer.parameters()])]

    fused = read()
    # The same functions, tanh and sigmoid, without the kernel.
    layer._run_fused = lambda x, weights: layer._run_steps([x], [weights])[0].squeeze(1)
    for stepped, whole in zip(read(), fused, strict=True):
        torch.testing.assert_close(stepped, whole, atol=2e-6, rtol=1e-5)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this build of torch has no oneDNN")
@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 4]])
def test_training_and_prediction_take_the_path_of_onednn(lengths):
    layer, x, lengths = make_layer(3, 4), torch.randn(3, 5, 3), torch.tensor(lengths)
    with torch.autograd.profiler.profile() as training:
        layer(x, lengths).sum().backward()
    with torch.autograd.profiler.profile() as prediction, torch.inference_mode():
        layer(x, lengths)
    calls = {"aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"}
    assert {event.name for event in training.function_events} >= calls
    assert "aten::mkldnn_rnn_layer" in {event.name for event in prediction.function_events}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hard_sigmoid", lambda x: max(0.0, min(1.0, 0.2 * x + 0.5))),
        ("leaky_relu", lambda x: x if x >= 0 else 0.01 * x),
        ("thresholded_relu", lambda x: x if x > 1.0 else 0.0),
        ("softsign", lambda x: x / (1 + abs(x))),
    ],
)
def test_activations_have_the_constants_of_onnx(name, expected):
    values = torch.linspace(-4, 4, 33, dtype=torch.float64)
    wanted = torch.tensor([expected(value) for value in values.tolist()], dtype=torch.float64)
    torch.testing.assert_close(ACTIVATION_FUNCTIONS[name](values), wanted)


@pytest.mark.parametrize("activation", ["tanh", "softsign"])
@pytest.mark.parametrize("lengths", [[3, 3], [3, 1]])
def test_gradients_are_those_of_finite_differences(activation, lengths):
    torch.manual_seed(1)
    layer = make_layer(2, 2, activation=activation, dtype=torch.float64)
    lengths = torch.tensor(lengths)
    names = [name for name, _ in layer.named_parameters()]
    values = tuple(parameter.detach().requires_grad_() for parameter in layer.parameters())

    def run(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, lengths))

    assert torch.autograd.gradcheck(run, (torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True), *values))


def test_recurrent_dropout_reaches_every_direction_and_only_in_training():
    torch.manual_seed(0)
    layer = make_layer(3, 8, recurrent_dropout=0.5)
    x, lengths = torch.randn(4, 6, 3), torch.tensor([6, 6, 5, 4])
    layer(x, lengths).sum().backward()
    for direction in range(2):
        dropped = (layer.weight_hh.grad[direction] == 0).float().mean().item()
        assert 0.3 < dropped < 0.7
    assert not torch.equal(layer(x, lengths), layer(x, lengths))
    layer.eval()
    assert torch.equal(layer(x, lengths), layer(x, lengths))


def test_initial_weights_are_scaled_gate_by_gate():
    torch.manual_seed(0)
    weights = initial_lstm_weights(LSTMLayer(20, 8), forget_bias=1.5)
    for direction in range(2):
        for gate in weights["weight_hh"][direction].split(8):
            torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    bound = (6 / (20 + 8)) ** 0.5
    assert 0.95 * bound < weights["weight_ih"].abs().max() <= bound
    bias = weights["bias_ih"] + weights["bias_hh"]  # torch adds them
    assert (bias[:, 8:16] == 1.5).all()
    assert (bias.abs().sum(dim=1) == 8 * 1.5).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("lengths", [[5, 5], [5, 2]])
def test_half_precision_trains_on_a_cpu(dtype, lengths):
    torch.manual_seed(0)
    layer = make_layer(3, 4)
    x, lengths = torch.randn(2, 5, 3), torch.tensor(lengths)
    exact = layer(x, lengths)
    with torch.autocast("cpu", dtype=dtype):
        rough = layer(x, lengths)
    rough.float().sum().backward()
    torch.testing.assert_close(rough.float(), exact, atol=0.03, rtol=0)
    torch.testing.assert_close(layer.to(dtype)(x.to(dtype), lengths).float(), exact, atol=0.03, rtol=0)
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())
