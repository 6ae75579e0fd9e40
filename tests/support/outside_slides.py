"""A plugin with a slide reader and a tile encoder, and a dataset of slides in a format that only it opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from support.toy_slides import write_toy_slides

SOURCE = '''
import numpy as np
from PIL import Image

from harness import Encoder, SlideReader


class Pyramid(SlideReader):
    """A slide in an .npz: an array (H, W, 3) for every level."""

    name = "npz_pyramid"
    suffixes = (".npz",)
    version = 2

    def __init__(self, path, *, mpp=None):
        with np.load(path, allow_pickle=False) as file:
            self.levels = [file[f"level_{k}"] for k in range(len(file.files) - 1)]
            stated = float(file["mpp"])
        height, width = self.levels[0].shape[:2]
        factors = tuple(width / level.shape[1] for level in self.levels)
        super().__init__(path, size=(width, height), downsamples=factors, stated_mpp=stated, mpp=mpp)

    def region(self, x0, y0, level, width, height):
        image, factor = Image.fromarray(self.levels[level]), self.level_downsamples[level]
        x, y = round(x0 / factor), round(y0 / factor)
        ground = Image.new("RGB", (width, height), "white")
        ground.paste(image, (-x, -y))
        return ground


class Colours(Encoder):
    """A small convolution and a pool."""

    name = "colours"
    version = 5

    def build(self, tile_px):
        from torch import nn

        from harness import TileEncoder

        body = nn.Sequential(nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return TileEncoder(body, name=self.name, dim=6, mean=(0.5,) * 3, std=(0.5,) * 3)
'''


def write_outside_slides(folder: Path) -> Path:
    """The toy slides as ``.npz`` of two levels at 1 micron per pixel; tiles of 32 pixels, encoder ``colours``."""
    write_toy_slides(folder)
    for path in sorted((folder / "slides").iterdir()):
        image = Image.open(path)
        levels = [image, image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)]
        arrays = {f"level_{k}": np.asarray(level) for k, level in enumerate(levels)}
        np.savez_compressed(path.with_suffix(".npz"), mpp=1.0, **arrays)
        path.unlink()
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["source"] = {"kind": "slides", "layouts": {"npz": ["slides/{slide}.npz"]}, "root": "."}
    card["inputs"] = [{"kind": "tiles", "encoder": "colours", "mpp": [1.0], "tile_px": 32}]
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder
