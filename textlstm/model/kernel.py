"""The recurrence of one layer: torch's LSTM kernel, called as each device wants it, or steps with any activation.

Travels with published models: imports only torch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

State = tuple[Tensor, Tensor]
"""Hidden and cell state of one direction, each (batch, hidden_size) or with directions in front."""

# Names and constants of ONNX's LSTM operator, so that every model can be exported.
ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "leaky_relu": lambda x: functional.leaky_relu(x, 0.01),
    "thresholded_relu": lambda x: functional.threshold(x, 1.0, 0.0),
    "elu": functional.elu,
    "softsign": functional.softsign,
    "softplus": functional.softplus,
    "hard_sigmoid": lambda x: functional.hardsigmoid(1.2 * x),  # a slope of 0.2; torch's own is 1/6
}


def lstm(x: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, Tensor, Tensor]:
    """Run one layer over (time, batch, dim) as the device wants it.

    Args:
        x: inputs.
        weights: eight for both directions, four for one.
        state: hidden and cell state to begin from, each (directions, batch, hidden).

    Returns:
        Output, and hidden and cell state after the last position.
    """
    lower = _unfit_for_cpu() & {x.dtype, _autocast_dtype("cpu")} if x.device.type == "cpu" else None
    if lower:
        with torch.autocast("cpu", enabled=False):
            read = _call(x.float(), [weight.float() for weight in weights], (state[0].float(), state[1].float()))
        dtype = lower.pop()
        return read[0].to(dtype), read[1].to(dtype), read[2].to(dtype)
    if x.is_cuda:
        # cuDNN wants one chunk of memory, and warns at every call when it has to make it itself.
        chunk = torch.cat([weight.reshape(-1) for weight in weights])
        parts = torch.split(chunk, [weight.numel() for weight in weights])
        weights = [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
    return _call(x, weights, state)


def lstm_steps(
    readings: list[Tensor],
    weights: list[list[Tensor]],
    state: State | None,
    *,
    activation: str,
    gate_activation: str,
) -> tuple[Tensor, State]:
    """Run step by step with any activation; what no step waits for, the products with the inputs, comes first.

    A step of few units takes as long as its number of calls: directions go side by side, and so do the three gates.

    Args:
        readings: of each direction (time, batch, features), in its order of reading.
        weights: of each direction.
        state: before, each (directions, batch, hidden); zeros when None.
        activation: of the cell, a name of `ACTIVATION_FUNCTIONS`.
        gate_activation: of the gates, likewise.

    Returns:
        (time, directions, batch, hidden), and the state after the last position.
    """
    act = ACTIVATION_FUNCTIONS[activation]
    gate = ACTIVATION_FUNCTIONS[gate_activation]
    size = weights[0][1].size(1)
    projected, recurrent = [], []
    for x, one in zip(readings, weights, strict=True):
        # gates first, then the candidate
        weight_ih, weight_hh, bias_ih, bias_hh = (
            torch.cat([w[: 2 * size], w[3 * size :], w[2 * size : 3 * size]]) for w in one
        )
        projected.append(functional.linear(x, weight_ih, bias_ih + bias_hh))  # (time, batch, 4 * hidden)
        recurrent.append(weight_hh.t())
    steps = torch.stack(projected, dim=1)  # (time, directions, batch, 4 * hidden)
    matrix = torch.stack(recurrent).to(steps.dtype)  # once, where autocast would cast it at every step
    zeros = steps.new_zeros(*steps.shape[1:3], size)
    hidden, cell = (zeros, zeros) if state is None else state
    states = []
    for inputs in steps.unbind():
        gates, candidate = torch.baddbmm(inputs, hidden, matrix).split([3 * size, size], dim=2)
        i, f, o = gate(gates).chunk(3, dim=2)
        cell = torch.addcmul(f * cell, i, act(candidate))
        hidden = o * act(cell)
        states.append(hidden)
    return torch.stack(states), (hidden, cell)


def _call(x: Tensor, weights: list[Tensor], state: State) -> tuple[Tensor, Tensor, Tensor]:
    """Call torch's kernel."""
    # bias, one layer, no dropout between layers, keep what the backward pass needs, directions, not batch-first
    options = (True, 1, 0.0, torch.is_grad_enabled(), len(weights) == 8, False)
    read: tuple[Tensor, Tensor, Tensor] = torch._VF.lstm(x, state, weights, *options)
    return read


def _unfit_for_cpu() -> set[torch.dtype | None]:
    """Name the types that oneDNN's LSTM raises for: float16, and without AVX-512 bfloat16 too."""
    unfit: set[torch.dtype | None] = {torch.float16}
    return unfit if torch.ops.mkldnn._is_mkldnn_bf16_supported() else unfit | {torch.bfloat16}


def _autocast_dtype(device: str) -> torch.dtype | None:
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
