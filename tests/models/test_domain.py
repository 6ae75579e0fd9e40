"""Whether other data is what a model was trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness import DataError, UsageError
from harness.bags.no_bags import NoBags
from harness.bags.source import Scale
from harness.datasets.card import DatasetCard, InputSettings
from harness.datasets.dataset import Dataset
from harness.models.description import Bags, FittedTask, ModelDescription, Origin
from harness.models.domain import check_domain, settings_for
from harness.models.find import Found

UNI = {"kind": "features", "encoder": "uni_v1", "mpp": [0.5], "tile_px": 256}


def model(source: str = "feature_folder", kind: str = "features", **settings: Any) -> Found:
    description = ModelDescription(
        method="abmil",
        method_version="1",
        params={},
        task=FittedTask(name="classification", values={}),
        bags=Bags(kind=kind, dim=1024 * (kind == "features"), scales=((0.5, 256),)),
        precision="fp32",
        root_seed=0,
        facts={},
        published={},
        normalised=False,
        weights_sha256="0" * 64,
    )
    origin = Origin(
        unit="one-r0f0",
        study="one",
        dataset="first",
        protocol="cv",
        repeat=0,
        fold=0,
        seed=0,
        classes=("no", "yes"),
        threshold=None,
        input=UNI | settings,
        source=source,
    )
    return Found(Path("nowhere"), description, origin)


def dataset(source: dict[str, object]) -> Dataset:
    content = {
        "name": "second",
        **dict.fromkeys(("title", "description", "licence", "get"), ""),
        "classes": ["no", "yes"],
        "counts": {},
        "source": source,
        "protocols": {},
        "default_protocol": "",
        "inputs": [],
    }
    return Dataset(DatasetCard.model_validate(content), Path(), ())


def folder(**facts: object) -> Dataset:
    return dataset({"kind": "feature_folder", "folder": "f", "format": "trident", "dim": 1024, **facts})


SLIDES = dataset({"kind": "slides", "layouts": {"flat": ["{slide}.svs"]}})


def compared(one: Found, other: Dataset, dim: int = 1024) -> tuple[str, ...]:
    return check_domain(one, other, settings_for(one, other), NoBags("features", dim, (Scale(0.0, 0),)))


def test_the_same_domain_in_another_spelling_passes():
    assert compared(model(), folder(encoder="UNI", mpp=0.5, tile_px=256)) == ()
    assert compared(model(), folder(encoder="uni_v1", mpp=0.4952, tile_px=256)) == ()


@pytest.mark.parametrize(
    ("facts", "both"),
    [
        ({"encoder": "conch_v1", "mpp": 0.5, "tile_px": 256}, ("uni_v1", "conch_v1")),
        ({"encoder": "uni_v1", "mpp": 1.0, "tile_px": 256}, ("0.5", "1")),
        ({"encoder": "uni_v1", "mpp": 0.5, "tile_px": 512}, ("256", "512")),
    ],
)
def test_what_contradicts_is_an_error_that_shows_both(facts, both):
    with pytest.raises(DataError) as caught:
        compared(model(), folder(**facts))
    assert all(one in caught.value.problem for one in both)


def test_another_width_is_an_error_that_shows_both():
    with pytest.raises(DataError, match="1024, that of the dataset 512"):
        compared(model(), folder(encoder="uni_v1"), dim=512)


def test_what_is_unknown_is_said():
    found = compared(model(), folder(encoder="uni_v1"))
    assert len(found) == 2 and all("unknown" in one for one in found)
    assert any("encoder of both" in one for one in compared(model(encoder="unknown"), folder()))


def test_slides_are_read_as_the_models_own_were_if_that_is_known():
    settings = settings_for(model(), SLIDES)
    assert settings == InputSettings(kind="features", encoder="uni_v1", mpp=(0.5,), tile_px=256)
    tiles = settings_for(model(align="tiles", resampler="dct"), SLIDES)
    assert (tiles.align, tiles.resampler) == ("tiles", "dct")
    with pytest.raises(UsageError, match="nobody says by which encoder"):
        settings_for(model(encoder="unknown"), SLIDES)
    with pytest.raises(UsageError, match="resolution"):
        settings_for(model(mpp=[]), SLIDES)


def test_a_model_of_tiles_cannot_read_features():
    with pytest.raises(UsageError, match="reads tiles, and dataset second offers features"):
        settings_for(model(source="slides", kind="tiles"), folder())
