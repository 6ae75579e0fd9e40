"""The picture for quality control: overview, tissue outline, tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from harness.core.atomic import replacing
from harness.slides.base import SlideReader

_LONGEST = 1600
_TISSUE = (0, 160, 60)
_TILE = (40, 90, 255)


def save_qc(
    path: Path,
    reader: SlideReader,
    overview: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    coords: NDArray[np.int64],
    side: int,
) -> None:
    """Draw the outline of the tissue (green) and the tiles (blue) on the overview and save it as JPEG, atomically.

    Args:
        path: where to.
        reader: the slide, which is read again when it is so small that the overview shows too little.
        overview: the whole slide, (H, W, 3) RGB.
        mask: tissue over the whole slide, (h, w).
        coords: tiles of the finest scale, (n, 2) level-0 top-left corners; may be none.
        side: their side in level-0 pixels.
    """
    image = _picture(reader, overview)
    draw = ImageDraw.Draw(image)
    across, down = image.width / reader.width, image.height / reader.height
    for x, y in coords.tolist():
        box = (x * across, y * down, max(x * across, (x + side) * across - 1), max(y * down, (y + side) * down - 1))
        draw.rectangle(box, outline=_TILE)
    tissue = np.asarray(Image.fromarray(mask).resize(image.size, Image.Resampling.NEAREST), dtype=bool)
    outline = tissue & ~ndimage.binary_erosion(tissue)
    image.paste(_TISSUE, mask=Image.fromarray(outline))
    with replacing(path) as temporary:
        image.save(temporary, "JPEG", quality=85)


def _picture(reader: SlideReader, overview: NDArray[np.uint8]) -> Image.Image:
    longest = min(_LONGEST, max(reader.width, reader.height))
    factor = longest / max(reader.width, reader.height)
    size = (max(1, round(reader.width * factor)), max(1, round(reader.height * factor)))
    if max(overview.shape) < longest / 2:
        return Image.fromarray(reader.overview(*size))
    return Image.fromarray(overview).resize(size)
