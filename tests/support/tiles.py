"""Bags of random tiles of a given size, for tests of what they take."""

from __future__ import annotations

import numpy as np

from harness.bags.tile_source import PatchReader, TileBags


def tile_bags(sizes: tuple[int, ...], px: int) -> TileBags:
    """Bags ``b0``, ``b1`` ... with so many tiles each, of classes 0 and 1 in turn."""
    ends = np.cumsum(sizes)
    patches = np.random.default_rng(0).integers(0, 256, (int(ends[-1]), px, px, 3), dtype=np.uint8)
    ids = [f"b{k}" for k in range(len(sizes))]
    rows = {name: (int(end) - size, int(end)) for name, end, size in zip(ids, ends, sizes, strict=True)}
    return TileBags(ids, np.arange(len(sizes), dtype=np.int64) % 2, PatchReader(patches, rows))
