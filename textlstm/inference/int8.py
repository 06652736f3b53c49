"""Matrices as 8-bit numbers: each row with a scale of its own, symmetric around zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantize_rows(matrix: NDArray[Any], *, largest: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix to whole numbers, row by row, so that its largest entry keeps the largest number.

    Args:
        matrix: (..., rows, columns).
        largest: absolute value that the numbers reach; 127 uses 8 bits and 63 uses 7.

    Returns:
        The numbers, shaped as `matrix`, and the scales (..., rows): a row is about its numbers times its scale.
    """
    reach = np.abs(matrix).max(axis=-1, initial=0.0)
    scales = np.asarray(np.where(reach > 0, reach, 1.0) / largest, dtype=np.float32)
    numbers = np.clip(np.rint(matrix / scales[..., None]), -largest, largest)
    return numbers.astype(np.int8), scales
