"""Arrays on disk that are shown, not read, and that travel to another process as their place alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class MappedArray:
    """A read-only, memory-mapped array.

    Attributes:
        path: the file.
        dtype: number type, as NumPy writes it: ``<f2``.
        shape: of the array.
        offset: bytes before the first number.
    """

    path: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, array: np.memmap[Any, Any]) -> MappedArray:
        """The array that ``array``, itself mapped from the start of its data, shows."""
        return cls(Path(str(array.filename)), array.dtype.str, array.shape, array.offset)

    @cached_property
    def values(self) -> NDArray[Any]:
        """The array, mapped on first use."""
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)
        return np.asarray(np.memmap(self.path, self.dtype, "r", self.offset, self.shape))

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Rows ``start`` to ``stop``, read into memory of their own.

        Pages of a mapping count as memory of the process for as long as they are cached, so that a process that has
        seen all bags would seem to hold them all.

        Raises:
            DataError: the file is cut short.
        """
        width = int(np.prod(self.shape[1:], dtype=np.int64))
        row_bytes = width * np.dtype(self.dtype).itemsize
        found = np.fromfile(self.path, self.dtype, (stop - start) * width, offset=self.offset + start * row_bytes)
        if len(found) != (stop - start) * width:
            raise DataError(
                "the file was cut short while it was read",
                place=str(self.path),
                fix=f"delete {self.path.parent}; the same command makes it again",
            )
        return found.reshape(stop - start, *self.shape[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        return MappedArray, (self.path, self.dtype, self.shape, self.offset)
