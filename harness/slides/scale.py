"""A magnification, as physical resolution and tile side, and how much coarser than level 0 it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A magnification: physical resolution in microns per pixel and tile side in pixels.

    ``mpp`` is 0 where the resolution is unknown (patches that came cut out).
    """

    mpp: float
    tile_px: int


def wanted_factor(side_x0: int, side_y0: int, out_w: int, out_h: int) -> float:
    """The most level-0 pixels per pixel that are fine enough to show ``side`` level-0 pixels as ``out`` pixels.

    A side is a whole number of level-0 pixels: half a pixel of it is rounding, not a wish for more detail.
    """
    return min(max(side_x0 * 1.001, side_x0 + 0.5) / out_w, max(side_y0 * 1.001, side_y0 + 0.5) / out_h)
