"""``.npy`` and ``.npz`` files that somebody else wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.arrays import read_npz
from harness.features.formats.base import damaged
from harness.features.formats.h5file import check_magic

if TYPE_CHECKING:
    from numpy.typing import NDArray


def npy_array(path: Path) -> NDArray[Any]:
    """The array in an ``.npy`` file.

    Raises:
        DataError: it is damaged, cut short, or holds pickled objects.
    """
    check_magic(path, b"\x93NUMPY", "NumPy")
    try:
        shape, fortran, dtype, start = npy_header(path)
        if dtype.hasobject:
            raise damaged(path, "it holds pickled Python objects, which are not loaded: a pickle can run any program")
        count = int(np.prod(shape, dtype=np.int64)) if shape else 1
        have = path.stat().st_size - start
        if have < count * dtype.itemsize:
            raise damaged(path, f"it is cut short ({have:,} of {count * dtype.itemsize:,} bytes)")
        values = np.fromfile(path, dtype, count, offset=start)
    except (OSError, ValueError, MemoryError, OverflowError) as reason:
        raise damaged(path, reason) from reason
    return values.reshape(shape, order="F" if fortran else "C")


def npy_header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns come first, number type, and bytes before the values; raises ValueError."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if any(size < 0 for size in shape):
            raise ValueError(f"it has the shape {shape}")
        return shape, fortran, dtype, file.tell()


def npz_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in an ``.npz`` file by name.

    Raises:
        DataError: it is damaged, holds pickled objects, or unpacks to far more than its size.
    """
    check_magic(path, b"PK", "NumPy archive")
    try:
        return read_npz(path)
    except (OSError, ValueError, KeyError) as reason:
        raise damaged(path, getattr(reason, "strerror", None) or reason) from reason


def is_index(path: Path) -> bool:
    """Whether an ``.npz`` file belongs to another file of features: slideflow's tile index, slide2vec's coordinates."""
    name = path.name.lower()
    return name.endswith((".index.npz", ".coordinates.npz"))
