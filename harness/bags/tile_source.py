"""Bags of image tiles: read from slides as they are drawn, or from patches that came cut out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.bags.mapped import MappedArray
from harness.bags.source import BagSource, Extent, Scale

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MaskOf = Callable[[str, int], "NDArray[np.bool_] | None"]
"""Slide id, side → lesion mask of the whole slide in a square, (side, side); None where unknown."""


class TileReader(Protocol):
    """Reads tiles of any slide of a dataset; one is shared by the training, validation and test bags."""

    scales: tuple[Scale, ...]

    def count(self, slide: str, scale: int) -> int:
        """Number of tiles of a slide at a scale."""

    def read(self, slide: str, scale: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Tiles (n, H, W, 3), RGB."""

    def coords(self, slide: str, scale: int) -> NDArray[np.int64] | None:
        """Top-left corners in level-0 pixels, (n, 2); None where unknown."""

    def extent(self, slide: str) -> Extent | None:
        """Size of the slide and of its tiles; None where there is no slide."""

    def overview(self, slide: str, side: int) -> NDArray[np.uint8] | None:
        """The whole slide squeezed into a square, (side, side, 3), RGB; None where there is no slide."""

    def renamed(self, names: Mapping[str, str]) -> TileReader:
        """A reader of the slides in ``names`` (id → new id) and of no others, under their new ids."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files and folders that tiles are read from."""


class TileBags(BagSource):
    """Bags of tiles of some slides.

    Args:
        ids: slide ids.
        labels: (n_bags,) int64, or None when held out.
        reader: reads the tiles.
        mask_of: the lesion masks of these slides; None where they are not to be seen.
    """

    kind = "tiles"
    dim = 0

    def __init__(
        self,
        ids: Sequence[str],
        labels: NDArray[np.int64] | None,
        reader: TileReader,
        *,
        mask_of: MaskOf | None = None,
    ) -> None:
        self.ids = tuple(ids)
        self.labels = labels
        self.scales = reader.scales
        self._reader = reader
        self._mask_of = mask_of

    def count(self, bag: int, scale: int = 0) -> int:
        """Number of tiles of a bag at a scale."""
        return self._reader.count(self.ids[bag], scale)

    def read(self, bag: int, rows: NDArray[np.int64] | None = None, scale: int = 0) -> Tensor:
        """Tiles of a bag: (n, 3, H, W) uint8 on the CPU, channels last in memory."""
        import torch

        wanted = np.arange(self.count(bag, scale)) if rows is None else rows
        tiles = self._reader.read(self.ids[bag], scale, wanted)
        return torch.from_numpy(tiles).permute(0, 3, 1, 2)

    def coords(self, bag: int, scale: int = 0) -> NDArray[np.int64] | None:
        """Top-left corners in level-0 pixels."""
        return self._reader.coords(self.ids[bag], scale)

    def extent(self, bag: int) -> Extent | None:
        """Size of the slide and of its tiles."""
        return self._reader.extent(self.ids[bag])

    def thumbnail(self, bag: int, side: int) -> Tensor | None:
        """The whole slide in a square: (3, side, side) uint8."""
        import torch

        picture = self._reader.overview(self.ids[bag], side)
        return None if picture is None else torch.from_numpy(picture).permute(2, 0, 1)

    def mask(self, bag: int, side: int) -> NDArray[np.bool_] | None:
        """The lesions of a slide in the same square: (side, side); None where unknown, not asked for, or held out."""
        return None if self._mask_of is None else self._mask_of(self.ids[bag], side)


class PatchReader:
    """Patches that came cut out, packed in one array.

    Args:
        patches: (N, H, W, 3) uint8, all bags one behind the other, in memory or on disk.
        rows: slide id → (start, stop) in ``patches``.
    """

    def __init__(self, patches: NDArray[np.uint8] | MappedArray, rows: Mapping[str, tuple[int, int]]) -> None:
        self._patches = patches
        self._rows = rows
        self.scales: tuple[Scale, ...] = (Scale(0.0, int(patches.shape[1])),)

    def count(self, slide: str, scale: int) -> int:
        """Number of patches of a bag."""
        start, stop = self._rows[slide]
        return stop - start

    def read(self, slide: str, scale: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Patches (n, H, W, 3)."""
        start, stop = self._rows[slide]
        patches = self._patches.values if isinstance(self._patches, MappedArray) else self._patches
        return np.array(patches[start:stop][rows])

    def coords(self, slide: str, scale: int) -> None:
        """Patches do not know where they were cut."""
        return

    def extent(self, slide: str) -> None:
        """Patches do not know what they were cut from."""
        return

    def overview(self, slide: str, side: int) -> None:
        """There is no slide."""
        return

    def renamed(self, names: Mapping[str, str]) -> PatchReader:
        """The same patches under other ids."""
        return PatchReader(self._patches, {new: self._rows[old] for old, new in names.items()})

    @property
    def files(self) -> tuple[Path, ...]:
        """The packed patches, where they are on disk."""
        return (self._patches.path,) if isinstance(self._patches, MappedArray) else ()


class CachingReader:
    """Keeps decoded tiles in memory while they fit, so that small datasets are decoded once.

    Whole (slide, scale) sets are admitted first come, first served until ``budget`` bytes are promised; nothing is
    evicted, hence what is read never depends on timing. Pages are only touched once a tile is decoded.

    Args:
        reader: decodes tiles.
        budget: bytes.
    """

    def __init__(self, reader: TileReader, budget: int) -> None:
        self.scales = reader.scales
        self._reader = reader
        self._budget = self._free = budget
        self._kept: dict[tuple[str, int], tuple[NDArray[np.uint8], NDArray[np.bool_]] | None] = {}
        self._lock = Lock()

    def count(self, slide: str, scale: int) -> int:
        """Number of tiles of a slide at a scale."""
        return self._reader.count(slide, scale)

    def coords(self, slide: str, scale: int) -> NDArray[np.int64] | None:
        """Top-left corners in level-0 pixels."""
        return self._reader.coords(slide, scale)

    def extent(self, slide: str) -> Extent | None:
        """Size of the slide and of its tiles."""
        return self._reader.extent(slide)

    def overview(self, slide: str, side: int) -> NDArray[np.uint8] | None:
        """The whole slide in a square."""
        return self._reader.overview(slide, side)

    def read(self, slide: str, scale: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Tiles (n, H, W, 3), decoded now or earlier."""
        key = (slide, scale)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._admit(slide, scale)
        kept = self._kept[key]
        if kept is None:
            return self._reader.read(slide, scale, rows)
        tiles, known = kept
        missing = np.unique(rows[~known[rows]])
        if len(missing):
            tiles[missing] = self._reader.read(slide, scale, missing)
            known[missing] = True
        return tiles[rows]

    def renamed(self, names: Mapping[str, str]) -> CachingReader:
        """The same tiles under other ids; what is decoded already is not taken along."""
        return CachingReader(self._reader.renamed(names), self._budget)

    @property
    def files(self) -> tuple[Path, ...]:
        """What the tiles are decoded from."""
        return self._reader.files

    def __reduce__(self) -> tuple[Any, ...]:
        return CachingReader, (self._reader, self._budget)

    def _admit(self, slide: str, scale: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]] | None:
        count, side = self.count(slide, scale), self.scales[scale].tile_px
        size = count * side * side * 3
        if size > self._free:
            return None
        self._free -= size
        return np.empty((count, side, side, 3), np.uint8), np.zeros(count, bool)
