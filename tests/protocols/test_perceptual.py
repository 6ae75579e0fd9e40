"""The same slide is known again in another file, turned or re-encoded; different slides are not taken for one."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from harness.protocols.perceptual import LIMIT, distance, near_pairs, perceptual_hash


def tissue(seed: int, height: int = 260, width: int = 340) -> np.ndarray:
    """Pink blobs on white glass."""
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=(height, width)), 12)
    amount = np.clip((blobs - np.quantile(blobs, 0.6)) / blobs.std(), 0, 1)[..., None]
    picture = 243 - amount * np.array([60.0, 140.0, 70.0]) + rng.normal(0, 3, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8)


def as_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


CHANGES = {
    "re-encoded": lambda p: as_jpeg(p, 40),
    "brighter": lambda p: np.clip(p * 1.1, 0, 255).astype(np.uint8),
    "darker": lambda p: (p * 0.8).astype(np.uint8),
    "gamma": lambda p: (255 * (p / 255) ** 1.3).astype(np.uint8),
    "tinted": lambda p: (p * np.array([1.0, 0.9, 0.95])).astype(np.uint8),
    "half the size": lambda p: np.asarray(Image.fromarray(p).resize((p.shape[1] // 2, p.shape[0] // 2))),
    "blurred": lambda p: np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(1.5))),
    "turned by 90": lambda p: np.rot90(p),
    "turned by 180, re-encoded": lambda p: as_jpeg(np.rot90(p, 2), 60),
    "turned by 270": lambda p: np.rot90(p, 3),
    "mirrored": lambda p: p[:, ::-1],
    "upside down": lambda p: p[::-1],
    "transposed, darker": lambda p: (p.transpose(1, 0, 2) * 0.9).astype(np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_same_slide_changed(change: str) -> None:
    picture = tissue(0)
    other = perceptual_hash(np.ascontiguousarray(CHANGES[change](picture)))
    assert distance(perceptual_hash(picture), other) <= LIMIT


def test_a_hash_is_short_text_and_the_same_again() -> None:
    one = perceptual_hash(tissue(1))
    assert one == perceptual_hash(tissue(1).copy())
    assert len(one) == 64
    assert set(one) <= set("0123456789abcdef")
    assert distance(one, one) == 0


def test_different_slides_are_far_apart() -> None:
    hashes = [perceptual_hash(tissue(seed)) for seed in range(12)]
    assert min(distance(a, b) for a, b in combinations(hashes, 2)) > 2 * LIMIT
    assert list(near_pairs(hashes)) == []


def test_pairs_are_those_of_the_distance_whatever_the_order() -> None:
    pictures = [tissue(seed) for seed in range(4)]
    hashes = [perceptual_hash(np.ascontiguousarray(p)) for p in (*pictures, np.rot90(pictures[2]), pictures[0])]
    assert [(i, j) for i, j, _ in near_pairs(hashes)] == [(0, 5), (2, 4)]
    for i, j, bits in near_pairs(hashes, limit=255):
        assert bits == distance(hashes[i], hashes[j]) == distance(hashes[j], hashes[i])


def test_a_real_slide_in_two_formats_and_real_slides_that_differ(shared) -> None:
    from harness.slides.reader import open_slide

    wsi = shared / "datasets/real/wsi"
    with open_slide(wsi / "CMU-1-Small-Region.svs") as svs, open_slide(wsi / "dicom_cmu-1-small-region") as dicom:
        one, other = perceptual_hash(svs.thumbnail(8.0)), perceptual_hash(dicom.thumbnail(8.0))
    assert 0 < distance(one, other) <= LIMIT
    for path in sorted((shared / "datasets/real/thumbnails").iterdir()):
        assert distance(one, perceptual_hash(np.asarray(Image.open(path).convert("RGB")))) > 5 * LIMIT
