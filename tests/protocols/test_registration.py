"""Thumbnails of the same tissue are found after what scanners and microtomes do; different tissue is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from harness.protocols.registration import describe, find_copies

SIDE = 256
DRAW = np.random.default_rng(5)


def tissue(seed: int) -> np.ndarray:
    """An oval piece with structure of several sizes inside, on glass."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    turn = draw.uniform(0, np.pi)
    a, b = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    wobble = ndimage.gaussian_filter(draw.normal(size=(SIDE, SIDE)), 24)
    inside = (a / draw.uniform(0.28, 0.36)) ** 2 + (b / draw.uniform(0.22, 0.3)) ** 2 + 0.15 * wobble / wobble.std() < 1
    structure = sum(ndimage.gaussian_filter(draw.normal(size=(SIDE, SIDE)), sigma) * sigma * 2 for sigma in (2, 4, 8))
    amount = (inside * (0.6 + 0.2 * structure).clip(0.2, 1.2))[..., None]
    picture = 243 - amount * np.array([90.0, 170.0, 80.0]) + draw.normal(0, 2, (SIDE, SIDE, 3))
    return picture.clip(0, 255).astype(np.uint8)


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    return ndimage.rotate(picture, degrees, axes=(0, 1), reshape=False, order=1, cval=243)


def shifted(picture: np.ndarray, down: float, across: float) -> np.ndarray:
    return ndimage.shift(picture, (down * SIDE, across * SIDE, 0), order=1, cval=243)


def rescanned(picture: np.ndarray) -> np.ndarray:
    mixed = 255 * (picture / 255) ** 1.25 @ np.array([[0.95, 0.05, 0.0], [0.1, 0.85, 0.05], [0.0, 0.1, 0.9]])
    image = Image.fromarray(mixed.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1.0))
    return np.asarray(image.resize((int(0.7 * image.width), int(0.7 * image.height))))


def next_section(picture: np.ndarray) -> np.ndarray:
    fields = [ndimage.gaussian_filter(DRAW.normal(size=(SIDE, SIDE)), 20) for _ in range(2)]
    places = np.mgrid[:SIDE, :SIDE] + np.stack([0.01 * SIDE * field / field.std() for field in fields])
    moved = np.stack([ndimage.map_coordinates(picture[..., k], places, order=1, mode="nearest") for k in range(3)], 2)
    return rescanned(turned(moved, -9))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "turned by 7 degrees": lambda p: turned(p, 7),
    "turned by 120 degrees": lambda p: turned(p, 120),
    "shifted by 6 %": lambda p: shifted(p, 0.06, -0.06),
    "cropped by 3 %": lambda p: p[8:-8, 8:-8],
    "cropped on one side": lambda p: p[:, 8:],
    "scanned again": rescanned,
    "mirrored, turned by 33 degrees": lambda p: turned(p[:, ::-1], 33),
    "scanned again, turned, shifted": lambda p: rescanned(shifted(turned(p, -7), -0.06, 0.03)),
    "the next section": next_section,
}
OTHERS = [describe(tissue(seed)) for seed in range(8)]


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_tissue_is_found(change: str) -> None:
    copies = [describe(np.ascontiguousarray(CHANGES[change](tissue(seed)))) for seed in (1, 6)]
    found = {(i, j): value for i, j, value in find_copies([*OTHERS, *copies])}
    assert set(found) == {(1, 8), (6, 9)}
    assert all(value <= 1.0001 for value in found.values())


def test_different_tissue_is_not() -> None:
    assert list(find_copies(OTHERS)) == []


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_picture_of_nothing_has_no_tissue(value: int) -> None:
    blank = describe(np.full((60, 80, 3), value, np.uint8))
    assert blank is None
    assert list(find_copies([blank, OTHERS[0], None])) == []
    assert list(find_copies([])) == []


def test_real_slides_in_two_formats_and_real_slides_that_differ(shared) -> None:
    from harness.slides.reader import open_slide

    wsi = shared / "datasets/real/wsi"
    with open_slide(wsi / "CMU-1-Small-Region.svs") as svs, open_slide(wsi / "dicom_cmu-1-small-region") as dicom:
        pictures = [svs.thumbnail(8.0), dicom.thumbnail(8.0)]
    paths = sorted((shared / "datasets/real/thumbnails").iterdir())
    pictures.extend(np.asarray(Image.open(path).convert("RGB")) for path in paths)
    pictures.append(turned(rescanned(pictures[2]), 7))
    assert [(i, j) for i, j, _ in find_copies([describe(picture) for picture in pictures])] == [(0, 1), (2, 4)]
