"""Tile grids that are laid on the tiles that a slide's file stores, so that reading one decodes few of these."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.slides.grid import corner_values

_ROUNDING = 1e-9
_SLACK = 0.5
"""Sides are whole numbers of level-0 pixels, and tiles of coarse levels need not be."""


@dataclass(frozen=True)
class StoredTiles:
    """Width and height of the tiles that a file stores of a level, in level-0 pixels; not always whole numbers."""

    width: float
    height: float


def starts(length: int, side: int, stored: float) -> NDArray[np.int64]:
    """Where tiles of the grid start along one axis, in level-0 pixels.

    The axis is cut into blocks of as few stored tiles as hold a tile of the grid. From the start of each block on lie
    as many tiles of the grid as fit into it, so that none reaches into the next; there may be gaps between blocks.

    Args:
        length: of the slide.
        side: of a tile of the grid.
        stored: of a stored tile.
    """
    block = stored * max(1, math.ceil((side - _SLACK) / stored))
    fitting = max(1, int((block + _SLACK) // side))
    blocks = np.round(np.arange(math.ceil(length / block)) * block)
    found = (blocks[:, None] + np.arange(fitting) * side).ravel().astype(np.int64)
    return found[found + side <= length]


def lay_aligned(
    mask: NDArray[np.bool_], width: int, height: int, side: int, min_fraction: float, stored: StoredTiles
) -> NDArray[np.int64]:
    """Top-left corners of the tiles with at least ``min_fraction`` tissue; see :func:`harness.slides.grid.lay_grid`.

    Args:
        mask, width, height, side, min_fraction: see there.
        stored: the tiles of the level that is read.

    Returns:
        (n, 2) int64, row by row; n may be 0.
    """
    xs, ys = starts(width, side, stored.width), starts(height, side, stored.height)
    down, across = mask.shape[0] / height, mask.shape[1] / width
    first, last = (corner_values(mask, ys + shift, xs, down, across) for shift in (0, side))
    first_right, last_right = (corner_values(mask, ys + shift, xs + side, down, across) for shift in (0, side))
    fractions = (last_right - last - first_right + first) / (side * down * side * across)
    rows, columns = np.nonzero(fractions >= min_fraction - _ROUNDING)
    return np.stack([xs[columns], ys[rows]], axis=1).astype(np.int64)


def coverage(side: int, stored: StoredTiles) -> float:
    """Share of the slide that the grid covers."""
    across, down = (len(starts(_LONG, side, one)) * side / _LONG for one in (stored.width, stored.height))
    return across * down


_LONG = 1_000_000
