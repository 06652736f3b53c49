"""Checkpoints of pretraining: weights, moments, carried states and random streams as safetensors, the rest as JSON.

The Trainer's own checkpoints pickle the optimizer; these do not.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from textlstm.model.kernel import State
from textlstm.training.checkpoint_files import read_last, write_last
from textlstm.training.progress import STATE_FILE

TENSORS_FILE = "state.safetensors"


def write_state(
    folder: Path,
    *,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    states: list[list[State] | None],
    means: list[Tensor],
    own: dict[str, Any],
    device: torch.device,
) -> None:
    """Write a checkpoint, and remove older ones beside it.

    Args:
        folder: `checkpoint-<step>`.
        model: its weights.
        optimizer: its moments.
        states: carried from window to window, by direction and layer.
        means: running mean of the weights.
        own: what JSON can hold.
        device: of the run; dropout draws from its generator, other draws from the CPU's.
    """
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, parameter in enumerate(_parameters(optimizer)):
        tensors |= {f"optimizer.{index}.{key}": value for key, value in optimizer.state[parameter].items()}
    for direction, layers in enumerate(states):
        for layer, (hidden, cell) in enumerate(layers or []):
            tensors |= {f"state.{direction}.{layer}.hidden": hidden, f"state.{direction}.{layer}.cell": cell}
    tensors |= {f"mean.{index:04d}": value for index, value in enumerate(means)}
    tensors["random"] = torch.get_rng_state()
    if device.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        tensors["random.mps"] = torch.mps.get_rng_state()
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, folder / TENSORS_FILE)
    # By rename, and last: a checkpoint that has this file is whole, as long as the digests in it hold.
    write_last(folder / STATE_FILE, own)
    for older in folder.parent.glob("checkpoint-*"):
        if older != folder:
            shutil.rmtree(older, ignore_errors=True)


def read_state(
    folder: Path, *, model: nn.Module, optimizer: torch.optim.Optimizer, means: list[Tensor], device: torch.device
) -> tuple[dict[str, Any], list[list[State] | None]]:
    """Take up a checkpoint.

    Args:
        folder: that `write_state` has completed.
        model: gets its weights.
        optimizer: gets its moments.
        means: get the running mean of the weights.
        device: of the run; its generator goes on where it was, if the checkpoint was written on such a device.

    Returns:
        What JSON held, and the carried states by direction and layer.
    """
    own = read_last(folder / STATE_FILE)
    tensors = load_file(folder / TENSORS_FILE)
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    for index, parameter in enumerate(_parameters(optimizer)):
        start = f"optimizer.{index}."
        held = {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
        for key, value in held.items():
            optimizer.state[parameter][key] = value if key == "step" and value.ndim == 0 else value.to(parameter.device)
    for index, mean in enumerate(means):
        mean.copy_(tensors[f"mean.{index:04d}"])
    states: list[list[State] | None] = []
    place = next(model.parameters()).device
    while f"state.{len(states)}.0.hidden" in tensors:
        direction = len(states)
        layers: list[State] = []
        while f"state.{direction}.{len(layers)}.hidden" in tensors:
            start = f"state.{direction}.{len(layers)}"
            layers.append((tensors[f"{start}.hidden"].to(place), tensors[f"{start}.cell"].to(place)))
        states.append(layers)
    torch.set_rng_state(tensors["random"])
    drawn = tensors.get(f"random.{device.type}")  # none in checkpoints of earlier versions
    if drawn is not None and device.type == "cuda":
        torch.cuda.set_rng_state(drawn, device)
    elif drawn is not None:
        torch.mps.set_rng_state(drawn)
    return own, states


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All parameters, in the order of the groups."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
