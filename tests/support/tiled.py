"""TIFF slides of JPEG tiles, written as scanners write them: shared tables, no colour markers, tiles left out."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Collection
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

SUBSAMPLING = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}


def tissue(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A picture with edges and texture in all channels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + k)) + np.cos(y / (9 - k)) for k in range(3)]
    picture = 128 + 50 * np.stack(waves, -1) + rng.normal(0, 10, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8)


def split(stream: bytes) -> tuple[bytes, bytes]:
    """A JPEG as shared tables and what is left: without tables and without markers of application and colour."""
    tables, rest, at = [], [], 2
    while stream[at + 1] != 0xDA:
        length = 2 + struct.unpack_from(">H", stream, at + 2)[0]
        segment = stream[at : at + length]
        if segment[1] in (0xDB, 0xC4):
            tables.append(segment)
        elif not 0xE0 <= segment[1] <= 0xEF:
            rest.append(segment)
        at += length
    return b"\xff\xd8" + b"".join(tables) + b"\xff\xd9", b"\xff\xd8" + b"".join(rest) + stream[at:]


def write_tiled(
    path: Path,
    picture: np.ndarray,
    *,
    tile: tuple[int, int] = (64, 64),
    rgb: bool = False,
    subsampling: str = "444",
    share_tables: bool = True,
    missing: Collection[int] = (),
    downsamples: tuple[int, ...] = (1,),
    description: str | None = None,
    quality: int = 80,
    mpp: float = 0.5,
) -> Path:
    """Write a picture as a slide; tiles with a number in ``missing`` are not stored on any level."""
    with tifffile.TiffWriter(path) as tiff:
        for downsample in downsamples:
            level = picture[::downsample, ::downsample]
            streams = [_encoded(one, rgb, subsampling, quality) for one in _tiles(level, tile)]
            tables = split(streams[0])[0] if share_tables else None
            parts = [split(one)[1] if share_tables else one for one in streams]
            tiff.write(
                iter(b"" if number in missing else part for number, part in enumerate(parts)),
                shape=level.shape,
                dtype=np.uint8,
                tile=tile,
                photometric="rgb" if rgb else "ycbcr",
                subsampling=SUBSAMPLING[subsampling],
                compression="jpeg",
                jpegtables=tables,
                subfiletype=0 if downsample == 1 else 1,
                resolution=(1e4 / mpp, 1e4 / mpp),
                resolutionunit="CENTIMETER",
                description=description if downsample == 1 else None,
                metadata=None,
                software=False,
            )
    return path


def _tiles(level: np.ndarray, tile: tuple[int, int]) -> list[np.ndarray]:
    """Row by row, whole at the edges too."""
    high, wide = tile
    rows, columns = -(-level.shape[0] // high), -(-level.shape[1] // wide)
    padding = ((0, rows * high - level.shape[0]), (0, columns * wide - level.shape[1]), (0, 0))
    padded = np.pad(level, padding, "edge")
    return [
        np.ascontiguousarray(padded[row * high : (row + 1) * high, column * wide : (column + 1) * wide])
        for row, column in itertools.product(range(rows), range(columns))
    ]


def _encoded(pixels: np.ndarray, rgb: bool, subsampling: str, quality: int) -> bytes:
    colours = "RGB" if rgb else "YCBCR"
    return bytes(
        imagecodecs.jpeg8_encode(
            pixels, level=quality, colorspace="RGB", outcolorspace=colours, subsampling=subsampling, optimize=False
        )
    )
