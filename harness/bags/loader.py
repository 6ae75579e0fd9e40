"""Training batches: a function of (seed, epoch, step) alone, read ahead of the step that uses them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from harness.bags.packed import PackedBags, pack
from harness.bags.sampling import draw_balanced, draw_multi_scale, regions_of
from harness.bags.source import BagSource
from harness.core.errors import DataError
from harness.core.seeds import Seeds

CPU = torch.device("cpu")
NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Batch:
    """A training batch: packed bags and the seed of what is random about this step (augmentation).

    Attributes:
        bags: the bags of this step; with several devices, this one's part of them.
        seed: the seed of the step.
        first: how many tiles the other devices have before the first of these in the whole step.
        loss_weight: of these bags in a mean over the whole step: 1 on a single device.
    """

    bags: PackedBags
    seed: int
    first: int = 0
    loss_weight: float = 1.0


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
        located: give the batches coordinates.
        part: ``(rank, world)``: of every batch the bags of this of so many devices. A bag is never split.
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
    part: tuple[int, int] = (0, 1)
    located: bool = False

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return -(-len(self.source) // self.batch_size)

    def bags_in(self, step: int) -> int:
        """How many bags the batch of a step has, on all devices together."""
        return min(self.batch_size, len(self.source) - step * self.batch_size)

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

    def largest(self) -> Batch:
        """The batch with most tiles that can be drawn."""
        counts = np.array([self.source.count(bag) for bag in range(len(self.source))])
        first = np.argsort(-counts, kind="stable")[: self.batch_size]
        # Balanced draws may take the same bag again.
        bags = np.full(len(first), first[0]) if self.balanced else first
        return self._to_device(self._read(0, 0, bags))

    def _order(self, epoch: int) -> np.ndarray:
        rng = self.seeds.numpy("order", self.stage, epoch)
        if self.balanced and self.source.labels is not None:
            return draw_balanced(self.source.labels, rng)
        return rng.permutation(len(self.source))

    def _read(self, epoch: int, step: int, bags: np.ndarray) -> Batch:
        labels = self.source.labels
        if labels is None:
            raise ValueError("training bags must have labels")
        own, before, share = _dealt(bags, *self.part)
        packed = pack(
            [self._read_bag(epoch, int(bag)) for bag in own],
            torch.from_numpy(labels[own]),
            tuple(self.source.ids[bag] for bag in own),
            coords=[self._coords(epoch, int(bag)) for bag in own] if self.located else None,
            mpp=known_mpp(self.source) if self.located else None,
        )
        first = sum(self._size(epoch, int(bag)) for bag in before)
        return Batch(packed, self.seeds.seed("augment", self.stage, epoch, step), first, share)

    def _read_bag(self, epoch: int, bag: int) -> torch.Tensor:
        if self.source.kind == "features" and not self.tiles:
            return self.source.read(bag)
        return torch.cat([self.source.read(bag, rows, scale) for scale, rows in self._draws(epoch, bag)])

    def _coords(self, epoch: int, bag: int) -> torch.Tensor:
        """Positions of what :meth:`_read_bag` reads."""
        if self.source.kind == "features" and not self.tiles:
            return coords_of(self.source, bag)
        return torch.cat([coords_of(self.source, bag, scale)[rows] for scale, rows in self._draws(epoch, bag)])

    def _size(self, epoch: int, bag: int) -> int:
        """How many tiles of a bag another device reads."""
        if self.source.kind == "features" and not self.tiles:
            return self.source.count(bag)
        return sum(len(rows) for _, rows in self._draws(epoch, bag))

    def _draws(self, epoch: int, bag: int) -> list[tuple[int, np.ndarray]]:
        counts = [self.source.count(bag, scale) for scale in range(len(self.source.scales))]
        rng = self.seeds.numpy("sample", self.stage, epoch, self.source.ids[bag])
        regions = [
            regions_of(self.source.coords(bag, scale), count, self.divisions) if self.divisions and count else NONE
            for scale, count in enumerate(counts)
        ]
        return draw_multi_scale(counts, self.tiles, self.low_ratio, rng, regions=regions, divisions=self.divisions)

    def _to_device(self, batch: Batch) -> Batch:
        if self.device.type == "cpu":
            return batch
        return replace(batch, bags=batch.bags.pinned().to(self.device, non_blocking=True))


def coords_of(source: BagSource, bag: int, scale: int = 0) -> torch.Tensor:
    """Top-left corners of a bag's tiles in level-0 pixels, (n, 2) int64.

    Raises:
        DataError: nobody knows them.
    """
    found = source.coords(bag, scale)
    if found is None:
        raise DataError(
            f"the positions of the tiles of slide {source.ids[bag]} are not known, and the method needs them",
            place=f"slide {source.ids[bag]}",
            fix="give features with coordinates, or choose another method",
        )
    return torch.from_numpy(np.ascontiguousarray(found, np.int64))


def known_mpp(source: BagSource) -> float | None:
    """Microns per pixel of the finest tiles; None where unknown."""
    return source.scales[0].mpp or None


def _dealt(bags: np.ndarray, rank: int, world: int) -> tuple[np.ndarray, np.ndarray, float]:
    """This rank's bags of a step, those of the ranks before it, and the weight of its own in a mean over all.

    In the last step of an epoch there may be fewer bags than ranks. A rank without one takes that of another once more,
    with no weight: it has to take part in what all of them do together.
    """
    if world == 1:
        return bags, bags[:0], 1.0
    parts = np.array_split(bags, world)
    own = parts[rank]
    if not len(own):
        number = rank % len(bags)
        return bags[number : number + 1], bags[:number], 0.0
    return own, np.concatenate([bags[:0], *parts[:rank]]), len(own) / len(bags)
