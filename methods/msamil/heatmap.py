"""From weights of the kept tiles of all scales to one weight per tile of the finest scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def fine_weights(
    weights: Sequence[NDArray[np.float32]],
    rows: Sequence[NDArray[np.int64]],
    coords: Sequence[NDArray[np.int64] | None],
    sides: Sequence[int],
    count: int,
) -> NDArray[np.float32]:
    """Weight of every tile of the finest scale; a tile that was not kept has none of its own.

    The weight of a coarse tile is shared equally by the fine tiles whose middle it holds. What lies below no fine tile
    is lost, and the others are scaled up to a sum of one; if all is lost, all fine tiles weigh the same.

    Args:
        weights: per scale, weights of the kept tiles.
        rows: per scale, which tiles these are.
        coords: per scale, corners (x, y) of all tiles, (n, 2); None where places are unknown, and coarse weights are
            then left out.
        sides: per scale, side of a tile in level-0 pixels.
        count: number of tiles at the finest scale.

    Returns:
        (count,) float32, summing to one; empty without fine tiles.
    """
    fine = np.zeros(count, np.float64)
    fine[rows[0]] = weights[0]
    finest = coords[0]
    for scale in range(1, len(rows)):
        corners = coords[scale]
        if finest is None or corners is None:
            continue
        middles = finest + sides[0] / 2
        for corner, weight in zip(corners[rows[scale]], weights[scale], strict=True):
            inside = ((middles >= corner) & (middles < corner + sides[scale])).all(1)
            if inside.any():
                fine[inside] += weight / inside.sum()
    total = fine.sum()
    even = np.full(count, 1 / max(count, 1))
    return (fine / total if total > 0 else even).astype(np.float32)
