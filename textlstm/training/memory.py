"""How the C library hands memory to a training run."""

from __future__ import annotations

import ctypes
import sys

# glibc's names for them are in malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks that were freed, instead of giving them back to the system.

    A training step frees and takes hundreds of megabytes of activations; fresh ones cost a page fault for every 4 KiB,
    about a tenth of a step on long texts. The process holds its peak memory until it ends.

    Returns:
        Whether there was a glibc to tell; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):  # musl
        return False
    return bool(library.mallopt(_M_MMAP_THRESHOLD, 1 << 30) and library.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
