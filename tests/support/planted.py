"""Slides of camelyon16-mini's own drawing with lesions that any method can see, and a method that looks for blue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from PIL import Image, ImageDraw

from harness.synthetic.asap import asap_xml
from harness.synthetic.paint import paint
from harness.synthetic.pyramid import write_pyramid

N_SLIDES, SIDE_PX, MPP = 8, 768, 0.5
BLUE = (20, 20, 235)

PLUGIN = '''
import torch
from torch import nn

from harness import Aggregator, BagOutput, Encoder, MethodCard, MILMethod, MILParams, TileEncoder
from harness.api import segment_softmax, segment_weighted_sum


class Blueness(nn.Module):
    def forward(self, x):
        return (x[:, 2:] - x[:, :1]).mean((2, 3))


class Blue(Encoder):
    """How blue a tile is."""

    name = "blue"
    version = 1

    def build(self, tile_px):
        return TileEncoder(Blueness(), name=self.name, dim=1, mean=(0.5,) * 3, std=(0.5,) * 3)


class Net(Aggregator):
    def __init__(self, n_classes):
        super().__init__()
        self.head = nn.Linear(1, n_classes)

    def forward(self, bags):
        weights = segment_softmax(20 * bags.x[:, 0], bags.offsets)
        return BagOutput(self.head(segment_weighted_sum(weights, bags.x, bags.offsets)), weights)


class Seeker(MILMethod):
    """Attends to what is blue."""

    card = MethodCard(name="seeker", title="Seeker", paper="none", attention=True)

    class Params(MILParams):
        epochs: int = 1

    def aggregator(self, dim):
        return Net(self.task.n_classes)
'''


def write_planted(folder: Path) -> Path:
    """A dataset ``planted``: every second slide has its drawn lesions in blue, outlined in ``lesions`` as ASAP does."""
    names = [f"planted_{k}" for k in range(N_SLIDES)]
    for name in ("slides", "lesions"):
        (folder / name).mkdir(parents=True)
    for k, name in enumerate(names):
        painted = paint(k, side_px=SIDE_PX, mpp=MPP, center="RUMC", metastasis="macro" if k % 2 else None)
        image = Image.fromarray(painted.image)
        if k % 2:
            anatomy = painted.anatomy
            for outline in anatomy.lesions:
                ImageDraw.Draw(image).polygon([tuple(corner) for corner in (outline / MPP).tolist()], fill=BLUE)
            (folder / f"lesions/{name}.xml").write_text(asap_xml(anatomy.lesions, (), mpp=MPP))
        write_pyramid(folder / f"slides/{name}.tif", np.asarray(image), mpp=MPP, levels=2)
    rows = "".join(f"{name},{name},{k % 2}\n" for k, name in enumerate(names))
    (folder / "labels.csv").write_text("slide,patient,label\n" + rows)
    parts = ["train"] * 4 + ["val"] * 2 + ["test"] * 2
    lines = "".join(f"0,0,{name},{part}\n" for name, part in zip(names, parts, strict=True))
    (folder / "splits.csv").write_text("repeat,fold,slide,part\n" + lines)
    (folder / "card.yaml").write_text(yaml.safe_dump(_card()))
    return folder


def _card() -> dict[str, object]:
    return {
        "name": "planted",
        **dict.fromkeys(("title", "description", "get"), "Drawn by the tests."),
        "licence": "none",
        "classes": ["normal", "tumor"],
        "counts": {"slides": N_SLIDES},
        "source": {
            "kind": "slides",
            "layouts": {"flat": ["slides/{slide}.tif"]},
            "annotations": ["lesions/{slide}.xml"],
            "root": ".",
        },
        "protocols": {"one": {"title": "one split", "splits": "splits.csv"}},
        "default_protocol": "one",
        "inputs": [{"kind": "features", "encoder": "blue", "mpp": [1.0], "tile_px": 32}],
        "tissue": {"mpp": 4.0, "min_area_mm2": 0.003},
    }
