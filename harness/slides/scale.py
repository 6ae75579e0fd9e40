"""A magnification, as physical resolution and tile side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A magnification: physical resolution in microns per pixel and tile side in pixels.

    ``mpp`` is 0 where the resolution is unknown (patches that came cut out).
    """

    mpp: float
    tile_px: int
