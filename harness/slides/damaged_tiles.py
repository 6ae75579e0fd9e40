"""Tiles of a TIFF slide that cannot be decoded, found by the first and last bytes of each, without decoding any."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError
from harness.slides.intact import opened_tiff, pages_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEAD, _TAIL = 12, 64
_UNCOMPRESSED, _LZW, _JPEG, _ZSTD, _WEBP = 1, 5, 7, {50000, 34926}, {50001, 34927}
_DEFLATE = {8, 32946}
_JPEG_2000 = {33003, 33004, 33005, 34712}
_SAME_ASPECT = 0.1
_IN_TISSUE = 0.25
"""Share of tissue from which on a tile that is not stored was not left out because it is background."""


@dataclass(frozen=True)
class DamagedTile:
    """A tile of the file that holds no image.

    Attributes:
        downsample: of its level.
        column, row: its place in the level's table of tiles.
        x, y, width, height: the rectangle that it covers, in level-0 pixels.
        reason: what is wrong with it.
        empty: nothing is stored, or zeros without compression. Scanners leave background out, so it is damage only
            where there is tissue.
    """

    downsample: float
    column: int
    row: int
    x: int
    y: int
    width: int
    height: int
    reason: str
    empty: bool

    def __str__(self) -> str:
        place = f"column {self.column}, row {self.row} of the level with downsample {self.downsample:.4g}"
        return f"{place} (level-0 pixel {self.x}, {self.y}) {self.reason}"

    def fraction(self, mask: NDArray[np.bool_], width: int, height: int) -> float:
        """Share of tissue in the tile, for a mask over a slide of this size in level-0 pixels."""
        down, across = mask.shape[0] / height, mask.shape[1] / width
        top, left = int(self.y * down), int(self.x * across)
        bottom = max(top + 1, round((self.y + self.height) * down))
        right = max(left + 1, round((self.x + self.width) * across))
        part = mask[top:bottom, left:right]
        return float(part.mean()) if part.size else 0.0


def damaged_tiles(files: Iterable[Path], width: int, height: int) -> tuple[DamagedTile, ...]:
    """The damaged tiles of all levels of a slide, in the order of the file. Formats other than TIFF have none.

    Looked at are the first and last bytes of each tile: an encoded tile starts with the signature of its codec, and
    does not end in zeros. A tile whose damage lies between is not found; one whose place lies behind the end of the
    file is found by :func:`harness.slides.intact.check_whole`.

    Args:
        files: the files of the slide.
        width, height: size of the slide in level-0 pixels.
    """
    return tuple(tile for file in files for tile in _in_file(file, width, height))


def in_tissue(
    damaged: Iterable[DamagedTile], mask: NDArray[np.bool_], width: int, height: int
) -> tuple[DamagedTile, ...]:
    """Those that are damage: tiles that hold something else than an image, and empty ones where there is tissue."""
    return tuple(tile for tile in damaged if not tile.empty or tile.fraction(mask, width, height) >= _IN_TISSUE)


def words(damaged: Iterable[DamagedTile]) -> str:
    """How many there are, and where the first ones lie."""
    tiles = tuple(damaged)
    more = f" and {len(tiles) - 3} more" if len(tiles) > 3 else ""
    are = "1 tile of the file is" if len(tiles) == 1 else f"{len(tiles)} tiles of the file are"
    return f"{are} damaged: {'; '.join(map(str, tiles[:3]))}{more}"


def damage_error(damaged: Iterable[DamagedTile], place: Path) -> DataError:
    """The error for a slide that is not to be used because of them."""
    return DataError(
        words(damaged),
        place=str(place),
        fix="fetch the slide again, leave it out, or set damaged_tiles: leave_out under source in the dataset's card",
    )


def clear_of(damaged: Sequence[DamagedTile], coords: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """The tiles of a grid that do not lie on damaged ones of the file.

    Args:
        damaged: of any level, since a tile of the grid may be read from each.
        coords: left top corners in level-0 pixels, (n, 2).
        side: side of the grid's tiles in level-0 pixels.
    """
    keep = np.ones(len(coords), np.bool_)
    x, y = coords[:, 0], coords[:, 1]
    for tile in damaged:
        across = (x < tile.x + tile.width) & (x + side > tile.x)
        keep &= ~(across & (y < tile.y + tile.height) & (y + side > tile.y))
    return coords[keep]


def _in_file(path: Path, width: int, height: int) -> Iterator[DamagedTile]:
    with opened_tiff(path) as tiff:
        if tiff is None:
            return
        try:
            pages = [page for page in pages_of(tiff) if page.is_tiled and _is_level(page, width, height)]
        except Exception:  # a directory that only a vendor understands
            return
        with path.open("rb") as file:
            for page in pages:
                yield from _in_page(file.fileno(), page, width, height)


def _is_level(page: Any, width: int, height: int) -> bool:
    """Whether a page shows the whole slide, rather than its label."""
    across, down = int(page.imagewidth), int(page.imagelength)
    return abs(across * height - down * width) <= _SAME_ASPECT * max(across * height, down * width)


def _in_page(descriptor: int, page: Any, width: int, height: int) -> Iterator[DamagedTile]:
    across, down = int(page.imagewidth), int(page.imagelength)
    tile_w, tile_h = int(page.tilewidth), int(page.tilelength)
    codec = int(page.compression)
    columns, rows = -(-across // tile_w), -(-down // tile_h)
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    for number, (offset, count) in enumerate(places):
        reason, empty = _damage(descriptor, codec, int(offset), int(count))
        if not reason:
            continue
        # Colour planes that are stored apart have a table of tiles each, one behind the other.
        row, column = divmod(number % (columns * rows), columns)
        yield DamagedTile(
            downsample=width / across,
            column=column,
            row=row,
            x=round(column * tile_w * width / across),
            y=round(row * tile_h * height / down),
            width=round(tile_w * width / across),
            height=round(tile_h * height / down),
            reason=reason,
            empty=empty,
        )


def _damage(descriptor: int, codec: int, offset: int, count: int) -> tuple[str, bool]:
    """What is wrong with a tile, and whether it may be background that was left out; no words where it is right."""
    if count == 0:
        return "is not stored", True
    if offset == 0:
        return "is said to start at byte 0, where the header of the file is", False
    head = os.pread(descriptor, min(_HEAD, count), offset)
    tail = os.pread(descriptor, min(_TAIL, count), offset + count - min(_TAIL, count))
    if codec == _UNCOMPRESSED:
        dark = not any(head) and not any(tail) and not any(os.pread(descriptor, count, offset))
        return ("holds only zeros", True) if dark else ("", False)
    if not any(head):
        return "starts with zeros", False
    if not _signed(codec, head):
        return f"does not start as its codec does, but with {head[:4].hex(' ')}", False
    if not any(tail) and not _complete(codec, os.pread(descriptor, count, offset)):
        return "ends in zeros", False
    return "", False


def _signed(codec: int, head: bytes) -> bool:
    """Whether a tile starts as tiles of its codec do; of a codec that has no signature, True."""
    if codec == _JPEG:
        return head.startswith(b"\xff\xd8\xff")
    if codec in _JPEG_2000:
        return head.startswith(b"\xff\x4f\xff\x51") or head[4:8] == b"jP  "
    if codec in _DEFLATE:
        return len(head) > 1 and head[0] & 15 == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    if codec == _LZW:  # the clear code, in either bit order
        return head[0] == 0x80 or (head[0] == 0 and head[1] & 1 == 1)
    if codec in _ZSTD:
        return head.startswith(b"\x28\xb5\x2f\xfd")
    return head.startswith(b"RIFF") if codec in _WEBP else True


def _complete(codec: int, data: bytes) -> bool:
    """Whether a tile that ends in zeros is whole in front of them: the zeros are padding then."""
    if codec == _JPEG or codec in _JPEG_2000:
        return data.rstrip(b"\0").endswith(b"\xff\xd9")
    if codec in _DEFLATE:
        try:
            stream = zlib.decompressobj()
            stream.decompress(data)
        except zlib.error:
            return False
        return stream.eof
    return False
