"""Tiny bags of tiles and tiny stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.bags.source import BagSource, Scale
from harness.features.manifest import DType, FeatureKey, Header
from harness.features.store import FeatureStore
from harness.features.writer import FeatureWriter

KEY = FeatureKey("random:resnet18", "ab" * 32, 0.5, 64)


def header(dtype: DType = "float32", dim: int = 4, key: FeatureKey = KEY) -> Header:
    return Header(key, dim, dtype, "fp32", "0", {})


def rows(slide: str, tiles: int, dim: int = 4) -> NDArray[np.float32]:
    seed = int.from_bytes(slide.encode(), "big") % 2**32
    return np.random.default_rng(seed).normal(size=(tiles, dim)).astype(np.float32)


def write(folder: Path, slides: dict[str, int], **settings: object) -> None:
    """Write slides of the given sizes and finish the store."""
    with FeatureWriter(folder, header(**settings)) as writer:  # type: ignore[arg-type]
        for slide, tiles in slides.items():
            features = rows(slide, tiles, writer.header.dim)
            coords = np.arange(2 * tiles).reshape(-1, 2)
            writer.append(slide, features, coords, fingerprint=slide, seconds={"read": 1.0, "encode": 2.0})
        writer.finish()


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    write(tmp_path / "store", {"a": 3, "b": 5, "c": 2})
    return FeatureStore.open(tmp_path / "store")


class RandomTiles(BagSource):
    """Tiles that are a function of (slide, row). ``on_read`` is called before each read."""

    kind = "tiles"
    labels = None
    dim = 0

    def __init__(
        self, counts: dict[str, int], side: int = 32, on_read: Callable[[str], None] = lambda slide: None
    ) -> None:
        self.ids = tuple(counts)
        self.scales = (Scale(0.5, side),)
        self.counts = counts
        self.on_read = on_read
        self.shift = 0

    def count(self, bag: int, scale: int = 0) -> int:
        return self.counts[self.ids[bag]]

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        self.on_read(self.ids[bag])
        side = self.scales[scale].tile_px
        seed = int.from_bytes(self.ids[bag].encode(), "big") % 2**32
        tiles = np.random.default_rng(seed).integers(0, 256, (self.count(bag), 3, side, side), dtype=np.uint8)
        return torch.from_numpy(tiles if rows is None else tiles[rows])

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64]:
        return np.arange(2 * self.count(bag)).reshape(-1, 2) * 64 + self.shift
