"""``bench run --memory-limit``: a small dataset of tiles under less and less memory."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

LINE = "run --method mean_pool --dataset {} --device cpu --out runs --preset none --set epochs=2 --set batch_size=4"


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    """A dataset of 16 bags of 30 patches of 27 x 27, with its files beside its card."""
    folder = tmp_path / "bits"
    (folder / "pics").mkdir(parents=True)
    rng, slides = np.random.default_rng(0), [f"s{k:02d}" for k in range(16)]
    table = ["image,slide,of\n"]
    for slide in slides:
        for k in range(30):
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (27, 27, 3), np.uint8)).save(file, "png")
            (folder / "pics" / f"{slide}-{k}.png").write_bytes(file.getvalue())
            table.append(f"{slide}-{k}.png,{slide},{k % 2}\n")
    (folder / "tiles.csv").write_text("".join(table))
    (folder / "labels.csv").write_text(
        "slide,patient,label\n" + "".join(f"{slide},{slide},{k % 2}\n" for k, slide in enumerate(slides))
    )
    part = ["test"] * 4 + ["val"] * 4 + ["train"] * 8
    (folder / "splits.csv").write_text(
        "repeat,fold,slide,part\n" + "".join(f"0,0,{slide},{p}\n" for slide, p in zip(slides, part, strict=True))
    )
    card = {
        "name": "bits",
        "title": "Bits",
        "description": "Drawn for tests.",
        "licence": "none",
        "get": "It is drawn by the tests.",
        "classes": ["0", "1"],
        "counts": {"slides": 16},
        "source": {
            "kind": "patches",
            "tables": ["tiles.csv"],
            "images": ["pics/{image}"],
            "columns": {"image": "image", "slide": "slide", "patient": "slide", "instance_label": "of"},
            "tile_px": 27,
        },
        "protocols": {"one": {"title": "one fold", "splits": "splits.csv"}},
        "default_protocol": "one",
        "inputs": [{"kind": "tiles", "encoder": "conv27", "tile_px": 27}],
    }
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return folder


def _records(tmp_path: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((tmp_path / "runs" / "units").glob("*/record.json"))]


def test_a_unit_fits_or_fails_with_the_slide_and_the_fix(bench, patches, tmp_path: Path):
    line = LINE.format(patches) + f" --data-root {patches}"
    failed = bench(f"{line} --memory-limit 4KB")
    assert failed.code == 1
    assert re.search(r"slide is s\d\d with 30 tiles", failed.err)
    assert "--memory-limit" in failed.err
    assert "tiles_per_bag" in failed.err
    assert _records(tmp_path) == []
    (folder,) = (tmp_path / "runs" / "units").iterdir()
    made = bench(f"{line} --memory-limit 20GB")
    assert made.code == 0, made.err
    (record,) = _records(tmp_path)
    assert record["unit_id"] == folder.name, "the limit is no part of a unit's identity"
    memory = record["compute"]["memory"]
    assert memory["available_mb"] == 20_000.0
    assert 0 < memory["measured_mb"] < 20_000
    assert "memory" not in record["scores"]


def test_a_limit_that_is_no_size_is_refused(bench, toy_dataset):
    answer = bench(f"run --method mean_pool --dataset {toy_dataset} --memory-limit much")
    assert answer.code == 2
    problem, place, _ = answer.check_three_lines()
    assert (problem, place) == ("'much' is no amount of memory", "--memory-limit")
