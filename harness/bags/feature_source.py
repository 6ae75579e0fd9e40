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


_TOGETHER = 1 << 26
"""So many numbers (512 MB) are held together for their statistics."""


@dataclass(frozen=True)
class Normaliser:
    """Column-wise standardisation: ``(x - mean) / (std + 1e-6)``."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def fit(cls, bags: Sequence[Callable[[], NDArray[np.float32]]]) -> Normaliser:
        """Statistics over all instances of ``bags``, each gives (n, D).

        Where they are many, the bags are read twice, one after the other, instead of being held together.
        """
        first, numbers = [], 0
        for bag in bags:
            first.append(bag())
            numbers += first[-1].size
            if numbers > _TOGETHER:
                return cls(*_moments(bags))
        instances = np.concatenate(first).astype(np.float64)
        return cls(instances.mean(0), instances.std(0))

    def __call__(self, bag: NDArray[np.float32]) -> NDArray[np.float32]:
        """``bag`` (n, D), standardised."""
        return ((bag - self.mean) / (self.std + 1e-6)).astype(np.float32)


def _moments(bags: Sequence[Callable[[], NDArray[np.float32]]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of every column, (D,) each."""
    count, total = 0, np.zeros(())
    for bag in bags:
        rows = bag().astype(np.float64)
        count, total = count + len(rows), total + rows.sum(0)
    mean = total / count
    squares = np.zeros(())
    for bag in bags:
        squares = squares + ((bag().astype(np.float64) - mean) ** 2).sum(0)
    return mean, np.sqrt(squares / count)


class FeatureBags(BagSource):
    """Bags of features.

    Args:
        ids: slide ids.
        labels: (n_bags,) int64, or None when held out.
        bag_of: slide id → (n, D) array.
        dim: D.
        count_of: slide id → n; None reads the bag.
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
        count_of: Callable[[str], int] | None = None,
        coords_of: Callable[[str], NDArray[np.int64] | None] | None = None,
        scale: Scale = Scale(0.0, 0),  # noqa: B008 (frozen)
        normaliser: Normaliser | None = None,
    ) -> None:
        self.ids = tuple(ids)
        self.labels = labels
        self.dim = dim
        self.scales = (scale,)
        self._bag_of = bag_of
        self._count_of = count_of
        self._coords_of = coords_of
        self._normaliser = normaliser

    def count(self, bag: int, scale: int = 0) -> int:
        """Number of instances of a bag."""
        return len(self._bag_of(self.ids[bag])) if self._count_of is None else self._count_of(self.ids[bag])

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """Features of a bag: (n, D) float32 on the CPU."""
        import torch

        values = self._bag_of(self.ids[bag])
        values = values if rows is None else values[rows]
        if self._normaliser is not None:
            values = self._normaliser(values)
        if values.dtype == np.float16 and values.flags.writeable:
            return torch.from_numpy(values).float()  # several times as fast as NumPy
        return torch.from_numpy(np.array(values, dtype=np.float32))

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corners in level-0 pixels, where the store knows them."""
        return self._coords_of(self.ids[bag]) if self._coords_of else None
