"""Pairs of slides that are suspected are computed once for the same thumbnails, and again where that was damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from harness.slides import side_by_side
from harness.slides.side_by_side import LONGEST, compare_slides, save_thumbnail


def picture(seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:200, :240]
    inside = ((y - 100) / 70) ** 2 + ((x - 120) / (60 + 3 * seed)) ** 2 < 1
    structure = ndimage.gaussian_filter(draw.normal(size=(200, 240)), 3) * 6
    amount = (inside * (0.6 + 0.3 * structure).clip(0.2, 1.2))[..., None]
    return (243 - amount * np.array([90.0, 170.0, 80.0])).clip(0, 255).astype(np.uint8)


@pytest.fixture
def thumbnails(tmp_path: Path) -> dict[str, Path]:
    turned = ndimage.rotate(picture(0), 7, axes=(0, 1), reshape=False, order=1, cval=243)
    pictures = {"a/1": picture(0), "b": picture(1), "c": picture(2), "d": turned}
    paths = {slide: tmp_path / "thumbnails" / f"{number}.jpg" for number, slide in enumerate(pictures)}
    for slide, path in paths.items():
        save_thumbnail(path, pictures[slide])
    return paths


def test_suspected_pairs_are_computed_once(thumbnails, tmp_path: Path, monkeypatch) -> None:
    hashes = dict.fromkeys(thumbnails, "")
    first = compare_slides(hashes, thumbnails, tmp_path / "suspected")
    assert [pair.pair for pair in first.suspected] == [frozenset({"a/1", "d"})]
    described = []
    real = side_by_side.describe
    monkeypatch.setattr(side_by_side, "describe", lambda image: described.append(image) or real(image))
    assert compare_slides(hashes, thumbnails, tmp_path / "suspected") == first
    assert described == []
    (tmp_path / "suspected" / "suspected.json").write_text("{")
    assert compare_slides(hashes, thumbnails, tmp_path / "suspected") == first
    assert len(described) == 4
    save_thumbnail(thumbnails["d"], picture(3))
    assert compare_slides(hashes, thumbnails, tmp_path / "suspected").suspected == ()


def test_thumbnails_are_small_and_keep_their_proportions(tmp_path: Path) -> None:
    save_thumbnail(tmp_path / "t.jpg", np.full((500, 2000, 3), 200, np.uint8))
    with Image.open(tmp_path / "t.jpg") as image:
        assert image.size == (LONGEST, LONGEST // 4)
