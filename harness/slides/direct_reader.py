"""TIFF and SVS slides whose tiles are decoded from their own bytes; what that cannot show goes through OpenSlide."""

from __future__ import annotations

import itertools
import math
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.datasets.reading_tiles import Resampler
from harness.slides.base import NotThisFormatError, SlideReader
from harness.slides.decoded_cache import DecodedCache
from harness.slides.openslide_reader import OpenSlideReader
from harness.slides.scale import wanted_factor
from harness.slides.tile_codecs import UndecodableError, decode_jpeg, decode_jpeg_2000, jpeg_stream
from harness.slides.tile_table import TileLevel, match, read_levels

RGB = NDArray[np.uint8]

CACHE_BYTES = 64 << 20
"""Decoded tiles that are kept for their neighbours, for all open slides of a process together."""

_WHOLE = 1e-6
_FACTORS = (8, 4, 2)
"""By which libjpeg-turbo makes an image smaller at no cost: an inverse cosine transform of 1, 2 or 4 points."""
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

    def stored_tiles(self, level: int) -> tuple[int, int] | None:
        """See ``SlideReader.stored_tiles``."""
        return self._slide.stored_tiles(level)

    def resampler_for(self, asked: Resampler) -> Resampler:
        """``dct`` where level 0 holds JPEG tiles that can be decoded at half their size."""
        finest = self._levels[0]
        return "dct" if asked == "dct" and finest is not None and finest.scales_by(2) else "level"

    def _read_into(self, out: RGB, x0: int, y0: int, side_x0: int, side_y0: int) -> None:
        size = out.shape[1], out.shape[0]
        level = self.level_for(side_x0, side_y0, *size)
        whole = self.level_size(level, side_x0, side_y0) == size
        if not (whole and self._compose(x0, y0, level, out)):
            super()._read_into(out, x0, y0, side_x0, side_y0)

    def _read_scaled(self, out: RGB, x0: int, y0: int, side_x0: int, side_y0: int) -> None:
        size = out.shape[1], out.shape[0]
        level = self.level_for(side_x0, side_y0, *size)
        factor = self._factor(level, wanted_factor(side_x0, side_y0, *size))
        if factor == 1:  # the pixels of the level itself, as by the other resampler
            self._read_into(out, x0, y0, side_x0, side_y0)
            return
        step = self.level_downsamples[level] * factor
        left, top, right, bottom = x0 / step, y0 / step, (x0 + side_x0) / step, (y0 + side_y0) / step
        x, y = math.floor(left + _WHOLE), math.floor(top + _WHOLE)
        width, height = math.ceil(right - _WHOLE) - x, math.ceil(bottom - _WHOLE) - y
        exact = max(abs(left - x), abs(top - y), abs(right - x - size[0]), abs(bottom - y - size[1])) < _WHOLE
        pixels = out if exact else np.empty((height, width, 3), np.uint8)
        if not self._fill(level, x, y, pixels, factor):
            self._read_into(out, x0, y0, side_x0, side_y0)
        elif not exact:
            box = max(0.0, left - x), max(0.0, top - y), min(right - x, width), min(bottom - y, height)
            out[:] = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, box))

    def _factor(self, number: int, wanted: float) -> int:
        """By how much the tiles of a level are made smaller in decoding, to be no coarser than ``wanted``."""
        level, downsample = self._levels[number], self.level_downsamples[number]
        fitting = (factor for factor in _FACTORS if level and downsample * factor <= wanted and level.scales_by(factor))
        return next(fitting, 1)

    def _compose(self, x0: int, y0: int, number: int, out: RGB) -> bool:
        """Fill ``out`` from the level-0 point (x0, y0) on; False where only OpenSlide can show it."""
        downsample = self.level_downsamples[number]
        x, y = _whole(x0 / downsample), _whole(y0 / downsample)
        return x is not None and y is not None and self._fill(number, x, y, out)

    def _fill(self, number: int, x: int, y: int, out: RGB, factor: int = 1) -> bool:
        """Fill ``out`` from a point of a level on; False where tiles are missing, damaged, or end before it does.

        Args:
            number: the level.
            x, y: the point, in pixels of the level made smaller by ``factor``.
            out: (H, W, 3).
            factor: by which tiles are made smaller in decoding.
        """
        level = self._levels[number]
        if level is None or not self._close_file.alive or x < 0 or y < 0:
            return False
        if x + out.shape[1] > level.width // factor or y + out.shape[0] > level.height // factor:
            return False
        tile_w, tile_h = level.tile_w // factor, level.tile_h // factor
        try:
            for row in range(y // tile_h, (y + out.shape[0] - 1) // tile_h + 1):
                for column in range(x // tile_w, (x + out.shape[1] - 1) // tile_w + 1):
                    index = row * level.columns + column
                    self._paste(number, index, factor, column * tile_w - x, row * tile_h - y, out)
        except UndecodableError:
            return False
        return True

    def _paste(self, number: int, index: int, factor: int, left: int, top: int, out: RGB) -> None:
        """Copy into ``out`` what it shows of a tile that lies at (left, top)."""
        level = self._levels[number]
        assert level is not None
        tile_w, tile_h = level.tile_w // factor, level.tile_h // factor
        if (left, top, *out.shape[:2]) == (0, 0, tile_h, tile_w) and out.flags.c_contiguous:
            self._decode(level, index, factor, out)
            return
        whole = min(left, top) >= 0 and left + tile_w <= out.shape[1] and top + tile_h <= out.shape[0]
        key = (self._number, number, index, factor)
        if (tile := _cache.get(key)) is None:
            tile = self._decode(level, index, factor)
            if not whole:  # neighbours of what is read show the rest
                _cache.put(key, tile)
        bottom, right = min(out.shape[0], top + tile_h), min(out.shape[1], left + tile_w)
        at_y, at_x = max(0, top), max(0, left)
        out[at_y:bottom, at_x:right] = tile[at_y - top : bottom - top, at_x - left : right - left]

    def _decode(self, level: TileLevel, index: int, factor: int, out: RGB | None = None) -> RGB:
        place = level.ranges[index]
        length = int(place["length"])
        data = os.pread(self._file, length, int(place["offset"])) if length else b""
        if not length or len(data) < length:
            raise UndecodableError("not stored")
        if level.codec == "jpeg":
            stream = jpeg_stream(level.head, data)
            return decode_jpeg(stream, level.tile_h // factor, level.tile_w // factor, out)
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


def _whole(value: float) -> int | None:
    """The whole number that ``value`` stands for; None where it lies between two, or is negative."""
    nearest = math.floor(value + 0.5)
    return nearest if nearest >= 0 and abs(value - nearest) < _WHOLE else None
