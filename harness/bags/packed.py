"""Packed bags: all tiles of a batch in one tensor, with offsets. Nothing is ever padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
        coords: top-left corner of every tile in level-0 pixels as (x, y), shape (T, 2) int64; None for a method whose
            card does not ask for ``coordinates``.
        mpp: microns per pixel of the tiles; None where unknown, or for such a method.
    """

    x: Tensor
    offsets: Tensor
    labels: Tensor | None = None
    ids: tuple[str, ...] = ()
    coords: Tensor | None = None
    mpp: float | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device, *, non_blocking: bool = False) -> PackedBags:
        """The same batch with tiles, labels and coordinates on ``device`` (offsets stay on the CPU)."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pinned(self) -> PackedBags:
        """The same batch in page-locked memory, from where copies to a GPU run in the background."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> PackedBags:
        labels, coords = (None if one is None else change(one) for one in (self.labels, self.coords))
        return replace(self, x=change(self.x), labels=labels, coords=coords)

    def with_x(self, x: Tensor) -> PackedBags:
        """The same bags with other tile values (tiles → their features); the number of rows must agree."""
        if len(x) != int(self.offsets[-1]):
            raise ValueError(f"{len(x)} rows for {int(self.offsets[-1])} tiles")
        return replace(self, x=x)

    def taken(self, rows: Sequence[Tensor]) -> PackedBags:
        """The same bags with some of their tiles: per bag which, in which order."""
        sizes = self.offsets.diff().tolist()
        parts = [part[chosen] for part, chosen in zip(torch.split(self.x, sizes), rows, strict=True)]
        coords = None
        if self.coords is not None:
            places = torch.split(self.coords, sizes)
            coords = [part[chosen] for part, chosen in zip(places, rows, strict=True)]
        return pack(parts, self.labels, self.ids, coords=coords, mpp=self.mpp)


def pack(
    bags: Sequence[Tensor],
    labels: Tensor | None = None,
    ids: tuple[str, ...] = (),
    *,
    coords: Sequence[Tensor] | None = None,
    mpp: float | None = None,
) -> PackedBags:
    """Pack single bags, each (n_b, ...), into one batch; ``coords`` are (n_b, 2) each.

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
    places = None if coords is None else _joined(coords)
    return PackedBags(_joined(bags), offsets, labels, ids, places, mpp)


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
