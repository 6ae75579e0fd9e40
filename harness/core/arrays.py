"""Arrays from ``.npz`` files that somebody else may have written: nothing is allocated that the file cannot hold."""

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
            if dtype.hasobject:
                raise ValueError(f"{member.filename[:80]} holds pickled objects")
            if start + math.prod(shape) * dtype.itemsize != member.file_size:
                raise ValueError(f"{member.filename[:80]} does not hold the array that it says")


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, type, and number of bytes before the values."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype, stream.tell()
