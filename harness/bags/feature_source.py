"""Bags of feature vectors, from any store that answers one slide at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.bags.source import BagSource, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Normaliser:
    """Column-wise standardisation: ``(x - mean) / (std + 1e-6)``."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def fit(cls, bags: Sequence[NDArray[np.float32]]) -> Normaliser:
        """Statistics over all instances of ``bags``, each (n, D)."""
        instances = np.concatenate(bags).astype(np.float64)
        return cls(instances.mean(0), instances.std(0))

    def __call__(self, bag: NDArray[np.float32]) -> NDArray[np.float32]:
        """``bag`` (n, D), standardised."""
        return ((bag - self.mean) / (self.std + 1e-6)).astype(np.float32)


class FeatureBags(BagSource):
    """Bags of features.

    Args:
        ids: slide ids.
        labels: (n_bags,) int64, or None when sealed.
        bag_of: slide id → (n, D) array.
        dim: D.
        coords_of: slide id → (n, 2) level-0 top-left corners, or None where unknown.
        scale: the magnification the features were made at.
        normaliser: applied to every bag that is read.
    """

    kind = "features"

    def __init__(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64] | None,
        bag_of: Callable[[str], NDArray[np.float32]],
        dim: int,
        *,
        coords_of: Callable[[str], NDArray[np.int64] | None] | None = None,
        scale: Scale = Scale(0.0, 0),  # noqa: B008 (frozen)
        normaliser: Normaliser | None = None,
    ) -> None:
        self.ids = tuple(ids)
        self.labels = labels
        self.dim = dim
        self.scales = (scale,)
        self._bag_of = bag_of
        self._coords_of = coords_of
        self._normaliser = normaliser

    def count(self, bag: int, scale: int = 0) -> int:
        """Number of instances of a bag."""
        return len(self._bag_of(self.ids[bag]))

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """Features of a bag: (n, D) float32 on the CPU."""
        import torch

        values = self._bag_of(self.ids[bag])
        values = values if rows is None else values[rows]
        if self._normaliser is not None:
            values = self._normaliser(values)
        return torch.from_numpy(np.array(values, dtype=np.float32))

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corners in level-0 pixels, where the store knows them."""
        return self._coords_of(self.ids[bag]) if self._coords_of else None
