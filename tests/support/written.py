"""A small dataset of slides, written to disk as a user would write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.datasets.dataset import Dataset, load_dataset

CARD: dict[str, Any] = {
    "name": "tiny",
    "title": "Tiny",
    "description": "Six slides of five patients.",
    "licence": "CC0",
    "get": "Download it from example.org and unpack it.",
    "classes": ["normal", "tumor"],
    "counts": {"slides": 6, "patients": 5, "normal": 3, "tumor": 3},
    "source": {
        "kind": "slides",
        "layouts": {
            "folders": ["training/normal/{slide}.tif", "training/tumor/{slide}.tif", "testing/images/{slide}.tif"],
            "flat": ["images/{slide}.tif"],
        },
        "annotations": ["annotations/{slide}.xml"],
    },
    # Its single validation slide chooses nothing.
    "protocols": {
        "official": {"title": "Official", "splits": "splits/official.csv", "select": "last", "threshold": "argmax"}
    },
    "default_protocol": "official",
    "inputs": [{"kind": "features", "encoder": "resnet50.tv_in1k", "mpp": [0.5], "tile_px": 256}],
    "errata": [
        {
            "slides": ["normal_086"],
            "what": "Was labelled wrongly.",
            "action": "Re-issued as tumor_111.",
            "source": "release notes",
        }
    ],
}
LABELS = """slide,patient,label,centre
normal_001,p1,normal,A
normal_002,p1,normal,A
tumor_001,p2,tumor,A
tumor_002,p3,tumor,B
test_001,p4,normal,B
test_002,p5,1,None
"""
SPLITS = """repeat,fold,slide,part
0,0,normal_001,train
0,0,normal_002,train
0,0,tumor_001,train
0,0,tumor_002,val
0,0,test_001,test
0,0,test_002,test
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the dataset folder; parts can be replaced, fields of the card changed, or left out with ``...``."""

    def writer(folder: str = "tiny", *, labels: str = LABELS, splits: str = SPLITS, card: Any = None) -> Path:
        target = tmp_path / folder
        (target / "splits").mkdir(parents=True, exist_ok=True)
        fields = {key: value for key, value in (CARD | (card or {})).items() if value is not ...}
        (target / "card.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
        (target / "labels.csv").write_text(labels, encoding="utf-8")
        (target / "splits" / "official.csv").write_text(splits, encoding="utf-8")
        return target

    return writer


@pytest.fixture
def tiny(write: Write) -> Dataset:
    return load_dataset(write())


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The slides in the release's first layout, written in its old letter case."""
    root = tmp_path / "data"
    for name in (
        "training/normal/Normal_001.tif",
        "training/normal/Normal_002.tif",
        "training/tumor/Tumor_001.tif",
        "training/tumor/Tumor_002.tif",
        "testing/images/Test_001.tif",
        "testing/images/Test_002.TIF",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"II*\0 not really a slide")
    return root
