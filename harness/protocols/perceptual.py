"""A perceptual hash of a slide's thumbnail: the same slide in another file, turned, or re-encoded, is still known.

The hash holds the signs of the 255 lowest frequencies of the grey picture (discrete cosine transform). Brighter or
darker keeps them. Turning and flipping the picture only swaps rows with columns and changes signs in every second
one, so that one hash answers for all eight orientations: a library that compares with the median (ImageHash's pHash,
which would also bring PyWavelets) would need eight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BITS = 255
"""How many bits two hashes can differ in."""

LIMIT = 20
"""Thumbnails that differ in at most so many bits show the same slide.

Measured over all pairs and all eight orientations. Different slides differ in at least 38 bits among the 140 slides of
camelyon16-mini (9,730 pairs; one in a thousand below 59, half of them above 108) and in at least 50 among the 399 of
the drawn CAMELYON16 release (79,401 pairs). Drawn slides resemble each other more than real ones do: the five real
pictures at hand differ in at least 112. The same real slide as SVS and as DICOM differs in 6, and changes of one slide
come to at most 14: JPEG at quality 40, brightness, gamma, tint, noise, blur, half the size, turned, flipped. The edge
counts: without 1 % of width and height it is 10 to 27 bits, without 2 % 21 to 46, so that a cropped slide may go
unnoticed.
"""

_SIDE = 64
_FREQUENCIES = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BLOCK = 1024


def perceptual_hash(picture: NDArray[np.uint8]) -> str:
    """Hash of a whole slide's thumbnail.

    Args:
        picture: RGB, (H, W, 3); resized to a square, whatever its proportions.

    Returns:
        64 hexadecimal digits.
    """
    from PIL import Image
    from scipy.fft import dctn

    grey = Image.fromarray(picture.astype(np.float32) @ _LUMA)
    small = np.asarray(grey.resize((_SIDE, _SIDE), Image.Resampling.BOX))
    signs = np.asarray(dctn(small, norm="ortho"))[:_FREQUENCIES, :_FREQUENCIES] > 0
    signs[0, 0] = False  # the mean brightness
    return np.packbits(signs).tobytes().hex()


def distance(one: str, other: str) -> int:
    """In how many of 255 bits two hashes differ, in the orientation in which they differ least."""
    return int(_distances(_signs([one]), _signs([other]))[0, 0])


def near_pairs(hashes: Sequence[str], limit: int = LIMIT) -> Iterator[tuple[int, int, int]]:
    """(i, j, distance) of all pairs i < j that differ in at most ``limit`` bits."""
    signs = _signs(hashes)
    for start in range(0, len(hashes), _BLOCK):
        found = _distances(signs[start : start + _BLOCK], signs)
        for i, j in np.argwhere(found <= limit).tolist():
            if start + i < j:
                yield start + i, j, int(found[i, j])


def _signs(hashes: Sequence[str]) -> NDArray[np.bool_]:
    """(n, 16, 16)."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, 32)
    return np.unpackbits(packed, axis=1).reshape(-1, _FREQUENCIES, _FREQUENCIES).astype(bool)


def _distances(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[Any]:
    """(m, n): the least number of differing bits over the eight orientations of ``left``."""
    best = np.full((len(left), len(right)), float(BITS), np.float32)
    there = right.reshape(len(right), -1).astype(np.float32)
    for turned in _orientations(left):
        here = turned.reshape(len(left), -1).astype(np.float32)
        both = here @ there.T
        np.minimum(best, here.sum(1)[:, None] + there.sum(1)[None] - 2 * both, out=best)
    return best


def _orientations(signs: NDArray[np.bool_]) -> Iterator[NDArray[np.bool_]]:
    """The hashes of the picture turned and flipped: a flip changes the sign of every odd frequency along its axis."""
    odd = np.arange(_FREQUENCIES) % 2 == 1
    for plain in (signs, signs.transpose(0, 2, 1)):
        for across in (False, True):
            for down in (False, True):
                yield plain ^ (odd[None, None, :] & across) ^ (odd[None, :, None] & down)
