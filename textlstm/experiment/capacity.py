"""How much of this machine a sweep may use: processors, free memory, and from both a number of workers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from textlstm.experiment.grid import Cell, DataFacts
from textlstm.recipe import Recipe
from textlstm.recipe_memory import PeakMemory, peak_memory

WORKER_BYTES = 700 * 2**20
"""Resident memory of a worker that has imported torch and transformers and trains a small stack, generously; where the
runs are known, `largest_memory` reckons it."""

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_NVIDIA_DEVICE = Path("/dev/nvidia0")


def available_threads() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_memory() -> int | None:
    """Find how much memory may still be taken without swapping.

    Returns:
        Bytes: what the system calls available, or what the limit of this process's control group (a container, a batch
        job) leaves, whichever is less; None where neither is told.
    """
    rooms = [room for room in (_free_on_machine(), _free_in_group()) if room is not None]
    return min(rooms, default=None)


def choose_workers(*, threads: int, device: str = "auto", run_bytes: int = WORKER_BYTES) -> tuple[int, str | None]:
    """Decide how many runs go on side by side.

    Args:
        threads: of one run.
        device: of the recipe; runs on one graphics processor go one after another.
        run_bytes: what the largest run needs, libraries and data counted.

    Returns:
        The number of workers, at least 1, and a sentence when something else than the processors sets it.
    """
    by_processors = max(1, available_threads() // threads)
    if by_processors > 1 and (device in ("cuda", "mps") or (device == "auto" and _has_gpu())):
        return 1, (
            "1 run goes at a time, since several on one graphics processor would compete for its memory; device=cpu"
            " trains on the processors."
        )
    memory = available_memory()
    if memory is None:
        return by_processors, None
    by_memory = max(1, memory // run_bytes)
    if by_memory >= by_processors:
        return by_processors, None
    each, free = (f"{amount / 2**20:,.0f} MiB" for amount in (run_bytes, memory))
    return by_memory, (
        f"{by_memory} {'runs go' if by_memory > 1 else 'run goes'} at a time, where the processors would allow"
        f" {by_processors}: each needs about {each} and {free} are free."
    )


def largest_memory(cells: Iterable[Cell], facts: DataFacts) -> PeakMemory | None:
    """Estimate the memory that a worker needs for any of some cells.

    Args:
        cells: of a plan.
        facts: of the data.

    Returns:
        The largest run's; None without cells.
    """
    peaks = []
    for cell in cells:
        rows = facts.train_rows if cell.size == "full" else cell.size
        peaks.append(peak_memory(cell.recipe, num_labels=facts.num_labels, mean_tokens=facts.mean_tokens, rows=rows))
    return max(peaks, key=lambda peak: peak.total, default=None)


def workers_for_run(recipe: Recipe, facts: DataFacts) -> tuple[int, str | None]:
    """Decide how many runs like one go on side by side.

    Args:
        recipe: of the largest run.
        facts: of the data, of which it learns from all rows.

    Returns:
        The number of workers, at least 1, and a sentence when something else than the processors sets it.
    """
    peak = peak_memory(recipe, num_labels=facts.num_labels, mean_tokens=facts.mean_tokens, rows=facts.train_rows)
    return choose_workers(threads=recipe.threads, device=recipe.device, run_bytes=peak.total)


def workers_for(recipe: Recipe, cells: Sequence[Cell], facts: DataFacts) -> tuple[int, str | None]:
    """Decide how many runs of a plan go on side by side.

    Args:
        recipe: its threads and device are read.
        cells: of the plan; the largest decides how many the memory holds.
        facts: of the data.

    Returns:
        The number of workers, at least 1, and a sentence when something else than the processors sets it.
    """
    memory = largest_memory(cells, facts)
    needed = {} if memory is None else {"run_bytes": memory.total}
    return choose_workers(threads=recipe.threads, device=recipe.device, **needed)


def _has_gpu() -> bool:
    """Whether torch would likely find an NVIDIA device, without the seconds that asking torch takes."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    return _NVIDIA_DEVICE.exists() or shutil.which("nvidia-smi") is not None


def _free_on_machine() -> int | None:
    """`MemAvailable` of the Linux kernel, in bytes."""
    for line in _lines(_MEMINFO):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _free_in_group() -> int | None:
    """What the limits of this process's control group and of those above it leave; None without a limit."""
    rooms = []
    for line in _lines(_OWN_CGROUP):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, limit, used, cache = _CGROUPS, "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, limit, used = _CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache = "total_inactive_file"
        else:
            continue
        group = top / path.strip().lstrip("/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(top):
                break
            most, taken = (_number(folder / name) for name in (limit, used))
            # Version 1 says "no limit" by a number near 2**63.
            if most is not None and taken is not None and most < 2**60:
                # File pages that nobody uses count as taken and are given up at once when memory is asked for.
                kept = [int(row.split()[1]) for row in _lines(folder / "memory.stat") if row.startswith(f"{cache} ")]
                rooms.append(max(0, most - taken + sum(kept)))
    return min(rooms, default=None)


def _lines(path: Path) -> list[str]:
    """A small system file's lines; none where there is no such file."""
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """A system file that holds one number; None for "max" and for an absent file."""
    words = "".join(_lines(path)).strip()
    return int(words) if words.isdecimal() else None
