"""Small slides made on the spot: tiled pyramidal TIFFs as OpenSlide's generic reader takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

RGB = NDArray[np.uint8]
MakeSlide = Callable[..., Path]


def _draw(width: int, height: int, *, seed: int = 0, glass: int = 243) -> RGB:
    """White glass with a pink, textured disc in the middle, a quarter of the width in radius."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width, 3), glass, np.float64)
    y, x = np.mgrid[:height, :width]
    disc = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (width / 4) ** 2
    picture[disc] = rng.normal((200, 120, 170), 12, (int(disc.sum()), 3))
    return (picture + rng.normal(0, 1.5, picture.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def draw() -> Callable[..., RGB]:
    """Draw a picture of tissue on glass: ``draw(width, height, seed=0, glass=243)``."""
    return _draw


@pytest.fixture
def make_slide(tmp_path: Path) -> MakeSlide:
    """Write an RGB picture as a pyramidal TIFF and return its path."""

    def make(
        name: str,
        picture: RGB,
        *,
        mpp: float | None = 0.5,
        downsamples: tuple[int, ...] = (1, 2, 4),
        tile: int = 64,
        compression: str | None = "zlib",
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        options: dict[str, Any] = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"} if mpp else {}
        with tifffile.TiffWriter(path) as tiff:
            for downsample in downsamples:
                size = (picture.shape[1] // downsample, picture.shape[0] // downsample)
                level = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
                tiff.write(
                    level,
                    tile=(tile, tile),
                    photometric="rgb",
                    compression=compression,
                    subfiletype=0 if downsample == 1 else 1,
                    metadata=None,
                    **options,
                )
        return path

    return make
