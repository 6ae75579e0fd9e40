"""Decoded tiles of slides that several regions share, kept in memory up to a limit."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Key = tuple[object, ...]


class DecodedCache:
    """The tiles that were used last. Several threads may use it at the same time.

    Args:
        limit: bytes of decoded pixels.

    Attributes:
        size: bytes of the pixels that are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.size = 0
        self._tiles: OrderedDict[Key, NDArray[np.uint8]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> NDArray[np.uint8] | None:
        """The tile that was put there; None if it was not, or has made room."""
        with self._lock:
            if (tile := self._tiles.get(key)) is not None:
                self._tiles.move_to_end(key)
            return tile

    def put(self, key: Key, tile: NDArray[np.uint8]) -> None:
        """Keep a tile, which nobody may change any more."""
        with self._lock:
            if (old := self._tiles.pop(key, None)) is not None:
                self.size -= old.nbytes
            self._tiles[key] = tile
            self.size += tile.nbytes
            while self.size > self._limit:
                self.size -= self._tiles.popitem(last=False)[1].nbytes
