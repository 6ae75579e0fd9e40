"""Arrays from ``.npz`` and ``.npy`` files that somebody else may have written.

Nothing is allocated that the file cannot hold.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.core.reading import check_expansion, open_regular

_MOST_MEMBERS = 100_000
_CANNOT_READ = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, SyntaxError, OverflowError)


_EXPONENTS: dict[int, np.uint16 | np.uint32] = {2: np.uint16(0x7C00), 4: np.uint32(0x7F800000)}
_BLOCK = 1 << 17
"""Numbers looked at together: what is computed of them stays in the processor's cache."""


def all_finite(values: NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite.

    Of float16 and float32 the bits of the exponent are looked at, several times as fast as ``numpy.isfinite``: all of
    them are set where a number is not finite (IEEE 754, 3.4).
    """
    exponent = _EXPONENTS.get(values.dtype.itemsize)
    if values.dtype.kind != "f" or exponent is None or not (values.flags.c_contiguous and values.dtype.isnative):
        return bool(np.isfinite(values).all())
    bits = values.reshape(-1).view(exponent.dtype)
    blocks = (bits[start : start + _BLOCK] for start in range(0, len(bits), _BLOCK))
    return not any(bool(((block & exponent) == exponent).any()) for block in blocks)


def read_npz(path: Path, names: Collection[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays in a ``.npz`` file by name.

    Args:
        path: the file.
        names: the arrays that are wanted; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is no regular file, or unpacks to far more than real data does.
        ValueError: it is no ``.npz`` file, damaged, holds pickled objects, or does not fit into memory.
        KeyError: an array is missing.
    """
    # Opened here, because NumPy leaves the file open when it is no archive.
    with open_regular(path) as file:
        try:
            _check(file, path.stat().st_size)
            file.seek(0)
            with np.load(file, allow_pickle=False) as content:
                return {name: content[name] for name in (content.files if names is None else names)}
        except _CANNOT_READ as error:
            raise ValueError(str(error) or type(error).__name__) from error
        except MemoryError:
            raise ValueError("it does not fit into memory") from None


def read_npy(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """The array in a ``.npy`` file.

    Args:
        path: the file.
        mapped: leave the values in the file (``numpy.memmap``, read-only).

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is no regular file.
        ValueError: it is no ``.npy`` file, damaged, holds pickled objects, has another size than its header says, or
            does not fit into memory.
    """
    with open_regular(path) as file:
        try:
            shape, dtype, start = _header(file)
        except _CANNOT_READ as error:
            raise ValueError(str(error) or type(error).__name__) from error
    _check_header(path.name, shape, dtype, start, path.stat().st_size)
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except MemoryError:
        raise ValueError("it does not fit into memory") from None
    return array


def _check_header(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], start: int, size: int) -> None:
    """Refuse a file of ``size`` bytes that is not the header and the values that the header announces."""
    if dtype.hasobject:
        raise ValueError(f"{name[:80]} holds pickled objects")
    if start + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{name[:80]} does not hold the array that it says")


def _check(file: BinaryIO, size: int) -> None:
    """Refuse an archive whose arrays claim more than it holds, before any of them is read."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"it holds {len(members):,} files")
        check_expansion(sum(member.file_size for member in members), size)
        for member in members:
            with archive.open(member) as stream:
                shape, dtype, start = _header(stream)
            _check_header(member.filename, shape, dtype, start, member.file_size)


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type, and number of bytes before the values."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype, stream.tell()
