from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import DataError
from harness.slides.reader import open_slide


def _picture(width: int = 90, height: int = 60) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_png_needs_a_declared_resolution_whatever_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(_picture()).save(path, dpi=(50800, 50800))
    with open_slide(path) as slide, pytest.raises(DataError, match="no resolution") as caught:
        slide.need_mpp()
    assert "--mpp" in caught.value.fix
    with open_slide(path, mpp=0.46) as slide:
        assert (slide.mpp, slide.mpp_source, slide.vendor) == (0.46, "declared", "image/png")


def test_regions_are_the_pixels_and_white_outside(tmp_path: Path) -> None:
    picture = _picture()
    Image.fromarray(picture).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png", mpp=0.5) as slide:
        slide.check()
        np.testing.assert_array_equal(slide.read_region(10, 20, 30, 25, 30, 25), picture[20:45, 10:40])
        corner = slide.read_region(80, 50, 20, 20, 20, 20)
        tiles = slide.read_tiles(np.array([[-100, -100], [0, 0]]), 20, 10, workers=2)
        assert slide.thumbnail(1.0).shape == (30, 45, 3)
    np.testing.assert_array_equal(corner[:10, :10], picture[50:, 80:])
    assert (corner[10:] == 255).all()
    assert (tiles[0] == 255).all()


def test_alpha_is_shown_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:4, :, 3] = 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png", mpp=0.5) as slide:
        region = slide.read_region(0, 0, 8, 8, 8, 8)
    assert (region[:4] == 0).all()
    assert (region[4:] == 255).all()


def test_an_image_beyond_the_bomb_limit_opens_and_the_limit_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(_picture()).save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with open_slide(tmp_path / "a.jpg", mpp=0.5) as slide:
        slide.check()
    assert Image.MAX_IMAGE_PIXELS == 100


def test_an_image_larger_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(_picture()).save(tmp_path / "a.png")
    monkeypatch.setattr("harness.slides.flat._BYTES_PER_PIXEL", 1 << 40)
    with open_slide(tmp_path / "a.png", mpp=0.5) as slide, pytest.raises(DataError, match="GiB of memory"):
        slide.check()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(_picture(300, 300)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_slide(path, mpp=0.5) as slide, pytest.raises(DataError, match="cannot be decoded"):
        slide.check()


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="8 bits"):
        open_slide(tmp_path / "a.png", mpp=0.5)


def test_grey_images_become_rgb(tmp_path: Path) -> None:
    grey = _picture()[..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    with open_slide(tmp_path / "a.png", mpp=0.5) as slide:
        np.testing.assert_array_equal(slide.read_region(0, 0, 90, 60, 90, 60), np.stack([grey] * 3, -1))
