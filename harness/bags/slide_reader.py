"""Tiles read from whole slides at the moment they are needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from harness.bags.source import Extent
from harness.core.errors import DataError
from harness.slides.index import SlideIndex
from harness.slides.reader import open_slide

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.bags.source import Scale
    from harness.slides.reader import SlideReader

_MAX_OPEN = 64


class SlideTiles:
    """Reads tiles of prepared slides through OpenSlide; at most 64 slides are open at a time.

    Args:
        indexes: slide id → index; all were made with the same scales.
        mpp: declared resolution of level 0, for files that do not say.
        workers: threads that decode tiles of one bag.
    """

    def __init__(self, indexes: Mapping[str, SlideIndex], *, mpp: float | None, workers: int) -> None:
        self.indexes = indexes
        self.scales: tuple[Scale, ...] = next(iter(indexes.values())).scales
        self._mpp = mpp
        self._workers = workers
        self._open: OrderedDict[str, SlideReader] = OrderedDict()
        self._lock = Lock()

    def count(self, slide: str, scale: int) -> int:
        """Number of tiles of a slide at a scale."""
        return len(self.indexes[slide].coords[scale])

    def coords(self, slide: str, scale: int) -> NDArray[np.int64]:
        """Top-left corners in level-0 pixels, (n, 2)."""
        return self.indexes[slide].coords[scale]

    def extent(self, slide: str) -> Extent:
        """Size of the slide and of its tiles."""
        index = self.indexes[slide]
        return Extent(index.width, index.height, index.sides)

    def overview(self, slide: str, side: int) -> NDArray[np.uint8]:
        """The whole slide squeezed into a square, (side, side, 3), RGB.

        Raises:
            DataError: the slide cannot be opened or read any more.
        """
        return self._reader(slide).overview(side, side)

    def read(self, slide: str, scale: int, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Tiles (n, H, W, 3), RGB.

        Raises:
            DataError: the slide cannot be opened or read any more.
        """
        wanted = self.scales[scale]
        index = self.indexes[slide]
        return self._reader(slide).read_tiles(
            index.coords[scale][rows],
            index.sides[scale],
            wanted.tile_px,
            workers=self._workers,
            resampler=index.resampler,
        )

    def renamed(self, names: Mapping[str, str]) -> SlideTiles:
        """The same slides under other ids."""
        indexes = {new: replace(self.indexes[old], slide=new) for old, new in names.items()}
        return SlideTiles(indexes, mpp=self._mpp, workers=self._workers)

    @property
    def files(self) -> tuple[Path, ...]:
        """The slides, and beside a slide the folder of its name where it has one (MIRAX)."""
        paths = [Path(index.path) for index in self.indexes.values()]
        return (*paths, *(path.with_suffix("") for path in paths if path.suffix.lower() == ".mrxs"))

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(SlideTiles, mpp=self._mpp, workers=self._workers), (self.indexes,)

    def _reader(self, slide: str) -> SlideReader:
        with self._lock:
            if slide in self._open:
                self._open.move_to_end(slide)
                return self._open[slide]
            path = Path(self.indexes[slide].path)
            if not path.exists():
                raise DataError(
                    f"slide {slide} has gone since it was prepared",
                    place=str(path),
                    fix="restore it, or run bench prepare DATASET",
                )
            self._open[slide] = open_slide(path, mpp=self._mpp)
            if len(self._open) > _MAX_OPEN:
                # Not closed here: another thread may still be reading from it; the last reference closes it.
                self._open.popitem(last=False)
            return self._open[slide]
