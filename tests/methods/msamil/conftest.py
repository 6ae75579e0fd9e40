"""Drawn slides with lesions, and small settings of the method."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness import BagSource, Classification, Scale
from harness.bags.source import Extent
from methods.msamil import MsaMIL

SIDE, TILE = 128, 32
SMALL = {
    "thumbnail_px": 32,
    "seg_encoder": "resnet18",
    "seg_depth": 3,
    "seg_width": 8,
    "seg_batch_size": 2,
    "seg_lr": 3e-3,
    "seg_epochs": 4,
    "seg_patience": None,
    "width": 64,
    "token_layers": 1,
    "token_heads": 2,
    "mhe_layers": 1,
    "mhe_heads": 2,
    "rank": 8,
    "tiles_per_step": 8,
    "lr": 1e-3,
    "trunk_lr": 1e-3,
    "epochs": 2,
    "warmup_epochs": 0,
    "accumulate": 2,
    "encode_chunk": 3,
    "bn_calibration": 16,
}


class Slides(BagSource):
    """Pink slides of 128 pixels, tiles of 32 at three scales; positive ones have a dark square lesion.

    ``asked`` lists the masks that were asked for.
    """

    kind = "tiles"
    dim = 0
    scales = (Scale(0.5, TILE), Scale(1.0, TILE), Scale(2.0, TILE))

    def __init__(
        self, count: int, seed: int, *, held_out: bool = False, masks: bool = True, known: bool = True
    ) -> None:
        rng = np.random.default_rng(seed)
        labels = np.arange(count) % 2
        self.ids = tuple(f"s{seed}_{k}" for k in range(count))
        self.labels = None if held_out else labels.astype(np.int64)
        self.masks, self.known, self.asked = masks and not held_out, known, []
        self.images, self.lesions = [], []
        for label in labels:
            image = rng.normal((225, 170, 200), 10, (SIDE, SIDE, 3))
            lesion = np.zeros((SIDE, SIDE), bool)
            if label:
                top, left = rng.integers(0, SIDE // 2, 2)
                lesion[top : top + SIDE // 2, left : left + SIDE // 2] = True
                image[lesion] -= (90, 70, 20)
            self.images.append(image.clip(0, 255).astype(np.uint8))
            self.lesions.append(lesion)
        sides = [TILE * 2**k for k in range(3)]
        grids = [np.stack(np.divmod(np.arange((SIDE // side) ** 2), SIDE // side), 1)[:, ::-1] * side for side in sides]
        # Shuffled and thinned, so that nothing can rely on a full grid in its order.
        self.grids = [
            [grid[rng.permutation(len(grid))[: max(1, len(grid) - 3)]].astype(np.int64) for grid in grids]
            for _ in labels
        ]

    def count(self, bag, scale=0):
        return len(self.grids[bag][scale])

    def read(self, bag, rows=None, scale=0):
        step = 2**scale
        corners = self.grids[bag][scale] if rows is None else self.grids[bag][scale][rows]
        side = TILE * step
        tiles = [self.images[bag][y : y + side : step, x : x + side : step] for x, y in corners]
        return torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)

    def coords(self, bag, scale=0):
        return self.grids[bag][scale] if self.known else None

    def extent(self, bag):
        return Extent(SIDE, SIDE, (TILE, 2 * TILE, 4 * TILE)) if self.known else None

    def thumbnail(self, bag, side):
        return torch.from_numpy(self.images[bag][:: SIDE // side, :: SIDE // side].copy()).permute(2, 0, 1)

    def mask(self, bag, side):
        self.asked.append(self.ids[bag])
        return self.lesions[bag][:: SIDE // side, :: SIDE // side] if self.masks else None

    def shuffled(self, seed):
        """The same slides with the tiles of every scale in another order, and the order (bag, scale) → rows."""
        rng = np.random.default_rng(seed)
        other = object.__new__(Slides)
        other.__dict__ |= self.__dict__
        orders = [[rng.permutation(len(grid)) for grid in grids] for grids in self.grids]
        other.grids = [
            [grid[order] for grid, order in zip(grids, chosen, strict=True)]
            for grids, chosen in zip(self.grids, orders, strict=True)
        ]
        return other, orders

    def cut(self, keep):
        """The same slides with ``keep`` tiles of each scale."""
        other = object.__new__(Slides)
        other.__dict__ |= self.__dict__
        other.grids = [[grid[:n] for grid, n in zip(grids, keep, strict=True)] for grids in self.grids]
        return other


@pytest.fixture
def slides():
    """The class of drawn slides."""
    return Slides


@pytest.fixture
def make_params():
    """A function that makes small hyper-parameters."""
    return lambda **changes: MsaMIL.Params.build(SMALL | changes, place="test")


@pytest.fixture
def make_method(make_params):
    """A function that makes the method with small settings."""
    return lambda **changes: MsaMIL(make_params(**changes), Classification(("no", "yes"), encoder="conv64"))
