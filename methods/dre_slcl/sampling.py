"""Which slides and tiles a step sees: fresh ones, and which stored ones stand beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from harness import BagSource
    from harness.api import Seeds

    Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Draw:
    """What a step works on.

    Attributes:
        step: number of the step in the stage, from 0 through all epochs.
        slides: positions of the slides in the bag source, (B,).
        fresh: per slide the tiles that are encoded now.
        stored: per slide the tiles that are read from the bank; never one of the fresh ones.
        tiles: the fresh tiles, slide by slide, (T, 3, H, W) uint8 on the CPU.
        seed: of what else is random in this step.
    """

    step: int
    slides: Rows
    fresh: tuple[Rows, ...]
    stored: tuple[Rows, ...]
    tiles: Tensor
    seed: int


def draw_tiles(count: int, fresh: int, stored: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Tiles to encode and tiles to read, without a tile in both.

    Args:
        count: tiles of the slide.
        fresh: tiles to encode; a slide that has fewer gives all of them, each once.
        stored: most tiles to read; they are drawn uniformly where there are more.
        rng: the generator of this slide and visit.
    """
    order = rng.permutation(count)
    split = min(fresh, count)
    return order[:split], order[split : split + stored]


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """Shuffled batches of slides with tiles freshly drawn at every visit; a function of (seed, epoch, step) alone.

    An epoch shows every slide once. Batches differ by one slide at most, so that none has a lack of negatives. Tiles
    are read ahead in a thread, which knows indices only: the bank is read by the step itself.

    Attributes:
        source: training bags of tiles.
        stage: name of the stage, part of every seed.
        seeds: the unit's seeds.
        batch_size: B, most slides per batch.
        fresh, stored: see :func:`draw_tiles`.
        ahead: batches read in the background.
    """

    source: BagSource
    stage: str
    seeds: Seeds
    batch_size: int
    fresh: int
    stored: int
    ahead: int = 2

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.source) // self.batch_size)

    def batches(self, epoch: int, start: int) -> Iterator[Draw]:
        """The batches of ``epoch`` from step ``start`` on."""
        order = self.seeds.numpy("order", self.stage, epoch).permutation(len(self.source))
        parts = np.array_split(order, self.steps)
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
            waiting: list[Future[Draw]] = []
            for step in range(start, self.steps):
                last = min(step + self.ahead + 1, self.steps)
                waiting += [
                    pool.submit(self._draw, epoch, later, parts[later]) for later in range(step + len(waiting), last)
                ]
                yield waiting.pop(0).result()

    def _draw(self, epoch: int, step: int, slides: Rows) -> Draw:
        pairs = [self._draw_tiles(epoch, int(slide)) for slide in slides]
        tiles = [self.source.read(int(slide), fresh) for slide, (fresh, _) in zip(slides, pairs, strict=True)]
        return Draw(
            step=epoch * self.steps + step,
            slides=slides,
            fresh=tuple(fresh for fresh, _ in pairs),
            stored=tuple(stored for _, stored in pairs),
            tiles=torch.cat(tiles),
            seed=self.seeds.seed("augment", self.stage, epoch, step),
        )

    def _draw_tiles(self, epoch: int, slide: int) -> tuple[Rows, Rows]:
        rng = self.seeds.numpy("sample", self.stage, epoch, self.source.ids[slide])
        return draw_tiles(self.source.count(slide), self.fresh, self.stored, rng)


def union(fresh: Tensor, stored: Tensor, n_fresh: Sequence[int], n_stored: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Fresh and stored features of every slide one behind the other.

    Args:
        fresh: (T, d), slide by slide.
        stored: (M, d), slide by slide.
        n_fresh, n_stored: rows per slide.

    Returns:
        (T + M, d), with gradient to ``fresh``, and offsets (B + 1,) int64 on the CPU.
    """
    pairs = zip(torch.split(fresh, list(n_fresh)), torch.split(stored, list(n_stored)), strict=True)
    offsets = torch.zeros(len(n_fresh) + 1, dtype=torch.int64)
    torch.cumsum(torch.tensor(n_fresh) + torch.tensor(n_stored), 0, out=offsets[1:])
    return torch.cat([part for pair in pairs for part in pair]), offsets
