"""The tile grid of a slide at a physical resolution, and which of its tiles hold tissue."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SAME_LEVEL = 0.01
_MOST_ENLARGEMENT = 1.2
_ROUNDING = 1e-9


def side_on_level0(tile_px: int, mpp: float, slide_mpp: float, level_downsamples: Sequence[float] = (1.0,)) -> int:
    """Side in level-0 pixels of a tile of ``tile_px`` pixels at ``mpp`` microns per pixel.

    Where a level of the slide is within one per cent of ``mpp``, the level's own pixels are taken: scanners are not
    calibrated better than that, and the tiles stay free of resampling.

    Args:
        tile_px: side of the tile in its own pixels.
        mpp: microns per pixel of the tile.
        slide_mpp: microns per pixel of level 0.
        level_downsamples: downsample factors of the slide's levels.
    """
    wanted = mpp / slide_mpp
    nearest = min(level_downsamples, key=lambda downsample: abs(downsample - wanted))
    factor = nearest if abs(nearest - wanted) <= _SAME_LEVEL * wanted else wanted
    return max(1, round(tile_px * factor))


def too_coarse(mpp: float, slide_mpp: float) -> bool:
    """Whether tiles at ``mpp`` would have to be blown up by more than a fifth from the slide's finest pixels."""
    return slide_mpp > mpp * _MOST_ENLARGEMENT


def tissue_fractions(mask: NDArray[np.bool_], width: int, height: int, side: int) -> NDArray[np.float64]:
    """Share of tissue in every whole tile of the grid that starts at the slide's top left corner.

    Exact for a mask whose pixels are rectangles of the slide: an integral image, read between its corners.

    Args:
        mask: tissue over the whole slide, (H, W); its pixels need not be a whole number of level-0 pixels.
        width: slide width in level-0 pixels.
        height: slide height in level-0 pixels.
        side: tile side in level-0 pixels.

    Returns:
        (rows, columns) of tiles; tiles that would reach over the edge are left out.
    """
    down, across = mask.shape[0] / height, mask.shape[1] / width
    ys, xs = np.arange(height // side + 1) * side, np.arange(width // side + 1) * side
    corners = corner_values(mask, ys, xs, down, across)
    area = np.diff(np.diff(corners, axis=0), axis=1)
    fractions: NDArray[np.float64] = area / (side * down * side * across)
    return fractions


def lay_grid(mask: NDArray[np.bool_], width: int, height: int, side: int, min_fraction: float) -> NDArray[np.int64]:
    """Top-left corners (x, y) in level-0 pixels of the tiles with at least ``min_fraction`` tissue, row by row.

    Returns:
        (n, 2) int64; n may be 0.
    """
    fractions = tissue_fractions(mask, width, height, side)
    rows, columns = np.nonzero(fractions >= min_fraction - _ROUNDING)
    return np.stack([columns, rows], axis=1).astype(np.int64) * side


def corner_values(
    mask: NDArray[np.bool_], ys: NDArray[np.int64], xs: NDArray[np.int64], down: float, across: float
) -> NDArray[np.float64]:
    """Tissue above and to the left of points of the slide, in pixels of the mask: an integral image.

    Args:
        mask: tissue over the whole slide.
        ys, xs: rows and columns of points, in level-0 pixels.
        down, across: pixels of the mask per level-0 pixel.

    Returns:
        (len(ys), len(xs)).
    """
    total = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.float64)
    np.cumsum(np.cumsum(mask, axis=0, dtype=np.float64), axis=1, out=total[1:, 1:])
    at_y, at_x = np.asarray(ys * down, np.float64), np.asarray(xs * across, np.float64)
    return _between(_between(total, at_y).T, at_x).T


def _between(table: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows of ``table`` at fractional positions, by linear interpolation."""
    floor = np.minimum(rows.astype(np.int64), len(table) - 2)
    share = (rows - floor)[:, None]
    result: NDArray[np.float64] = table[floor] * (1 - share) + table[floor + 1] * share
    return result
