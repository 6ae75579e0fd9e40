"""Students during a distillation, stored so that a bag model can evaluate each of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from harness import BagSource, TileEncoder
from harness.api import Scale

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


class Snapshots:
    """Weights of an embedder at every comparison with the teacher. As a stage's extra state it survives a kill.

    Args:
        folder: where they are kept.
        embedder: whose weights they are.
    """

    def __init__(self, folder: Path, embedder: TileEncoder) -> None:
        self._folder, self._embedder, self._count = folder, embedder, 0

    def take(self) -> None:
        """Keep the embedder as it is now."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(self._count)
        temporary = path.with_suffix(".tmp")
        torch.save(self._embedder.state_dict(), temporary)
        temporary.replace(path)
        self._count += 1

    def embedder(self, number: int) -> TileEncoder:
        """The embedder of snapshot ``number``, frozen and in evaluation mode."""
        found = copy.deepcopy(self._embedder)
        found.load_state_dict(torch.load(self._path(number), map_location="cpu", weights_only=True))
        found.requires_grad_(False).eval()
        return found

    def state_dict(self) -> dict[str, Any]:
        """How many were taken."""
        return {"count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to that many; later ones are written again."""
        self._count = int(state["count"])

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.pt"


class LaterBags(BagSource):
    """Feature bags that are made when the first of them is read: never, where what needs them is done already.

    Args:
        tiles: the bags that features will be of.
        dim: width of the features.
        make: makes them.
    """

    kind = "features"

    def __init__(self, tiles: BagSource, dim: int, make: Callable[[], BagSource]) -> None:
        self.ids, self.labels, self.dim = tiles.ids, tiles.labels, dim
        self.scales: tuple[Scale, ...] = tiles.scales[:1]
        self._make = make

    @cached_property
    def _made(self) -> BagSource:
        return self._make()

    def count(self, bag: int, scale: int = 0) -> int:
        """Number of tiles of a bag."""
        return self._made.count(bag)

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> torch.Tensor:
        """Features (n, D)."""
        return self._made.read(bag, rows)

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corners of the tiles."""
        return self._made.coords(bag)
