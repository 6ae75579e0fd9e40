"""TIFF and SVS slides whose tiles are decoded from their own bytes; what that cannot show goes through OpenSlide."""

from __future__ import annotations

import itertools
import math
import os
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.slides.base import NotThisFormatError, SlideReader
from harness.slides.decoded_cache import DecodedCache
from harness.slides.openslide_reader import OpenSlideReader
from harness.slides.tile_codecs import UndecodableError, decode_jpeg, decode_jpeg_2000, jpeg_stream
from harness.slides.tile_table import TileLevel, match, read_levels

RGB = NDArray[np.uint8]

CACHE_BYTES = 64 << 20
"""Decoded tiles that are kept for their neighbours, for all open slides of a process together."""

_WHOLE = 1e-6
_cache = DecodedCache(CACHE_BYTES)
_numbers = itertools.count()


class NotDirectError(NotThisFormatError):
    """The tiles of the slide cannot be decoded one by one; OpenSlide may know how to read it."""


class DirectReader(SlideReader):
    """A TIFF of JPEG tiles or an SVS; its pixels are those that OpenSlide shows.

    A region of whole pixels of a level that lies on stored tiles is put together from these: as many are decoded as it
    touches, one where it is a tile of the file. All else is read through OpenSlide: regions between pixels of a coarse
    level, over the edge, over tiles that are not stored, and tiles that do not decode, so that errors are OpenSlide's.
    """

    name = "direct"

    def __init__(self, path: Path, *, mpp: float | None = None) -> None:
        """Open ``path``.

        Raises:
            NotThisFormatError: its tiles cannot be decoded one by one, or OpenSlide does not read the file.
            DataError: a format of OpenSlide's, but broken, or not of 8-bit colours.
        """
        pages = read_levels(path)
        if not pages:
            raise NotDirectError
        slide = OpenSlideReader(path, mpp=mpp)
        self._levels = match(pages, slide.level_tiles())
        if not any(self._levels) or not _plain_grids(slide.vendor, self._levels):
            slide.close()
            raise NotDirectError
        self.path = path
        self.declared_mpp = mpp
        self.width, self.height = slide.width, slide.height
        self.level_downsamples = slide.level_downsamples
        self.vendor = slide.vendor
        self.resolution = slide.resolution
        self.objective_power = slide.objective_power
        self._slide = slide
        self._number = next(_numbers)
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._close_file = weakref.finalize(self, os.close, self._file)

    def region(self, x0: int, y0: int, level: int, width: int, height: int) -> Image.Image:
        """See ``SlideReader.region``."""
        pixels = np.empty((height, width, 3), np.uint8)
        if self._compose(x0, y0, level, pixels):
            return Image.fromarray(pixels)
        return self._through_openslide(x0, y0, level, width, height)

    def _through_openslide(self, x0: int, y0: int, level: int, width: int, height: int) -> Image.Image:
        return self._slide.region(x0, y0, level, width, height)

    def check(self) -> None:
        """See ``SlideReader.check``; through OpenSlide."""
        self._slide.check()

    def close(self) -> None:
        """Close the file."""
        self._close_file()
        self._slide.close()

    def _read_into(self, out: RGB, x0: int, y0: int, side_x0: int, side_y0: int) -> None:
        size = out.shape[1], out.shape[0]
        level = self.level_for(side_x0, side_y0, *size)
        whole = self.level_size(level, side_x0, side_y0) == size
        if not (whole and self._compose(x0, y0, level, out)):
            super()._read_into(out, x0, y0, side_x0, side_y0)

    def _compose(self, x0: int, y0: int, number: int, out: RGB) -> bool:
        """Fill ``out`` from the level-0 point (x0, y0) on; False where only OpenSlide can show it."""
        level, downsample = self._levels[number], self.level_downsamples[number]
        if level is None or not self._close_file.alive:
            return False
        x, y = _whole(x0 / downsample), _whole(y0 / downsample)
        if x is None or y is None or x + out.shape[1] > level.width or y + out.shape[0] > level.height:
            return False
        try:
            for column, row in _touched(level, x, y, out):
                self._paste(number, level, column, row, (x, y), out)
        except UndecodableError:
            return False
        return True

    def _paste(self, number: int, level: TileLevel, column: int, row: int, corner: tuple[int, int], out: RGB) -> None:
        """Copy into ``out``, whose top left pixel is ``corner``, what it shows of a tile."""
        left, top = column * level.tile_w - corner[0], row * level.tile_h - corner[1]
        index = row * level.columns + column
        if (left, top, *out.shape[:2]) == (0, 0, level.tile_h, level.tile_w) and out.flags.c_contiguous:
            self._decode(level, index, out)
            return
        key = (self._number, number, index)
        if (tile := _cache.get(key)) is None:
            tile = self._decode(level, index)
            _cache.put(key, tile)
        bottom, right = min(out.shape[0], top + level.tile_h), min(out.shape[1], left + level.tile_w)
        at_y, at_x = max(0, top), max(0, left)
        out[at_y:bottom, at_x:right] = tile[at_y - top : bottom - top, at_x - left : right - left]

    def _decode(self, level: TileLevel, index: int, out: RGB | None = None) -> RGB:
        place = level.ranges[index]
        length = int(place["length"])
        data = os.pread(self._file, length, int(place["offset"])) if length else b""
        if not length or len(data) < length:
            raise UndecodableError("not stored")
        if level.codec == "jpeg":
            return decode_jpeg(jpeg_stream(level.head, data), level.tile_h, level.tile_w, out)
        tile = decode_jpeg_2000(data, level.tile_h, level.tile_w)
        if out is not None:
            out[:] = tile
        return tile


def _plain_grids(vendor: str, levels: Sequence[TileLevel | None]) -> bool:
    """Whether OpenSlide shows the tiles of a level side by side as they are stored, without overlap or offsets.

    A tile that is missing from an SVS makes OpenSlide distrust those of coarser levels that were made from it.
    """
    complete = all(level is None or level.ranges["length"].all() for level in levels)
    return vendor == "generic-tiff" or (vendor == "aperio" and complete)


def _touched(level: TileLevel, x: int, y: int, out: RGB) -> Iterator[tuple[int, int]]:
    """Column and row of every tile that a region shows."""
    columns = range(x // level.tile_w, (x + out.shape[1] - 1) // level.tile_w + 1)
    rows = range(y // level.tile_h, (y + out.shape[0] - 1) // level.tile_h + 1)
    return ((column, row) for row in rows for column in columns)


def _whole(value: float) -> int | None:
    """The whole number that ``value`` stands for; None where it lies between two, or is negative."""
    nearest = math.floor(value + 0.5)
    return nearest if nearest >= 0 and abs(value - nearest) < _WHOLE else None
