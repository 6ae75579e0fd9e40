"""How slides are read is recorded, and tells units from one another where pixels differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from support.tiled import write_tiled
from support.toy_slides import N_SLIDES, write_toy_slides

from harness.datasets.card import InputSettings
from harness.datasets.dataset import Dataset, load_dataset
from harness.sources.inputs import Inputs
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening


@pytest.fixture
def specimens(tmp_path: Path) -> Dataset:
    """Toy slides of JPEG tiles, but for the first, which is a PNG."""
    folder = write_toy_slides(tmp_path / "specimens")
    for path in sorted((folder / "slides").iterdir())[1:]:
        write_tiled(path.with_suffix(".tif"), np.asarray(Image.open(path)), tile=(48, 48), mpp=1.0)
        path.unlink()
    card = yaml.safe_load((folder / "card.yaml").read_text())
    card["source"]["layouts"] = {"flat": ["slides/{slide}.png", "slides/{slide}.tif"]}
    (folder / "card.yaml").write_text(yaml.safe_dump(card))
    return load_dataset(folder)


def _open(dataset: Dataset, **how: str) -> Inputs:
    settings = InputSettings(kind="tiles", encoder="random:conv64", mpp=(2.0,), tile_px=24, **how)
    return open_inputs(
        dataset,
        Opening(
            settings=settings,
            slides=dataset.slides,
            data_root=None,
            cache=dataset.folder / "cache",
            workers=0,
            device=torch.device("cpu"),
        ),
    )


def test_reader_and_resampler_of_every_slide_are_in_the_record_and_other_pixels_are_other_units(
    specimens: Dataset,
) -> None:
    plain, other = _open(specimens), _open(specimens, align="tiles", resampler="dct")
    direct = f"direct: {N_SLIDES - 1} of {N_SLIDES} slides, plain: 1 of {N_SLIDES} slides"
    assert plain.sources.basis["readers"] == other.sources.basis["readers"] == direct
    assert plain.sources.basis["resamplers"] == f"level: {N_SLIDES} of {N_SLIDES} slides"
    counts = f"dct: {N_SLIDES - 1} of {N_SLIDES} slides, level: 1 of {N_SLIDES} slides"
    assert other.sources.basis["resamplers"] == counts
    assert plain.identity != other.identity
    assert plain.fingerprint == other.fingerprint
    bags = [inputs.access.bags(specimens.slides[1:2]) for inputs in (plain, other)]
    assert all(np.asarray(bag.coords(0)).size for bag in bags)
    assert (np.asarray(bags[1].coords(0)) % 48 == 0).all()
    assert bags[0].read(0)[0].shape == bags[1].read(0)[0].shape == (3, 24, 24)
