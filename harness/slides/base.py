"""The face of every slide reader: level-0 rectangles in, RGB arrays out."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.core.errors import DataError
from harness.datasets.reading_tiles import Resampler
from harness.slides.resolution import Resolution, find_resolution
from harness.slides.scale import wanted_factor

RGB = NDArray[np.uint8]

_PROBE = 64
_BLOCK = 2048
"""Side of the pieces, in pixels of the level read, in which an overview is put together."""


class NotThisFormatError(Exception):
    """The file is not of the format that the reader reads."""


class SlideReader(ABC):
    """An open slide. Reading is thread-safe; a pickled reader opens the slide again where it arrives.

    A reader of your own defines ``name``, ``suffixes``, a constructor ``(path, *, mpp=None)`` and :meth:`region`.

    Attributes:
        name: the registered name.
        suffixes: endings of the files that it opens, such as ``(".npz",)``; it is asked for these before the built-in
            readers, and they count as slides where folders are searched.
        version: raised when the pixels change; None stands for a hash of the source. It is part of the identity of what
            is read of the slides, and not used for built-in readers.
        path: what was opened.
        width: level-0 pixels across.
        height: level-0 pixels down.
        mpp: microns per pixel of level 0; None where unknown (see ``need_mpp``).
        mpp_source: where ``mpp`` comes from; empty where unknown.
        vendor: format, in OpenSlide's words; ``image/...`` for flat images.
        level_downsamples: downsample factor of every level, level 0 (1.0) first; infinite for what is no level.
        objective_power: magnification of the objective; None where unknown.
        resolution: ``mpp`` with its source and what there is to say about it.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int | None] = None

    path: Path
    width: int
    height: int
    vendor: str
    level_downsamples: tuple[float, ...]
    objective_power: float | None
    resolution: Resolution
    declared_mpp: float | None

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        downsamples: tuple[float, ...] = (1.0,),
        stated_mpp: float | None = None,
        mpp: float | None = None,
        vendor: str = "",
        objective_power: float | None = None,
    ) -> None:
        """Note what is known of a slide.

        Args:
            path: what was opened.
            size: width and height of level 0 in pixels.
            downsamples: of every level, level 0 first.
            stated_mpp: microns per pixel of level 0 that the file states; None where it does not.
            mpp: what was declared by the user, for a file that does not say.
            vendor: format; the reader's name if empty.
            objective_power: magnification of the objective; None where unknown.
        """
        self.path = path
        self.width, self.height = size
        self.level_downsamples = downsamples
        self.declared_mpp = mpp
        stated = {} if stated_mpp is None else {"openslide.mpp-x": str(stated_mpp), "openslide.mpp-y": str(stated_mpp)}
        self.resolution = find_resolution(stated, mpp, size)
        self.vendor = vendor or self.name
        self.objective_power = objective_power

    @classmethod
    def files(cls, path: Path) -> list[Path]:
        """Every file that holds content of the slide at ``path``, by name."""
        return [path]

    @property
    def mpp(self) -> float | None:
        """Microns per pixel of level 0; None where unknown."""
        return self.resolution.mpp

    @property
    def mpp_source(self) -> str:
        """Where ``mpp`` comes from; empty where unknown."""
        return self.resolution.source

    def need_mpp(self) -> float:
        """Microns per pixel of level 0.

        Raises:
            DataError: the slide does not say and nothing was declared; hints at ``--mpp``.
        """
        if self.resolution.mpp is None:
            fix = "give the microns per pixel of its level 0 with --mpp, or as source: {mpp: ...} in the dataset's card"
            if self.resolution.hint:
                fix += f" ({self.resolution.hint})"
            raise DataError(self.resolution.problem, place=str(self.path), fix=fix)
        return self.resolution.mpp

    @abstractmethod
    def region(self, x0: int, y0: int, level: int, width: int, height: int) -> Image.Image:
        """An RGB image of ``width`` by ``height`` pixels of ``level`` from the level-0 point (x0, y0).

        What lies outside of the slide is background. Several threads may call it at the same time.
        """

    def check(self) -> None:
        """Read a tile in the first, middle and last place of every level, and check that the file is whole.

        Raises:
            DataError: the slide opened but cannot be read.
        """
        for level, downsample in enumerate(self.level_downsamples):
            if not math.isfinite(downsample):
                continue
            width, height = max(1, int(self.width / downsample)), max(1, int(self.height / downsample))
            for part in (0.0, 0.5, 1.0):
                x, y = part * max(0, width - _PROBE), part * max(0, height - _PROBE)
                self.region(int(x * downsample), int(y * downsample), level, min(_PROBE, width), min(_PROBE, height))

    def read_region(self, x0: int, y0: int, side_x0: int, side_y0: int, out_w: int, out_h: int) -> RGB:
        """Read a rectangle at any resolution.

        It is read from the coarsest level that is not coarser than asked for, and resized with antialiasing where
        the sizes differ. What lies outside of the slide or was not scanned is background (white, unless the slide
        names its background colour).

        Args:
            x0: left edge in level-0 pixels.
            y0: top edge in level-0 pixels.
            side_x0: width in level-0 pixels.
            side_y0: height in level-0 pixels.
            out_w: width of the result in pixels.
            out_h: height of the result in pixels.

        Returns:
            RGB, uint8 (out_h, out_w, 3), writable.

        Raises:
            DataError: the slide cannot be read there.
        """
        result = np.empty((out_h, out_w, 3), np.uint8)
        self._read_into(result, x0, y0, side_x0, side_y0)
        return result

    def _read_into(self, out: RGB, x0: int, y0: int, side_x0: int, side_y0: int) -> None:
        """Fill ``out``, (H, W, 3), with a rectangle; see :meth:`read_region`."""
        out[:] = np.asarray(self._resized(x0, y0, side_x0, side_y0, out.shape[1], out.shape[0]))

    def _resized(self, x0: int, y0: int, side_x0: int, side_y0: int, out_w: int, out_h: int) -> Image.Image:
        level = self.level_for(side_x0, side_y0, out_w, out_h)
        width, height = self.level_size(level, side_x0, side_y0)
        image = self.region(x0, y0, level, width, height)
        if (width, height) == (out_w, out_h):
            return image
        return image.resize((out_w, out_h), Image.Resampling.BILINEAR)

    def _read_scaled(self, out: RGB, x0: int, y0: int, side_x0: int, side_y0: int) -> None:
        """The same by the resampler ``dct``."""
        raise NotImplementedError(f"the reader {self.name} has no resampler dct")

    def level_for(self, side_x0: int, side_y0: int, out_w: int, out_h: int) -> int:
        """The coarsest level that is fine enough to show ``side`` level-0 pixels as ``out`` pixels."""
        wanted = wanted_factor(side_x0, side_y0, out_w, out_h)
        best = 0
        for level, downsample in enumerate(self.level_downsamples):
            if self.level_downsamples[best] <= downsample <= wanted:
                best = level
        return best

    def level_size(self, level: int, side_x0: int, side_y0: int) -> tuple[int, int]:
        """Width and height in pixels of a level of a rectangle in level-0 pixels."""
        downsample = self.level_downsamples[level]
        return max(1, round(side_x0 / downsample)), max(1, round(side_y0 / downsample))

    def stored_tiles(self, level: int) -> tuple[int, int] | None:
        """Width and height of the tiles that the file stores of a level, in its pixels; None where it has none."""
        return None

    def resampler_for(self, asked: Resampler) -> Resampler:
        """What of ``asked`` the reader can do with this slide: ``level``, which all can, or ``dct``."""
        return "level"

    def read_tiles(
        self,
        coords: NDArray[np.int64],
        side_x0: int,
        tile_px: int,
        *,
        workers: int = 1,
        resampler: Resampler = "level",
    ) -> RGB:
        """Read square tiles, in the order asked for.

        Args:
            coords: (n, 2) level-0 top-left corners as (x, y), in any order, repeats allowed.
            side_x0: side of a tile in level-0 pixels.
            tile_px: side of the result in pixels.
            workers: threads that read at the same time.
            resampler: how tiles come to their size; one that :meth:`resampler_for` has named.

        Returns:
            RGB, uint8 (n, tile_px, tile_px, 3).

        Raises:
            DataError: the slide cannot be read there.
        """
        tiles = np.empty((len(coords), tile_px, tile_px, 3), np.uint8)
        read = self._read_scaled if resampler == "dct" else self._read_into

        def fill(rows: NDArray[np.intp]) -> None:
            for row in rows:
                x0, y0 = int(coords[row, 0]), int(coords[row, 1])
                read(tiles[row], x0, y0, side_x0, side_x0)

        # Neighbours share compressed tiles of the file: reading along the rows of the slide decodes each once.
        order = np.lexsort((coords[:, 0], coords[:, 1]))
        if workers <= 1 or len(coords) < 2:
            fill(order)
        else:
            # A pool per call costs a fraction of a tile's decoding, and leaves no threads behind for a fork to lose.
            with ThreadPoolExecutor(min(workers, len(coords))) as pool:
                list(pool.map(fill, np.array_split(order, min(workers, len(coords)))))
        return tiles

    def thumbnail(self, mpp: float) -> RGB:
        """The whole slide at about ``mpp`` microns per pixel: RGB, uint8 (H, W, 3).

        Raises:
            DataError: the slide has no resolution, or cannot be read.
        """
        factor = self.need_mpp() / mpp
        return self.overview(max(1, round(self.width * factor)), max(1, round(self.height * factor)))

    def overview(self, out_w: int, out_h: int) -> RGB:
        """The whole slide in ``out_w`` by ``out_h`` pixels, read in pieces: RGB, uint8 (out_h, out_w, 3).

        Raises:
            DataError: the slide cannot be read.
        """
        result = np.empty((out_h, out_w, 3), np.uint8)
        downsample = self.level_downsamples[self.level_for(self.width, self.height, out_w, out_h)]
        xs = _cuts(out_w, self.width / downsample)
        ys = _cuts(out_h, self.height / downsample)
        for top, bottom in itertools.pairwise(ys):
            y0, y1 = round(top * self.height / out_h), round(bottom * self.height / out_h)
            for left, right in itertools.pairwise(xs):
                x0, x1 = round(left * self.width / out_w), round(right * self.width / out_w)
                piece = self._resized(x0, y0, max(1, x1 - x0), max(1, y1 - y0), right - left, bottom - top)
                result[top:bottom, left:right] = np.asarray(piece)
        return result

    def close(self) -> None:  # noqa: B027 - a reader may hold nothing open
        """Close the file; reading afterwards is an error."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        # Opened again in the other process, as what it is here.
        return partial(type(self), mpp=self.declared_mpp), (self.path,)


def _cuts(out: int, source: float) -> list[int]:
    pieces = min(out, max(1, math.ceil(source / _BLOCK)))
    return [round(k * out / pieces) for k in range(pieces + 1)]
