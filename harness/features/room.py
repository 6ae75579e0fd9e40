"""Memory for the features of one slide that is used again for another one.

Fresh memory is given out by the system page by page, each filled with zeros first. How much that costs depends on how
much free memory lies in one piece: with plenty, no difference was measured.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

LEAST_BYTES = 1 << 20
"""Smaller arrays get memory of their own."""

_here = threading.local()


def empty(shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """An array with any content, as :func:`numpy.empty`; in the memory of the loan that the thread is in, if it is."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    loan: Loan | None = getattr(_here, "loan", None)
    if loan is None or size < LEAST_BYTES:
        return np.empty(shape, dtype)
    return loan.take(size)[:size].view(dtype).reshape(shape)


class Rooms:
    """What is free at the moment. It never holds more pieces than were lent at one time."""

    def __init__(self) -> None:
        self._free: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def loan(self) -> Loan:
        """Memory for one slide."""
        return Loan(self)

    def take(self, size: int) -> NDArray[np.uint8]:
        """The smallest free piece of at least ``size`` bytes; a new one in place of another where all are too small."""
        with self._lock:
            fitting = [number for number, piece in enumerate(self._free) if len(piece) >= size]
            if fitting:
                return self._free.pop(min(fitting, key=lambda number: len(self._free[number])))
            if self._free:
                self._free.pop()
        return np.empty(size, np.uint8)

    def give_back(self, pieces: Sequence[NDArray[np.uint8]]) -> None:
        """These are free again."""
        with self._lock:
            self._free.extend(pieces)


class Loan:
    """The memory of one slide. As a context, it is where :func:`empty` takes memory from in this thread."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._taken: list[NDArray[np.uint8]] = []

    def __enter__(self) -> Self:
        _here.loan = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.loan = None

    def take(self, size: int) -> NDArray[np.uint8]:
        """At least ``size`` bytes, until the loan ends."""
        self._taken.append(self._rooms.take(size))
        return self._taken[-1]

    def end(self) -> None:
        """Nobody looks at the arrays any more."""
        taken, self._taken = self._taken, []
        self._rooms.give_back(taken)
