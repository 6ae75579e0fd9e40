from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.datasets.card import TissueSettings
from harness.slides.reader import open_slide
from harness.slides.tissue import find_tissue

SETTINGS = TissueSettings()


def _jpeg(picture: np.ndarray, quality: int = 60) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def _glass(colour: tuple[int, int, int], noise: float, *, height: int = 300, width: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    vignette = 1 - 0.06 * ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)
    return (np.array(colour) + rng.normal(0, noise, (height, width, 3))) * vignette[..., None]


def _disc(picture: np.ndarray, radius: int) -> np.ndarray:
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    return (x - picture.shape[1] / 2) ** 2 + (y - picture.shape[0] / 2) ** 2 < radius**2


@pytest.mark.parametrize(
    "colour", [(255, 255, 255), (243, 243, 243), (235, 228, 240), (225, 225, 215), (250, 240, 245)]
)
@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_glass_alone_has_no_tissue(colour: tuple[int, int, int], noise: float) -> None:
    assert find_tissue(_jpeg(_glass(colour, noise)), 8.0, SETTINGS).mask.sum() == 0


@pytest.mark.parametrize("glass", [(255, 255, 255), (243, 243, 243), (235, 228, 240)])
@pytest.mark.parametrize("stain", [(0.93, 0.85, 0.93), (0.96, 0.88, 0.95)])
def test_a_speck_of_faint_tissue_on_an_empty_slide_is_found(
    glass: tuple[int, int, int], stain: tuple[float, float, float]
) -> None:
    picture = _glass(glass, 2.0)
    disc = _disc(picture, 12)
    picture[disc] *= stain
    mask = find_tissue(_jpeg(picture), 8.0, SETTINGS).mask
    assert mask[disc].mean() > 0.8
    assert mask[~disc].mean() < 0.01


def test_strong_stain_elsewhere_does_not_hide_pale_tissue() -> None:
    picture = _glass((243, 243, 243), 2.0)
    picture[:100, :200] *= (0.45, 0.2, 0.55)
    pale = _disc(picture, 30)
    picture[pale] = (225, 195, 215)
    assert find_tissue(_jpeg(picture), 8.0, SETTINGS).mask[pale].mean() > 0.9


def test_small_pieces_go_by_their_area_whatever_the_resolution() -> None:
    for mpp in (4.0, 8.0, 16.0):
        picture = _glass((243, 243, 243), 1.0)
        large, small = round(90 / mpp), round(40 / mpp)  # radii: 0.025 mm² and 0.005 mm²
        y, x = np.mgrid[:300, :400]
        for middle, radius in ((100, large), (300, small)):
            picture[(x - middle) ** 2 + (y - 150) ** 2 <= radius**2] *= (0.8, 0.5, 0.7)
        mask = find_tissue(picture.clip(0, 255).astype(np.uint8), mpp, SETTINGS).mask
        assert mask[150, 100]
        assert not mask[:, 200:].any()


def test_small_holes_are_filled_and_large_ones_stay_open() -> None:
    picture = _glass((243, 243, 243), 1.0)
    tissue = _disc(picture, 120)
    picture[tissue] *= (0.8, 0.5, 0.7)
    y, x = np.mgrid[:300, :400]
    small, large = (x - 150) ** 2 + (y - 150) ** 2 < 8**2, (x - 230) ** 2 + (y - 150) ** 2 < 30**2
    picture[small | large] = 243
    mask = find_tissue(picture.clip(0, 255).astype(np.uint8), 8.0, SETTINGS).mask
    assert mask[small].all()
    assert mask[large].mean() < 0.2


def test_black_background_is_no_tissue_and_needs_no_ink_check() -> None:
    settings = TissueSettings(background="black")
    picture = np.abs(np.random.default_rng(0).normal(0, 3, (300, 400, 3)))
    disc = _disc(picture, 60)
    picture[disc] = (190, 110, 160)
    found = find_tissue(_jpeg(picture), 8.0, settings)
    assert found.mask[disc].mean() > 0.95
    assert found.mask[~disc].mean() < 0.02
    assert found.pen_mm2 == {}


@pytest.mark.parametrize("value", [0, 128, 255])
def test_uniform_pictures_down_to_a_single_pixel_have_no_tissue(value: int) -> None:
    for shape in ((1, 1, 3), (60, 80, 3)):
        assert not find_tissue(np.full(shape, value, np.uint8), 8.0, SETTINGS).mask.any()


@pytest.mark.parametrize(
    ("name", "ink"),
    [("green", (20, 140, 110)), ("green", (40, 170, 60)), ("blue", (30, 70, 190)), ("black", (25, 22, 26))],
)
def test_ink_is_left_out_and_reported(name: str, ink: tuple[int, int, int], draw: Callable[..., np.ndarray]) -> None:
    picture = draw(400, 300).astype(float)
    picture[40:260, 190:215] = ink
    found = find_tissue(_jpeg(picture, 85), 8.0, SETTINGS)
    assert set(found.pen_mm2) == {name}
    assert found.pen_mm2[name] == pytest.approx(220 * 25 * 64e-6, rel=0.5)
    assert not found.mask[45:255, 192:213].any()
    assert found.mask[150, 150]
    assert any(name in note for note in found.notes)


def test_stained_tissue_is_not_taken_for_ink(shared: Path) -> None:
    for name, mpp in (("CMU-1-Small-Region.svs", None), ("TCGA-CR-7395-01A-01-TS1.svs", 0.5)):
        with open_slide(shared / "datasets/real/wsi" / name, mpp=mpp) as slide:
            found = find_tissue(slide.thumbnail(8.0), 8.0, SETTINGS)
        assert found.pen_mm2 == {}
        assert found.notes == ()
        assert 0.3 < found.mask.mean() < 0.7


def test_real_pen_marks(shared: Path) -> None:
    thumbnails = shared / "datasets/real/thumbnails"
    with open_slide(thumbnails / "tcga-green-pen.png", mpp=2.0) as slide:
        found = find_tissue(slide.thumbnail(8.0), 8.0, SETTINGS)
    assert set(found.pen_mm2) == {"green"}
    assert not found.mask[30:120, 50:52].all()
    assert found.mask[:, 110:].mean() > 0.95
    band = np.zeros(found.mask.shape, bool)
    band[100:, 50:68] = True
    assert found.mask[band].mean() < 0.1
    with open_slide(thumbnails / "diagnostic-slide-thumb-rgb.png", mpp=40.0) as slide:
        found = find_tissue(slide.thumbnail(40.0), 40.0, SETTINGS)
    assert set(found.pen_mm2) == {"green", "black"}
    assert 0.4 < found.mask.mean() < 0.6


def test_wrong_colours_are_noted(shared: Path, draw: Callable[..., np.ndarray]) -> None:
    with open_slide(shared / "datasets/real/wsi/dicom_cmu-1-small-region") as slide:
        found = find_tissue(slide.thumbnail(8.0), 8.0, SETTINGS)
    assert "colours look wrong" in found.notes[0]
    assert "YCbCr" in found.notes[0]
    assert find_tissue(draw(200, 200), 8.0, SETTINGS).notes == ()
