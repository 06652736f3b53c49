"""torch's LSTM kernel for one layer, called as each device wants it.

Travels with published models: imports only torch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def lstm(x: Tensor, weights: list[Tensor], state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
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


def _call(x: Tensor, weights: list[Tensor], state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
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
