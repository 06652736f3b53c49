"""What torch finds on this machine, as words for a bug report."""

from __future__ import annotations

from pathlib import Path

import torch


def torch_state(processors: int) -> tuple[dict[str, str], list[str]]:
    """Ask torch for its build, instruction set, libraries, threads and graphics processors.

    Args:
        processors: that this process may use.

    Returns:
        Facts by name, and a sentence for whatever will make trouble, with its mend.
    """
    cuda, problems = torch.version.cuda, []
    facts = {
        "build": f"CUDA {cuda}" if cuda else "CPU alone",
        "instruction set in use": torch.backends.cpu.get_cpu_capability(),
        "oneDNN": "yes" if torch.backends.mkldnn.is_available() else "no",
        "MKL": "yes" if torch.backends.mkl.is_available() else "no",
        "threads": str(torch.get_num_threads()),
        "graphics processors": "none",
    }
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        facts["graphics processors"] = ", ".join(
            f"{card.name} ({card.total_memory / 2**30:,.1f} GiB)" for card in cards
        )
        facts["cuDNN"] = str(torch.backends.cudnn.version())
    elif torch.backends.mps.is_available():
        facts["graphics processors"] = "MPS"
    elif cuda and Path("/dev/nvidia0").exists():
        problems.append(
            f"There is an NVIDIA device that torch does not use; its driver may be older than CUDA {cuda}, which this"
            " torch was built for, or CUDA_VISIBLE_DEVICES hides it."
        )
    if torch.get_num_threads() > processors:
        problems.append(
            f"torch takes {torch.get_num_threads()} threads where {processors} processors may be used, which is slow;"
            f" set OMP_NUM_THREADS={processors}."
        )
    return facts, problems
