"""Where the tiles of a TIFF slide lie in its file, level by level, and what decoding one of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.slides.intact import opened_tiff, pages_of
from harness.slides.tile_codecs import jpeg_head

if TYPE_CHECKING:
    import tifffile

RANGE = np.dtype([("offset", "<u8"), ("length", "<u4")])
"""Byte range of a tile: 12 bytes. A length of zero stands for a tile that is not stored."""

_RGB, _YCBCR = 2, 6
_JPEG, _APERIO_RGB = 7, 33005
_CONTIGUOUS = 1


@dataclass(frozen=True, eq=False)
class TileLevel:
    """The tiles of one level.

    Attributes:
        width, height: of the level, in its pixels.
        tile_w, tile_h: of a tile; those at the right and lower edge are stored whole, too.
        codec: ``jpeg`` or ``jpeg2000``.
        head: what stands in front of the entropy-coded part of every JPEG: start, colour space, shared tables.
        ranges: byte range of each tile, row by row, of type ``RANGE``.
    """

    width: int
    height: int
    tile_w: int
    tile_h: int
    codec: str
    head: bytes
    ranges: NDArray[Any]

    def scales_by(self, factor: int) -> bool:
        """Whether the decoder can give tiles at a ``factor``-th of their size, whole pixels next to whole pixels."""
        return factor == 1 or (self.codec == "jpeg" and self.tile_w % factor == 0 and self.tile_h % factor == 0)

    @property
    def columns(self) -> int:
        """Tiles across."""
        return -(-self.width // self.tile_w)

    @property
    def rows(self) -> int:
        """Tiles down."""
        return -(-self.height // self.tile_h)


def read_levels(path: Path) -> list[TileLevel]:
    """Every tiled page of a TIFF whose tiles can be decoded one by one; none where the file is no TIFF, or damaged."""
    with opened_tiff(path) as tiff:
        if tiff is None:
            return []
        try:
            return [level for page in pages_of(tiff) if (level := _level(page)) is not None]
        except Exception:  # a directory that only a vendor understands
            return []


def match(levels: Sequence[TileLevel], sizes: Sequence[tuple[int, int, int, int]]) -> list[TileLevel | None]:
    """For each level of a slide its tiles; None where no page, or more than one, has its size and its tiles' size.

    Args:
        levels: tiled pages.
        sizes: width, height, tile width and tile height of every level of the slide.
    """
    found: list[TileLevel | None] = []
    for size in sizes:
        same = [level for level in levels if (level.width, level.height, level.tile_w, level.tile_h) == size]
        found.append(same[0] if len(same) == 1 else None)
    return found


def _level(page: tifffile.TiffPage) -> TileLevel | None:
    colours = -1 if page.photometric is None else int(page.photometric)
    eight_bit_colours = page.bitspersample == 8 and page.samplesperpixel == 3 and colours in (_RGB, _YCBCR)
    if not (page.is_tiled and eight_bit_colours and int(page.planarconfig) == _CONTIGUOUS):
        return None
    if int(page.compression) == _JPEG:
        codec, head = "jpeg", jpeg_head(page.jpegtables or b"", rgb=colours == _RGB)
    elif int(page.compression) == _APERIO_RGB:
        codec, head = "jpeg2000", b""
    else:
        return None
    level = TileLevel(
        width=int(page.imagewidth),
        height=int(page.imagelength),
        tile_w=int(page.tilewidth),
        tile_h=int(page.tilelength),
        codec=codec,
        head=head,
        ranges=_ranges(page),
    )
    return level if len(level.ranges) == level.columns * level.rows else None


def _ranges(page: tifffile.TiffPage) -> NDArray[Any]:
    ranges = np.zeros(len(page.dataoffsets), RANGE)
    ranges["offset"] = page.dataoffsets
    lengths = np.asarray(page.databytecounts, np.uint64)
    if len(lengths) != len(ranges) or lengths.max(initial=0) > np.iinfo(np.uint32).max:
        return np.zeros(0, RANGE)
    ranges["length"] = lengths
    return ranges
