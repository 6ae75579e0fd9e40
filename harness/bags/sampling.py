"""Which tiles of a slide a training step sees."""

from __future__ import annotations

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


def draw_multi_scale(
    counts: Sequence[int], tiles: int, low_ratio: int, rng: np.random.Generator
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
    return [(scale, draw_rows(counts[scale], share, rng)) for scale, share in shares if share]
