"""A few rows of a packed array on the disk, read into memory of their own.

A mapping of the file would do, too, but Linux shows a process many pages around each one that it touches, and counts
them as its memory: one that looked at a few rows of every slide would seem to hold the cohort.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_some(
    path: Path, dtype: np.dtype[Any], width: int, rows: Sequence[int], *, offset: int = 0
) -> NDArray[np.floating[Any]] | None:
    """Rows of a file of rows, (len(rows), width); None where the file ends before one of them.

    Args:
        path: the file.
        dtype: number type in the file.
        width: numbers in a row.
        rows: numbers of the rows.
        offset: bytes before row 0.
    """
    found = np.empty((len(rows), width), dtype)
    row_bytes = width * dtype.itemsize
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):  # not on macOS; otherwise what stands behind a row would be read, too
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for place, row in enumerate(rows):
            data = os.pread(file.fileno(), row_bytes, offset + row * row_bytes)
            if len(data) != row_bytes:
                return None
            found[place] = np.frombuffer(data, dtype)
    return found
