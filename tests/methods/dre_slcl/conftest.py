"""Small bags of tiles with reports, and runs in folders of their own."""

from __future__ import annotations

import numpy as np
import pytest

from harness import Classification
from harness.bags.tile_source import PatchReader, TileBags
from methods.dre_slcl import DreParams, DreSlcl

SMOKE = dict(DreSlcl.card.smoke.params)
WORDS = ("quiet tissue, nothing found", "bright carcinoma found in tissue")


@pytest.fixture
def make_bags():
    """A function that makes bags of 32-pixel tiles; positive ones hold bright tiles, and their reports say so."""

    def make(bags: int = 12, tiles: int = 9, *, first: int = 0, held_out: bool = False) -> TileBags:
        rng = np.random.default_rng(first)
        counts = [tiles + k % 3 for k in range(bags)]
        starts = np.concatenate([[0], np.cumsum(counts)])
        patches = rng.integers(60, 120, (int(starts[-1]), 32, 32, 3), dtype=np.uint8)
        labels = np.arange(bags) % 2
        for bag in np.flatnonzero(labels):
            patches[starts[bag] : starts[bag] + max(1, tiles // 3), :, ::2] += 100
        ids = [f"s{first + k}" for k in range(bags)]
        rows = {name: (int(starts[k]), int(starts[k + 1])) for k, name in enumerate(ids)}
        source = TileBags(ids, None if held_out else labels.astype(np.int64), PatchReader(patches, rows))
        if not held_out:
            source.reports = tuple(f"slide number {first + k}: {WORDS[k % 2]}" for k in range(bags))
            source.patients = tuple(ids)
        return source

    return make


@pytest.fixture
def make_method():
    """A function that makes the method with its smoke settings and changes to them."""

    def make(**params: object) -> DreSlcl:
        values = DreParams.build(SMOKE | params, place="test")
        return DreSlcl(values, Classification(("negative", "positive"), encoder="conv64"))

    return make
