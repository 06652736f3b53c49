"""What a bug report needs: versions, processors, memory, threads, caches; nothing that names a user or a machine."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from textlstm.experiment.capacity import WORKER_BYTES, available_memory, available_threads

Facts = dict[str, dict[str, str]]

LIBRARIES = (
    *("torch", "transformers", "datasets", "tokenizers", "huggingface_hub", "accelerate", "safetensors"),
    *("numpy", "scipy", "scikit-learn", "pyarrow", "altair", "typer"),
)
"""Distributions whose versions are told."""
INSTRUCTIONS = (
    *("avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni"),
    *("amx_tile", "amx_bf16", "amx_int8", "asimd", "asimddp", "sve", "bf16", "i8mm"),
)
"""Flags of `/proc/cpuinfo` on which the speed of this package hangs (x86, then ARM)."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TOKENIZERS_PARALLELISM", "CUDA_VISIBLE_DEVICES")
SWITCHES = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_XET")
"""Variables whose value is a number or a word, and is told."""
PLACES = ("TEXTLSTM_DATA_DIR", "TEXTLSTM_CACHE_DIR", "HF_HOME", "HF_ENDPOINT", "HTTPS_PROXY", "RANK", "SLURM_JOB_ID")
"""Variables that may hold addresses, names or passwords: only whether they are set is told."""
LEAST_DISK = 2 * 2**30
"""Bytes: room for a comparison of some hundred runs and for the libraries' caches."""


def examine() -> tuple[Facts, list[str]]:
    """Look at this machine and at what is installed.

    Returns:
        Facts as words, by section and name, and a sentence for whatever will make trouble, with its mend. Neither holds
        the path of a home folder, a user's or a machine's name, an address, or a token.
    """
    problems: list[str] = []
    facts: Facts = {
        "textlstm": {"version": version("textlstm"), **_python()},
        "libraries": _libraries(problems),
        "extras": _extras(),
        "machine": _machine(problems),
        "torch": _torch(problems),
        "threads": {name: os.environ.get(name, "not set") for name in THREAD_VARIABLES},
        "folders": _folders(problems),
        "variables": _variables(),
    }
    return facts, problems


def masked(path: Path) -> str:
    """Write a path so that it may be shown to strangers.

    Args:
        path: any.

    Returns:
        The same with `~` for the home folder and `USER` for parts that are the user's name.
    """
    if path.is_relative_to(Path.home()):
        return str(Path("~") / path.relative_to(Path.home()))
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container that runs under a number without a name
        return str(path)
    return str(Path(*("USER" if part == user else part for part in path.parts)))


def _python() -> dict[str, str]:
    return {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "virtual environment": _yes(sys.prefix != sys.base_prefix),
    }


def _libraries(problems: list[str]) -> dict[str, str]:
    """Versions of the main libraries; what is absent or older than this package needs is a problem."""
    from packaging.requirements import Requirement

    for text in requires("textlstm") or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        found = _version(needed.name)
        if found is None:
            problems.append(f"{needed.name} is not installed; pip install '{needed.name}{needed.specifier}' brings it.")
        elif not needed.specifier.contains(found, prereleases=True):
            problems.append(
                f"{needed.name} should be {needed.specifier}, and is {found}; pip install --upgrade"
                f" '{needed.name}{needed.specifier}' mends it."
            )
    return {name: _version(name) or "not installed" for name in LIBRARIES}


def _extras() -> dict[str, str]:
    """For each extra that adds something to the commands: whether it is there, or what of it is missing."""
    from packaging.requirements import Requirement

    needed: dict[str, list[str]] = {name: [] for name in ("onnx", "serve", "ray", "tune", "inspect")}
    for text in requires("textlstm") or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or requirement.name == "textlstm" or marker.evaluate({"extra": ""}):
            continue
        for extra, names in needed.items():
            if marker.evaluate({"extra": extra}):
                names.append(requirement.name)
    absent = {extra: [name for name in names if _version(name) is None] for extra, names in needed.items()}
    return {extra: f"without {', '.join(names)}" if names else "installed" for extra, names in absent.items()}


