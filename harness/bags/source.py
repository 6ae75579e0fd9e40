"""Bag sources: the only view of the data that a method gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from harness.slides.scale import Scale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.contract.card import InputKind

__all__ = ["BagSource", "Scale"]


class BagSource(ABC):
    """Some bags of one split part, in a fixed order.

    Attributes:
        kind: ``features`` (a bag is (n, D) float32) or ``tiles`` (a bag is (n, 3, H, W) uint8, RGB).
        ids: slide ids.
        labels: class index per bag, shape (n_bags,) int64; None for bags whose labels are sealed (test).
        scales: magnifications, the finest first; a single one for features.
        dim: feature width D; 0 for tiles.
    """

    kind: InputKind
    ids: tuple[str, ...]
    labels: NDArray[np.int64] | None
    scales: tuple[Scale, ...]
    dim: int

    def __len__(self) -> int:
        return len(self.ids)

    @abstractmethod
    def count(self, bag: int, scale: int = 0) -> int:
        """Number of tiles of bag number ``bag`` at ``scales[scale]``."""

    @abstractmethod
    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """Tiles of a bag on the CPU: (n, D) float32 or (n, 3, H, W) uint8.

        Args:
            bag: position in ``ids``.
            rows: which tiles, in which order (repeats allowed); None for all.
            scale: position in ``scales``.
        """

    @abstractmethod
    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corner of every tile in level-0 pixels, shape (n, 2) as (x, y); None where unknown."""
