"""Decoding single tiles of a slide: JPEG by libjpeg-turbo, at full size or smaller, and JPEG 2000 by OpenJPEG."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]

_START, _END = b"\xff\xd8", b"\xff\xd9"
_MARKED_WITHIN = 1024
_COLOUR_MARKS = (b"JFIF", b"Adobe")
_SCAN = 0xDA
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""An APP14 segment up to its last byte, which names the colour transform: 0 for none (RGB), 1 for YCbCr."""


class UndecodableError(Exception):
    """The bytes are no tile of the expected size, or the decoder has something to say about them."""


def jpeg_head(tables: bytes, *, rgb: bool) -> bytes:
    """What replaces the start marker of every tile of a page: the page's colour space and tables.

    A TIFF says in its tags what a JPEG stream says in its markers. Without a marker the decoder would guess YCbCr.

    Args:
        tables: content of the tag JPEGTables; empty where tiles bring their own.
        rgb: whether the samples are RGB; YCbCr otherwise.
    """
    inner = b""
    if tables:
        inner = _without_colour_marks(tables)[2:]
        inner = inner.removesuffix(_END)
    return _START + _ADOBE + (b"\x00" if rgb else b"\x01") + inner


def jpeg_stream(head: bytes, tile: bytes) -> bytes:
    """A complete JPEG from what :func:`jpeg_head` made and the bytes of a tile."""
    if any(tile.find(mark, 0, _MARKED_WITHIN) >= 0 for mark in _COLOUR_MARKS):
        tile = _without_colour_marks(tile)
    if not tile.startswith(_START):
        raise UndecodableError("no JPEG")
    return head + tile[2:]


def decode_jpeg(stream: bytes, height: int, width: int, out: RGB | None = None) -> RGB:
    """A JPEG as RGB, uint8 (height, width, 3).

    Args:
        stream: a complete JPEG.
        height, width: of the result: of the image, or a half, a quarter or an eighth of it. Smaller ones are decoded
            by an inverse cosine transform of fewer points.
        out: where the result is to be, contiguous; None makes room for it.

    Raises:
        UndecodableError: broken, cut short, or of another size.
    """
    import simplejpeg

    if out is None:  # NumPy's memory need not be cleared first, unlike the decoder's own
        out = np.empty((height, width, 3), np.uint8)
    try:
        image: RGB = simplejpeg.decode_jpeg(stream, "RGB", min_height=height, min_width=width, buffer=out)
    except ValueError as problem:
        raise UndecodableError(str(problem)) from problem
    if image.shape != (height, width, 3):
        raise UndecodableError(f"an image of shape {image.shape}")
    return image


def decode_jpeg_2000(data: bytes, height: int, width: int) -> RGB:
    """A JPEG 2000 codestream of three components without subsampling as RGB, uint8 (height, width, 3).

    Raises:
        UndecodableError: broken, or of another size.
    """
    import imagecodecs

    try:
        image: RGB = imagecodecs.jpeg2k_decode(data, numthreads=1)
    except Exception as problem:
        raise UndecodableError(str(problem)) from problem
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise UndecodableError(f"an image of shape {image.shape}")
    return image


def _without_colour_marks(data: bytes) -> bytes:
    """A JPEG stream without segments that say something else about its colours (APP0 and APP14)."""
    kept, at = [data[:2]], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] not in (_SCAN, 0xD9):
        length = 2 + int(struct.unpack_from(">H", data, at + 2)[0])
        if data[at + 1] not in (0xE0, 0xEE):
            kept.append(data[at : at + length])
        at += length
    return b"".join([*kept, data[at:]])
