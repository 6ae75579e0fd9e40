"""Packed bags: all tiles of a batch in one tensor, with offsets. Nothing is ever padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedBags:
    """A batch of bags.

    Attributes:
        x: tiles of all bags one behind the other: (T, D) features or (T, 3, H, W) uint8 tiles.
        offsets: bag b is ``x[offsets[b]:offsets[b + 1]]``; shape (B + 1,) int64, **on the CPU**, so that cutting a
            bag out never waits for the GPU.
        labels: class index per bag, shape (B,) int64, or None.
        ids: slide ids, length B.
    """

    x: Tensor
    offsets: Tensor
    labels: Tensor | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device, *, non_blocking: bool = False) -> PackedBags:
        """The same batch with tiles and labels on ``device`` (offsets stay on the CPU)."""
        labels = None if self.labels is None else self.labels.to(device, non_blocking=non_blocking)
        return PackedBags(self.x.to(device, non_blocking=non_blocking), self.offsets, labels, self.ids)

    def with_x(self, x: Tensor) -> PackedBags:
        """The same bags with other tile values (tiles → their features); the number of rows must agree."""
        if len(x) != int(self.offsets[-1]):
            raise ValueError(f"{len(x)} rows for {int(self.offsets[-1])} tiles")
        return PackedBags(x, self.offsets, self.labels, self.ids)


def pack(bags: Sequence[Tensor], labels: Tensor | None = None, ids: tuple[str, ...] = ()) -> PackedBags:
    """Pack single bags, each (n_b, ...), into one batch.

    Raises:
        ValueError: a bag without tiles, or no bags.
    """
    if not bags:
        raise ValueError("no bags to pack")
    sizes = torch.tensor([len(bag) for bag in bags])
    if (empty := (sizes == 0).nonzero()).numel():
        number = int(empty[0])
        raise ValueError(f"bag {ids[number] if ids else number} has no tiles")
    offsets = torch.zeros(len(bags) + 1, dtype=torch.int64)
    torch.cumsum(sizes, 0, out=offsets[1:])
    return PackedBags(bags[0] if len(bags) == 1 else torch.cat(list(bags)), offsets, labels, ids)
