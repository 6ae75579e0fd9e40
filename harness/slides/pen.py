"""Pen marks on the glass: green, blue and black ink, told from stained tissue by colour.

Haematoxylin and eosin both take out more green than red, so that in stained tissue red is never the weakest
channel; in green and blue ink it is. Black ink is dark without colour. Red ink looks like blood and eosin at this
resolution and is not looked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_LEAST_MM2 = 0.05
_MARGIN_MICRONS = 24.0

Mask = NDArray[np.bool_]


def find_pen(rgb: NDArray[np.uint8], mpp: float) -> dict[str, Mask]:
    """Marks of ink by colour (``green``, ``blue``, ``black``); colours that are not there are left out.

    Args:
        rgb: overview, white-balanced, (H, W, 3).
        mpp: its microns per pixel.

    Returns:
        (H, W) bool per colour found, with a margin of 24 microns around the ink.
    """
    red, green, blue = (rgb[..., channel].astype(np.int16) for channel in range(3))
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    over_red = green - red
    strong = {
        "green": (over_red >= 25) & (green >= blue - 15),
        "blue": ((over_red >= 20) & (blue > green + 15)) | (blue - np.maximum(red, green) >= 100),
        "black": (highest < 75) & (highest - lowest < 30),
    }
    cold = (over_red >= 8) | strong["blue"]
    dark = (highest < 110) & (highest - lowest < 40)
    least, margin = _LEAST_MM2 * 1e6 / mpp**2, max(1, round(_MARGIN_MICRONS / mpp))
    found = _grown({"green": strong["green"], "blue": strong["blue"]}, cold, least)
    found |= _grown({"black": strong["black"]}, dark, least)
    return {name: ndimage.binary_dilation(mark, iterations=margin) for name, mark in found.items()}


def _grown(strong: dict[str, Mask], weak: Mask, least: float) -> dict[str, Mask]:
    """The connected pieces of ``weak`` with ``least`` strong pixels or more, by the colour that most of those have."""
    labels, count = ndimage.label(weak)
    inked = np.stack([np.bincount(labels[mark], minlength=count + 1) for mark in strong.values()])
    inked[:, 0] = 0
    enough, winner = inked.sum(0) >= max(1.0, least), inked.argmax(0)
    marks = {name: (enough & (winner == number))[labels] for number, name in enumerate(strong)}
    return {name: mark for name, mark in marks.items() if mark.any()}
