"""Named streams of random numbers: every part of a run draws from its own, so what is equal at two depths is equal."""

from __future__ import annotations

import hashlib


def stream(seed: int, name: str) -> int:
    """Derive the seed of one named stream of random numbers.

    Args:
        seed: of the run.
        name: of the part, such as "order" or "layer 2".

    Returns:
        A number below 2**32, unrelated for different names.
    """
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4], "big")
