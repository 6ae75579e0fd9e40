"""What the empty glass of a slide looks like: its colour, its noise, and whether the colours can be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_BRIGHT = 180
_NEUTRAL = 40
_NEAR = 10
_LEAST_SHARE = 0.005
_WRONG_CHROMA = 80
_NEUTRAL_CODE = 128
_CODE_SLACK = 24
_DARK, _MOST_DARK, _LEAST_GLASS, _EVEN = 50, 0.5, 0.05, 0.9
_BLACK, _LEAST_PADDING = 8, 0.01


@dataclass(frozen=True)
class Background:
    """The glass of a slide.

    Attributes:
        colour: RGB that shows as white after balancing; pure white where no glass is in view.
        seen: the pixels that look like glass, (H, W) bool.
        note: what looks wrong with the colours, or empty.
    """

    colour: tuple[int, int, int]
    seen: NDArray[np.bool_]
    note: str


def find_background(rgb: NDArray[np.uint8]) -> Background:
    """Find the glass: the most frequent brightness among the bright, nearly grey pixels.

    Args:
        rgb: overview of the slide, (H, W, 3).
    """
    luma = luminance(rgb)
    candidates = (luma >= _BRIGHT) & (chroma(rgb) < _NEUTRAL)
    note = _colour_note(rgb, luma)
    if candidates.mean() < _LEAST_SHARE:
        return Background((255, 255, 255), np.zeros(luma.shape, bool), note)
    mode = int(np.bincount(luma[candidates], minlength=256).argmax())
    seen = candidates & (np.abs(luma.astype(np.int16) - mode) <= _NEAR)
    red, green, blue = (int(value) for value in np.median(rgb[seen], axis=0))
    return Background((red, green, blue), seen, note)


def dark_background(rgb: NDArray[np.uint8], glass: NDArray[np.bool_]) -> str:
    """Why a slide is not one with white background, or empty.

    It is dark in most parts, and either the rest is hardly ever glass, or the dark is not the even one of padding.

    Args:
        rgb: overview of the slide, (H, W, 3).
        glass: the pixels that look like glass, (H, W).
    """
    highest = rgb.max(axis=2)
    dark = highest < _DARK
    share = float(dark.mean())
    if share < _MOST_DARK:
        return ""
    even = np.bincount(highest[dark]).max() >= _EVEN * dark.sum()
    if even and glass.sum() >= _LEAST_GLASS * max(1, int((~dark).sum())):
        return ""
    return f"the background is dark: {share:.0%} of the slide is darker than {_DARK} of 255, as in fluorescence"


def black_padding(rgb: NDArray[np.uint8], margin: int) -> NDArray[np.bool_]:
    """Black areas at the edge of the picture, where the scanner did not scan, and ``margin`` pixels around: (H, W)."""
    labels, count = ndimage.label(rgb.max(axis=2) <= _BLACK)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    large = np.bincount(labels.ravel(), minlength=count + 1) >= _LEAST_PADDING * labels.size
    large &= np.isin(np.arange(count + 1), edges)
    large[0] = False
    black: NDArray[np.bool_] = large[labels]
    return ndimage.binary_dilation(black, iterations=margin) if black.any() else black


def balance(rgb: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Scale the channels so that ``colour`` becomes white: (H, W, 3) uint8."""
    levels = np.arange(256)
    result = np.empty_like(rgb)
    for channel, white in enumerate(colour):
        table = np.minimum(levels * 255 // max(1, white), 255).astype(np.uint8)
        result[..., channel] = table[rgb[..., channel]]
    return result


def chroma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Largest less smallest channel: saturation that does not blow up the noise of dark pixels. (H, W) uint8."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    spread: NDArray[np.uint8] = highest - lowest
    return spread


def luminance(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness with the usual weights (0.30, 0.59, 0.11), (H, W) uint8."""
    wide = rgb.astype(np.uint16)
    return ((77 * wide[..., 0] + 150 * wide[..., 1] + 29 * wide[..., 2]) >> 8).astype(np.uint8)


def _colour_note(rgb: NDArray[np.uint8], luma: NDArray[np.uint8]) -> str:
    # The brightest twentieth of a slide is glass, or fat and gaps of tissue: near to white on any stain.
    brightest = rgb[luma >= np.percentile(luma, 95)]
    red, green, blue = (int(value) for value in np.median(brightest, axis=0))
    if max(red, green, blue) - min(red, green, blue) <= _WRONG_CHROMA:
        return ""
    note = f"colours look wrong: the brightest parts are ({red}, {green}, {blue}), not near white"
    if max(abs(green - _NEUTRAL_CODE), abs(blue - _NEUTRAL_CODE)) <= _CODE_SLACK:
        note += "; it looks like YCbCr data that is labelled RGB"
    return note
