"""Training batches: a function of (seed, epoch, step) alone, read ahead of the step that uses them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from harness.bags.packed import PackedBags, pack
from harness.bags.sampling import draw_balanced, draw_multi_scale, regions_of
from harness.bags.source import BagSource
from harness.seeds import Seeds

CPU = torch.device("cpu")
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Batch:
    """A training batch: packed bags and the seed of what is random about this step (augmentation)."""

    bags: PackedBags
    seed: int


@dataclass(frozen=True, kw_only=True)
class BagLoader:
    """Batches of shuffled bags with freshly drawn tiles at each visit.

    Attributes:
        source: labelled bags.
        stage: name of the stage, part of every seed.
        seeds: the unit's seeds.
        batch_size: bags per batch; the last batch of an epoch may be smaller.
        tiles: tiles drawn per bag; 0 for whole bags.
        low_ratio: share of the coarse scale, see :func:`harness.bags.sampling.draw_multi_scale`.
        divisions: draw tiles by region, with this many regions along each side of a slide; 0 draws uniformly.
        balanced: draw bags with replacement, every class equally often, instead of each bag once per epoch.
        device: where batches go.
        ahead: batches read in the background.
    """

    source: BagSource
    stage: str
    seeds: Seeds
    batch_size: int
    tiles: int = 0
    low_ratio: int = 0
    divisions: int = 0
    balanced: bool = False
    device: torch.device = CPU
    ahead: int = 2

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.source) // self.batch_size)

    def __call__(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches of ``epoch`` from step ``start`` on."""
        order = self._order(epoch)
        steps = range(start, self.steps)
        chosen = {step: order[step * self.batch_size : (step + 1) * self.batch_size] for step in steps}
        if self.source.kind == "features":
            for step in steps:
                yield self._to_device(self._read(epoch, step, chosen[step]))
            return
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
            waiting: list[Future[Batch]] = []
            for step in steps:
                waiting += [
                    pool.submit(self._read, epoch, next_step, chosen[next_step])
                    for next_step in range(step + len(waiting), min(step + self.ahead + 1, self.steps))
                ]
                yield self._to_device(waiting.pop(0).result())

    def _order(self, epoch: int) -> np.ndarray:
        rng = self.seeds.numpy("order", self.stage, epoch)
        if self.balanced and self.source.labels is not None:
            return draw_balanced(self.source.labels, rng)
        return rng.permutation(len(self.source))

    def _read(self, epoch: int, step: int, bags: np.ndarray) -> Batch:
        labels = self.source.labels
        if labels is None:
            raise ValueError("training bags must have labels")
        packed = pack(
            [self._read_bag(epoch, int(bag)) for bag in bags],
            torch.from_numpy(labels[bags]),
            tuple(self.source.ids[bag] for bag in bags),
        )
        return Batch(packed, self.seeds.seed("augment", self.stage, epoch, step))

    def _read_bag(self, epoch: int, bag: int) -> torch.Tensor:
        if self.source.kind == "features" and not self.tiles:
            return self.source.read(bag)
        counts = [self.source.count(bag, scale) for scale in range(len(self.source.scales))]
        rng = self.seeds.numpy("sample", self.stage, epoch, self.source.ids[bag])
        regions = [
            regions_of(self.source.coords(bag, scale), count, self.divisions) if self.divisions and count else NONE
            for scale, count in enumerate(counts)
        ]
        draws = draw_multi_scale(counts, self.tiles, self.low_ratio, rng, regions=regions, divisions=self.divisions)
        return torch.cat([self.source.read(bag, rows, scale) for scale, rows in draws])

    def _to_device(self, batch: Batch) -> Batch:
        if self.device.type == "cpu":
            return batch
        bags = batch.bags
        pinned = PackedBags(
            bags.x.pin_memory(), bags.offsets, None if bags.labels is None else bags.labels.pin_memory(), bags.ids
        )
        return Batch(pinned.to(self.device, non_blocking=True), batch.seed)
