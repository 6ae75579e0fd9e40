"""A small picture of every patch, by which bags of patches are compared. Made once and kept beside the patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.arrays import read_npy
from harness.core.atomic import replacing
from harness.protocols.near_duplicates import Comparison, compare_bags

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.datasets.patches import Patches

_FILE = "looks.npy"
_GRID = 4
_BLOCK = 1024


def patch_thumbnails(tiles: NDArray[np.uint8], folder: Path | None = None) -> NDArray[Any]:
    """Mean colours of a 4 x 4 grid over each patch (of single pixels where it is smaller).

    Args:
        tiles: (N, H, W, 3).
        folder: where they are kept; None keeps them nowhere.

    Returns:
        (N, 48) uint8, or narrower.
    """
    path = None if folder is None else folder / _FILE
    if path is not None and (kept := _kept(path, len(tiles))) is not None:
        return kept
    looks = np.concatenate([_looks(tiles[start : start + _BLOCK]) for start in range(0, max(1, len(tiles)), _BLOCK)])
    if path is not None:
        with replacing(path) as temporary:
            np.save(temporary, looks, allow_pickle=False)
    return looks


def _kept(path: Path, count: int) -> NDArray[Any] | None:
    try:
        looks = read_npy(path)
    except (OSError, ValueError):
        return None
    return looks if looks.ndim == 2 and len(looks) == count and looks.dtype == np.uint8 else None


def _looks(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grid = min(_GRID, *tiles.shape[1:3])
    down, across = (np.linspace(0, side, grid + 1).round().astype(int) for side in tiles.shape[1:3])
    cells = [
        tiles[:, down[i] : down[i + 1], across[j] : across[j + 1]].mean(axis=(1, 2), dtype=np.float32)
        for i in range(grid)
        for j in range(grid)
    ]
    return np.stack(cells, axis=1).reshape(len(tiles), -1).round().astype(np.uint8)


def compare_patches(patches: Patches) -> Comparison:
    """Compare bags of patches by the small pictures of their patches."""
    looks = patch_thumbnails(patches.tiles, patches.folder)

    def bag(slide: str) -> NDArray[Any]:
        start, stop = patches.rows[slide]
        return looks[start:stop]

    return compare_bags(patches.slides, bag)
