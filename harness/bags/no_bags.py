"""A source without bags: it says of what kind bags were, to build a network for them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.bags.source import BagSource, Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from harness.api.card import InputKind


class NoBags(BagSource):
    """No bags.

    Args:
        kind, dim, scales: of the bags that are meant.
    """

    def __init__(self, kind: InputKind, dim: int, scales: Sequence[Scale]) -> None:
        self.kind, self.dim, self.scales = kind, dim, tuple(scales)
        self.ids, self.labels = (), None

    def count(self, bag: int, scale: int = 0) -> int:
        """There is no bag."""
        raise IndexError(bag)

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """There is no bag."""
        raise IndexError(bag)

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """There is no bag."""
        raise IndexError(bag)
