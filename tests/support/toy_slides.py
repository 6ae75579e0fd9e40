"""A tiny dataset of drawn slides: flat images in which positive slides hold a darker, bluer square of tissue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

N_SLIDES = 12
ONLY_IN_SECOND = "specimen_11"
"""A slide that the second fold tests and the first one does not use."""


def write_toy_slides(folder: Path) -> Path:
    """A dataset folder named ``specimens`` with its slides in ``slides``; tiles of 32 pixels, encoder ``conv64``."""
    (folder / "slides").mkdir(parents=True)
    names = [f"specimen_{k:02d}" for k in range(N_SLIDES)]
    for k, name in enumerate(names):
        _draw(folder / "slides" / f"{name}.png", positive=k % 2 == 1, seed=k)
    rows = "".join(f"{name},patient{k},{k % 2}\n" for k, name in enumerate(names))
    (folder / "labels.csv").write_text("slide,patient,label\n" + rows)
    parts = [(fold, name, _part(fold, k)) for fold in range(2) for k, name in enumerate(names)]
    lines = [f"0,{fold},{name},{part}\n" for fold, name, part in parts if fold or name != ONLY_IN_SECOND]
    (folder / "splits.csv").write_text("repeat,fold,slide,part\n" + "".join(lines))
    (folder / "card.yaml").write_text(yaml.safe_dump(_card()))
    return folder


def _part(fold: int, k: int) -> str:
    turn = k // 2 if fold == 0 else 5 - k // 2
    return {0: "test", 1: "val"}.get(turn, "train")


def _draw(path: Path, *, positive: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = np.full((320, 320, 3), 244, np.uint8)
    # Every slide has pieces of its own, so that no two look alike.
    for x, y, width, height in rng.integers((0, 0, 64, 64), (256, 256, 128, 128), (4, 4)):
        piece = pixels[y : y + height, x : x + width]
        piece[:] = rng.integers((170, 70, 140), (230, 150, 210), piece.shape)
    pixels[128:192, 128:192] = rng.integers((60, 30, 120) if positive else (170, 70, 140), 230, (64, 64, 3))
    Image.fromarray(pixels).save(path)


def _card() -> dict[str, object]:
    return {
        "name": "specimens",
        "title": "Drawn specimens",
        "description": "Drawn for tests.",
        "licence": "none",
        "get": "They are drawn by the tests.",
        "classes": ["negative", "positive"],
        "counts": {"slides": N_SLIDES},
        "source": {"kind": "slides", "layouts": {"flat": ["slides/{slide}.png"]}, "root": ".", "mpp": 1.0},
        "protocols": {"cv2": {"title": "two folds", "splits": "splits.csv"}},
        "default_protocol": "cv2",
        "inputs": [
            {"kind": "features", "encoder": "random:conv64", "mpp": [1.0], "tile_px": 32},
            {"kind": "tiles", "encoder": "random:conv64", "mpp": [1.0], "tile_px": 32},
        ],
    }
