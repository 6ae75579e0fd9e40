"""Which tiles of a slide a training step sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def draw_rows(count: int, wanted: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``wanted`` tiles of ``count``: uniformly without replacement; if there are fewer, all and random repeats."""
    if wanted <= count:
        return rng.permutation(count)[:wanted]
    return np.concatenate([rng.permutation(count), rng.integers(0, count, wanted - count)])


def regions_of(coords: NDArray[np.int64] | None, count: int, divisions: int) -> NDArray[np.int64]:
    """The region that each tile of a slide lies in, (count,), numbered 0 to divisions² - 1.

    The box around the tiles is cut into ``divisions`` × ``divisions`` equal rectangles. Where positions are unknown,
    the tiles are laid out in a square in the order in which they come, and that square is cut (which is what the
    published code of ABMILX does with its tile list).

    Args:
        coords: top-left corners, (count, 2) as (x, y); None where unknown.
        count: number of tiles.
        divisions: regions along each side.
    """
    if coords is None:
        coords = np.stack(np.divmod(np.arange(count), math.isqrt(max(count - 1, 0)) + 1), 1)
    start, extent = coords.min(0), np.ptp(coords, 0) + 1
    columns, rows = ((coords - start) * divisions // extent).T
    cells: NDArray[np.int64] = rows * divisions + columns
    return cells


def draw_by_region(
    regions: NDArray[np.int64], wanted: int, divisions: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """``wanted`` tiles, as many from each region: the region-stratified sampling of ABMILX's ablation.

    Every one of the divisions² regions gives ``wanted // divisions²`` tiles, drawn uniformly without replacement, or
    all it has; what is missing then is drawn uniformly from all tiles that are left, and if there are none left, from
    all with repeats.

    Args:
        regions: region of each tile, (n,), see :func:`regions_of`.
        wanted: how many tiles.
        divisions: regions along each side.
        rng: the generator of this slide and visit.
    """
    order = rng.permutation(len(regions))
    by_region = order[np.argsort(regions[order], kind="stable")]
    _, starts, sizes = np.unique(regions[by_region], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    first = rank < wanted // divisions**2
    rest = rng.permutation(by_region[~first])
    drawn = np.concatenate([by_region[first], rest])[:wanted]
    return np.concatenate([drawn, rng.integers(0, len(regions), wanted - len(drawn))])


def draw_balanced(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many bags as there are, drawn with replacement so that every class comes up equally often on average."""
    _, position, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    share = 1 / (len(sizes) * sizes[position])
    return rng.choice(len(labels), len(labels), p=share / share.sum())


def draw_multi_scale(
    counts: Sequence[int],
    tiles: int,
    low_ratio: int,
    rng: np.random.Generator,
    *,
    regions: Sequence[NDArray[np.int64]] = (),
    divisions: int = 0,
) -> list[tuple[int, NDArray[np.int64]]]:
    """Multi-scale random instance sampling of one slide (ABMILX, arXiv 2506.02408, section on MRIS).

    With two scales and ratio r, ``floor(tiles / r)`` tiles come from the coarse scale and the others from the fine
    one, each drawn uniformly without replacement; a scale that is short is topped up by random repeats, so that
    every slide has exactly ``tiles``. A slide that has no tiles at one scale gives all of them from the other.

    Args:
        counts: tiles per scale, the finest first.
        tiles: bag size s; 0 takes every tile of the finest scale.
        low_ratio: r; 0 or a single scale draws from the finest scale only.
        rng: the generator of this slide and visit.
        regions: region of every tile, per scale; with ``divisions`` each scale's share is drawn by region.
        divisions: regions along each side; 0 draws uniformly.

    Returns:
        (scale, rows) pairs, the coarse scale first.

    Raises:
        ValueError: the slide has no tiles.
    """
    if not any(counts):
        raise ValueError("the slide has no tiles")
    if tiles == 0:
        return [(0, np.arange(counts[0]))]
    low = tiles // low_ratio if low_ratio and len(counts) > 1 and counts[1] else 0
    high = tiles - low if counts[0] else 0
    shares = [(1, tiles - high), (0, high)] if len(counts) > 1 else [(0, high)]
    return [
        (
            scale,
            draw_by_region(regions[scale], share, divisions, rng)
            if divisions
            else draw_rows(counts[scale], share, rng),
        )
        for scale, share in shares
        if share
    ]
