"""What a run costs and where it ran: parameters, operations, memory, versions."""

from __future__ import annotations

import os
import platform
import re
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("textlstm", "torch", "transformers", "tokenizers", "datasets", "numpy")


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Count parameters.

    Args:
        model: has `get_input_embeddings()`.

    Returns:
        All parameters, and those outside the word embedding table.
    """
    total = sum(parameter.numel() for parameter in model.parameters())
    return total, total - model.get_input_embeddings().weight.numel()  # type: ignore[operator]


def flops_per_token(model: torch.nn.Module) -> int:
    """Operations of one forward pass for one token: two for each weight of a matrix that every token meets.

    Args:
        model: a TextLSTM model.

    Returns:
        Twice the matrix weights outside the embedding table. The head and attention pooling are counted as if every
        token met them, which overstates a little; additions of biases and activations are left out.
    """
    embedding = model.get_input_embeddings().weight  # type: ignore[operator]
    matrices = (p for name, p in model.named_parameters() if p.ndim > 1 and "bias" not in name and p is not embedding)
    return 2 * sum(matrix.numel() for matrix in matrices)


def reset_peak_memory() -> None:
    """Start a new count of peak memory, where the system allows it (Linux, CUDA)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # elsewhere the peak is that of the whole process, which is an upper bound


def peak_memory_mb(device: torch.device) -> float:
    """Read peak memory since `reset_peak_memory`.

    Args:
        device: CUDA memory is read for a CUDA device, resident memory of the process otherwise.

    Returns:
        MiB.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) / 2**10
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes on macOS, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def describe_environment(device: torch.device) -> dict[str, str]:
    """Name versions and machine, without anything that identifies the user.

    Args:
        device: where the run took place.

    Returns:
        Facts by name, such as `{"torch": "2.13.0", "processor": "x86_64, AVX512, 2 cores", ...}`.
    """
    facts = {name: version(name) for name in PACKAGES}
    facts["python"] = platform.python_version()
    facts["system"] = platform.system()
    facts["processor"] = f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"
    facts["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    facts["threads"] = str(torch.get_num_threads())
    return facts
