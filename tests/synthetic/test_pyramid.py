from __future__ import annotations

from pathlib import Path

import numpy as np
import openslide
import pytest

from harness.synthetic.paint import paint
from harness.synthetic.pyramid import TILE_PX, halve, write_pyramid


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return paint(3, side_px=640, mpp=0.5, center="RUMC", metastasis="macro").image


def test_openslide_sees_every_level_the_resolution_and_the_tiles(tmp_path: Path, image: np.ndarray) -> None:
    write_pyramid(tmp_path / "s.tif", image, mpp=0.5, levels=3)
    with openslide.OpenSlide(tmp_path / "s.tif") as slide:
        assert slide.properties["openslide.vendor"] == "generic-tiff"
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.5)
        assert slide.level_dimensions == ((640, 640), (320, 320), (160, 160))
        assert slide.level_downsamples == (1.0, 2.0, 4.0)
        assert slide.properties["openslide.level[0].tile-width"] == str(TILE_PX)


def test_colours_survive_compression_at_every_level(tmp_path: Path, image: np.ndarray) -> None:
    write_pyramid(tmp_path / "s.tif", image, mpp=0.5, levels=3)
    expected = image
    with openslide.OpenSlide(tmp_path / "s.tif") as slide:
        for level, size in enumerate(slide.level_dimensions):
            read = np.asarray(slide.read_region((0, 0), level, size).convert("RGB")).astype(float)
            assert np.abs(read - expected).mean() < 4
            # A mistake of colour space would shift the mean by tens.
            assert np.abs((read - expected).mean(axis=(0, 1))).max() < 1.5
            expected = halve(expected)


def test_equal_images_give_equal_bytes(tmp_path: Path, image: np.ndarray) -> None:
    for name in ("a.tif", "b.tif"):
        write_pyramid(tmp_path / name, image, mpp=0.486, levels=2)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_halving_takes_the_mean_and_keeps_odd_borders() -> None:
    ramp = np.arange(5 * 3, dtype=np.uint8).reshape(5, 3, 1) * 8
    small = halve(np.repeat(ramp, 3, axis=2))
    assert small.shape == (3, 2, 3)
    assert small[0, 0, 0] == (0 + 8 + 24 + 32) // 4
    assert small[2, 1, 0] == ramp[4, 2, 0]
