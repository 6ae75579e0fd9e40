"""Writing pyramidal JPEG TIFFs that OpenSlide reads as ``generic-tiff``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TILE_PX = 128
"""Side of the TIFF's own tiles: a training tile of 64 px at any level costs one or a few small JPEG decodes."""

_QUALITY = 80


def halve(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The mean of every 2 × 2 pixels; an odd last row or column is repeated."""
    height, width, _ = image.shape
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wide = image.astype(np.uint16)
    total = wide[0::2, 0::2] + wide[1::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint8)


def write_pyramid(path: Path, image: NDArray[np.uint8], *, mpp: float, levels: int) -> None:
    """Write ``image`` as a tiled JPEG TIFF with reduced copies at 1/2, 1/4 ...

    Args:
        path: the file; overwritten.
        image: RGB, (height, width, 3).
        mpp: microns per pixel of ``image``.
        levels: number of levels, the full one counted in.
    """
    from tifffile import TiffWriter

    with TiffWriter(path) as writer:
        for level in range(levels):
            per_cm = 1e4 / (mpp * 2**level)
            writer.write(
                image,
                photometric="rgb",
                tile=(TILE_PX, TILE_PX),
                compression="jpeg",
                compressionargs={"level": _QUALITY},
                subfiletype=1 if level else 0,  # OpenSlide takes tiled "reduced image" directories for levels
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                metadata=None,
                software="wsibench, drawn",
                maxworkers=1,
            )
            image = halve(image)
