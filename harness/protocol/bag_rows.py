"""Rows that bags have in common, up to rounding: feature vectors that were stored at another precision still match.

Every row is projected on a few random directions and each coordinate is rounded (p-stable hashing: Datar, Immorlica,
Indyk and Mirrokni 2004, section 3). Rows that are nearly equal fall into the same cell, and cells are compared by a
64-bit number, so that 100,000 rows take seconds and no row is compared with every other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DIRECTIONS = 6
_CELL = 0.25
"""Side of a cell, as a fraction of the typical distance of a row from the mean."""
_SAMPLE = 256
_SEED = 20250101

Bag = Callable[[], "NDArray[Any]"]
"""Gives the rows of a bag, (n, D)."""


def shared_rows(bags: Sequence[Bag]) -> Iterator[tuple[int, int, float]]:
    """(i, j, share) of all pairs i < j with rows in common.

    Args:
        bags: give (n, D) each, the same D; asked for twice.

    Yields:
        ``share`` is the number of distinct rows in common over that of the smaller bag, 0 to 1. A row that a bag holds
        many times (blank tiles) counts once.
    """
    keys = _keys(bags)
    if not keys:
        return
    sizes = np.array([len(one) for one in keys])
    _, cells, filled = np.unique(np.concatenate(keys), return_inverse=True, return_counts=True)
    # All bags of each cell, one cell behind the other.
    holders = np.repeat(np.arange(len(keys)), sizes)[np.argsort(cells, kind="stable")]
    first = np.cumsum(filled) - filled
    for i, mine in enumerate(np.split(cells, np.cumsum(sizes)[:-1])):
        several = mine[filled[mine] > 1]
        beside = [holders[first[cell] : first[cell] + filled[cell]] for cell in several.tolist()]
        common = np.bincount(np.concatenate(beside), minlength=len(keys)) if beside else np.zeros(0, np.int64)
        for j in (np.flatnonzero(common[i + 1 :]) + i + 1).tolist():
            yield i, j, int(common[j]) / int(min(sizes[i], sizes[j]))


def _keys(bags: Sequence[Bag]) -> list[NDArray[np.uint64]]:
    """The distinct cells of each bag's rows, as sorted numbers."""
    sample = np.concatenate([_some(bag()) for bag in bags]) if bags else np.empty((0, 0))
    if not len(sample):
        return [np.empty(0, np.uint64) for _ in bags]
    centre = sample.mean(axis=0)
    spread = float(np.median(np.linalg.norm(sample - centre, axis=1))) or 1.0
    draws = np.random.default_rng(_SEED)
    directions = draws.normal(size=(sample.shape[1], _DIRECTIONS)) / (spread * _CELL)
    shift = draws.uniform(size=_DIRECTIONS)
    odd = draws.integers(1 << 62, size=_DIRECTIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)

    def keys(rows: NDArray[Any]) -> NDArray[np.uint64]:
        cells = np.floor((np.asarray(rows, np.float64) - centre) @ directions + shift).astype(np.int64)
        mixed = (cells.astype(np.uint64) * odd).sum(axis=1, dtype=np.uint64)  # wraps around, as it should
        return np.unique(mixed)

    return [keys(bag()) for bag in bags]


def _some(rows: NDArray[Any]) -> NDArray[np.float64]:
    """At most :data:`_SAMPLE` rows, evenly spread: enough for the mean and the spread."""
    return np.asarray(rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE], np.float64)
