"""Single tiles of all training slides, with the teacher's features of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness import BagSource, Run


@dataclass(frozen=True)
class TileBatch:
    """Tiles of any slides.

    Attributes:
        tiles: (n, 3, H, W) uint8.
        features: (n, D) float32, B_t of the same tiles as they are.
        seed: of the augmentation.
    """

    tiles: Tensor
    features: Tensor
    seed: int

    def to(self, device: torch.device) -> TileBatch:
        """The batch on ``device``."""
        return TileBatch(self.tiles.to(device), self.features.to(device), self.seed)


class TilePool:
    """The tiles of some slides as one numbered row.

    Args:
        tiles: tile bags; their finest scale is used.
        features: features of the same bags, tile by tile.

    Raises:
        ValueError: the two do not belong together.
    """

    def __init__(self, tiles: BagSource, features: BagSource) -> None:
        counts = [tiles.count(bag) for bag in range(len(tiles))]
        if tiles.ids != features.ids or counts != [features.count(bag) for bag in range(len(features))]:
            raise ValueError("tiles and features are of different bags")
        self._tiles, self._features = tiles, features
        self._starts = np.concatenate([[0], np.cumsum(counts)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, numbers: NDArray[np.int64], seed: int) -> TileBatch:
        """Tiles by number (each below ``len(self)``), in rising order."""
        numbers = np.sort(numbers)
        bags = np.searchsorted(self._starts, numbers, side="right") - 1
        parts = [(int(bag), numbers[bags == bag] - self._starts[bag]) for bag in np.unique(bags)]
        tiles = torch.cat([self._tiles.read(bag, rows) for bag, rows in parts])
        features = torch.cat([self._features.read(bag, rows) for bag, rows in parts])
        return TileBatch(tiles, features, seed)


@dataclass(frozen=True)
class TileLoader:
    """Batches drawn uniformly from a pool: every tile once, in random order, before any comes again.

    A batch is a function of (seed, step) alone. The rest of a pass that does not fill a batch is left out; a pool
    smaller than a batch is one batch.

    Attributes:
        pool: tiles of the training slides.
        stage: part of every seed.
        run: gives seeds and device.
        batch: tiles per batch.
        steps: batches per epoch of the stage.
    """

    pool: TilePool
    stage: str
    run: Run
    batch: int
    steps: int

    def __call__(self, epoch: int, start: int) -> Iterator[TileBatch]:
        """The batches of ``epoch`` from step ``start`` on, one of them read ahead."""
        first, end = epoch * self.steps + start, (epoch + 1) * self.steps
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
            chosen = self._chosen(first, end)
            waiting = [reader.submit(self.pool.read, *draw) for draw in (next(chosen, None),) if draw]
            while waiting:
                waiting += [reader.submit(self.pool.read, *draw) for draw in (next(chosen, None),) if draw]
                yield waiting.pop(0).result().to(self.run.device)

    def _chosen(self, first: int, end: int) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Tile numbers and augmentation seed of each step."""
        per_pass = max(1, len(self.pool) // self.batch)
        order, known = np.empty(0, np.int64), -1
        for step in range(first, end):
            turn, place = divmod(step, per_pass)
            if turn != known:
                order, known = self.run.seeds.numpy("order", self.stage, turn).permutation(len(self.pool)), turn
            rows = order[place * self.batch : (place + 1) * self.batch]
            yield rows, self.run.seeds.seed("augment", self.stage, step)