def _machine(problems: list[str]) -> dict[str, str]:
    """System, processor and memory, with what a container or a batch job leaves of them."""
    model, flags = _processor()
    free = available_memory()
    if free is not None and free < WORKER_BYTES:
        problems.append(
            f"One training needs about {_size(WORKER_BYTES)} of memory and {_size(free)} are free; close other"
            " programs, or ask for more in the job or container."
        )
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {
        "system": platform.platform(),
        "processor": model or platform.processor() or platform.machine(),
        "instruction sets": " ".join(name for name in INSTRUCTIONS if name in flags) or "not told by the system",
        "processors": f"{available_threads()} of {os.cpu_count()} may be used",
        "memory": _size(total) if total else "not told by the system",
        "memory free for us": _size(free) if free is not None else "not told by the system",
        "container or job limit": _size(limit) if (limit := _group_limit()) else "none seen",
    }


def _processor() -> tuple[str, set[str]]:
    """Name and flags of the first processor, from Linux; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").split("\n\n")[0].splitlines()
    except OSError:
        return "", set()
    rows = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return rows.get("model name", ""), set((rows.get("flags") or rows.get("Features") or "").split())


def _group_limit() -> int | None:
    """The memory limit of a container as its own root group tells it, in bytes."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            words = (Path("/sys/fs/cgroup") / name).read_text("utf-8").strip()
        except OSError:
            continue
        if words.isdecimal() and int(words) < 2**60:  # version 1 says "no limit" by a number near 2**63
            return int(words)
    return None


def _torch(problems: list[str]) -> dict[str, str]:
    """What torch finds here; that it cannot be loaded is a finding too."""
    try:
        from textlstm.training.torch_state import torch_state

        facts, found = torch_state(available_threads())
    except (ImportError, OSError) as error:
        problems.append(
            f"torch cannot be loaded ({type(error).__name__}); install it anew: pip install --force-reinstall torch."
        )
        return {"loads": "no"}
    problems += found
    return facts


def _folders(problems: list[str]) -> dict[str, str]:
    """Where files go, whether they can, and the space left there."""
    from textlstm.training.answer_cache import cache_folder

    places = {"this folder": Path.cwd(), "cache of textlstm": cache_folder()}
    try:
        from huggingface_hub.constants import HF_HUB_CACHE

        places["cache of the Hub"] = Path(HF_HUB_CACHE)
    except ImportError:
        pass  # told among the libraries
    facts = {}
    for name, path in places.items():
        nearest = next(part for part in (path.absolute(), *path.absolute().parents) if part.exists())
        writable, room = os.access(nearest, os.W_OK), shutil.disk_usage(nearest).free
        # The folder of a project may be called after a customer: of this one only the state is told.
        where = "" if name == "this folder" else f"{masked(path)}{'' if path.exists() else ' (not there yet)'}, "
        facts[name] = f"{where}{'writable' if writable else 'not writable'}, {_size(room)} free"
        if not writable:
            problems.append(f"Nothing can be written to {name}; change its permissions, or take another.")
        if room < LEAST_DISK:
            problems.append(f"{_size(room)} are free in {name}; {_size(LEAST_DISK)} are a safe least, so make room.")
    return facts


def _variables() -> dict[str, str]:
    """Switches with their values, and whether the others are set."""
    told = {name: os.environ.get(name, "not set") for name in SWITCHES}
    return told | {name: "set" if os.environ.get(name) else "not set" for name in PLACES}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _size(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB"


def format_facts(facts: dict[str, Any], problems: list[str]) -> str:
    """Write what was found as plain lines.

    Args:
        facts: by section and name, from `examine`.
        problems: sentences.

    Returns:
        Text that can be pasted into a report as it is.
    """
    lines = []
    width = max(len(name) for section in facts.values() for name in section)
    for section, rows in facts.items():
        lines += [section, *(f"  {name:<{width}}  {value}" for name, value in rows.items()), ""]
    return "\n".join(
        [*lines, "Problems" if problems else "No problem found.", *(f"- {problem}" for problem in problems)]
    )
