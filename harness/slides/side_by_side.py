"""Comparing slides by their thumbnails, with a picture of both where they are suspected to be the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from harness.core.atomic import replacing, write_json
from harness.core.hashing import sha256_file, sha256_json
from harness.protocols.near_duplicates import Comparison, NearDuplicate, compare_thumbnails
from harness.protocols.registration import VERSION, describe, find_copies
from harness.slides.index import safe_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 512
"""Longest side of a thumbnail that is kept, in pixels."""
_GAP = 16
_WORDS = 20


def save_thumbnail(path: Path, picture: NDArray[np.uint8]) -> None:
    """Keep a whole slide's picture (H, W, 3), at most 512 pixels across, as JPEG, atomically."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.BOX)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        image.save(temporary, "JPEG", quality=92)


def compare_slides(hashes: Mapping[str, str], thumbnails: Mapping[str, Path], pictures: Path) -> Comparison:
    """Find slides that are nearly the same, and suspect those that may show the same tissue.

    Args:
        hashes: slide id → perceptual hash; see :func:`harness.protocols.near_duplicates.compare_thumbnails`.
        thumbnails: slide id → what :func:`save_thumbnail` has written.
        pictures: folder for pictures of the suspected pairs, side by side; made when there are some.
    """
    near = compare_thumbnails(hashes)
    known = {pair.pair for pair in near.pairs}
    suspected = []
    for one, other, correlation in _registered(thumbnails, pictures / "suspected.json"):
        if frozenset((one, other)) in known:
            continue
        path = pictures / f"{safe_name(one)}--{safe_name(other)}.jpg"
        _save_pair(path, {slide: thumbnails[slide] for slide in (one, other)})
        suspected.append(NearDuplicate(one, other, "registration", correlation, path))
    return replace(near, suspected=tuple(suspected))


def _registered(thumbnails: Mapping[str, Path], kept: Path) -> list[tuple[str, str, float]]:
    """Pairs of slides and their correlation; of the same thumbnails they are computed once and ``kept``."""
    key = sha256_json([VERSION, {slide: sha256_file(path) for slide, path in thumbnails.items()}])
    try:
        earlier = json.loads(kept.read_text(encoding="utf-8"))
        if earlier["key"] == key:
            return [(str(one), str(other), float(value)) for one, other, value in earlier["pairs"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or of no use: it is computed again
    slides = list(thumbnails)
    copies = find_copies([describe(_read(thumbnails[slide])) for slide in slides])
    pairs = [(slides[i], slides[j], correlation) for i, j, correlation in copies]
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_json(kept, {"key": key, "pairs": pairs})
    return pairs


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _save_pair(path: Path, thumbnails: Mapping[str, Path]) -> None:
    images = {slide: Image.fromarray(_read(thumbnail)) for slide, thumbnail in thumbnails.items()}
    width = sum(image.width for image in images.values()) + _GAP
    both = Image.new("RGB", (width, max(image.height for image in images.values()) + _WORDS), "white")
    draw, across = ImageDraw.Draw(both), 0
    for slide, image in images.items():
        both.paste(image, (across, _WORDS))
        draw.text((across + 4, 4), slide.encode("ascii", "replace").decode(), fill="black")
        across += image.width + _GAP
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        both.save(temporary, "JPEG", quality=90)
