"""Keep the garbage collector from walking through all of torch again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import and read without collections of garbage, and leave what is there at the end out of later ones.

    Imports of torch and transformers take a fifth less time without them, and reading texts half, once those are there:
    hundreds of thousands of objects, which stay, are looked through each time that some thousands are made. What was
    garbage at the end is kept, too, unless the caller collects it; cycles are rare in modules and texts.
    """
    if not gc.isenabled():  # within another such block, or by the caller's own wish
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
