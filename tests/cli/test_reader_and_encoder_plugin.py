"""A slide reader and a tile encoder in one file outside the repository: prepared, read and encoded by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.installed import forget_plugins, installed
from support.outside_slides import SOURCE, write_outside_slides

from harness.core.errors import DataError, UsageError
from harness.datasets.slide_files import slide_files
from harness.encoders import build_encoder, parse_name, weights_sha256
from harness.encoders.registry import encoder_identity, weights_files
from harness.plugins.kinds import registry_of
from harness.slides.index import SlideIndex
from harness.slides.reader import open_slide
from harness.slides.reader_registry import reader_identity

POINTS = {"harness.readers": {"npz_pyramid": "Pyramid"}, "harness.encoders": {"colours": "Colours"}}


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    forget_plugins()
    (tmp_path / "outside.py").write_text(SOURCE)
    yield tmp_path / "outside.py"
    forget_plugins()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    with installed(tmp_path / "site", monkeypatch, SOURCE, POINTS) as name:
        yield name


def test_slides_are_prepared_and_trained_on_by_a_plugin_file(bench, plugin: Path, tmp_path: Path) -> None:
    data = write_outside_slides(tmp_path / "specimens")
    refused = bench("prepare", str(data / "slides"))
    assert refused.code and "no slide found" in refused.err
    prepared = bench("prepare", str(data), "--plugin", str(plugin), "--workers", "2", "--out", "prepared")
    assert prepared.code == 0, prepared.err + prepared.out
    assert "12 ready" in prepared.out and "npz_pyramid" in prepared.out
    indices = [SlideIndex.load(path) for path in Path("prepared/index").glob("*.npz")]
    assert {index.reader for index in indices} == {"npz_pyramid 2"} and all(index.mpp == 1.0 for index in indices)
    found = bench("prepare", str(data / "slides"), "--plugin", str(plugin), "--tile-mpp", "1", "--tile-px", "32")
    assert "12 ready" in found.out, found.err

    words = ("--method", "abmil", "--dataset", str(data), "--set", "epochs=2", "--fold", "0", "--workers", "2")
    ran = bench("run", "--plugin", str(plugin), *words)
    assert ran.code == 0, ran.err
    (path,) = Path("runs/units").glob("*/record.json")
    record = json.loads(path.read_text())
    assert record["spec"]["input"]["readers"] == "npz_pyramid 2"
    assert record["spec"]["input"]["encoder"] == "colours" and record["spec"]["input"]["encoder_version"] == "5"


def test_an_installed_reader_is_asked_for_its_files_alone(module: str, tmp_path: Path) -> None:
    data = write_outside_slides(tmp_path / "specimens")
    path = data / "slides/specimen_01.npz"
    assert reader_identity(path) == "npz_pyramid 2" and reader_identity(path.with_suffix(".svs")) == ""
    assert len(slide_files(data / "slides")) == 12
    with open_slide(path) as slide:
        slide.check()
        whole, half = slide.read_region(0, 0, 320, 320, 320, 320), slide.read_region(0, 0, 320, 320, 160, 160)
        assert slide.vendor == "npz_pyramid" and slide.mpp == 1.0 and len(slide.level_downsamples) == 2
    with np.load(path) as file:
        assert np.array_equal(whole, file["level_0"]) and np.array_equal(half, file["level_1"])


def test_two_readers_of_one_suffix_are_named(module: str, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(SOURCE.replace('"npz_pyramid"', '"npz_other"').replace('"colours"', '"colours2"'))
    registry_of("readers").use_plugin(str(other))
    with pytest.raises(UsageError, match="npz_other, npz_pyramid") as refused:
        reader_identity(tmp_path / "x.npz")
    assert module in refused.value.place and "other.py" in refused.value.place


def test_an_installed_encoder_is_built_by_name_drawn_from_the_seed_or_read_from_a_file(
    module: str, tmp_path: Path
) -> None:
    import torch

    hashes = [weights_sha256(build_encoder("colours", tile_px=32, seed=seed)) for seed in (1, 1, 2)]
    assert hashes[0] == hashes[1] != hashes[2]
    made = build_encoder("colours", tile_px=32, seed=1)
    assert made.encode(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape == (2, 6)
    torch.save(made.body.state_dict(), tmp_path / "weights.pt")
    name = f"file:colours={tmp_path / 'weights.pt'}"
    loaded = build_encoder(name, tile_px=32, seed=2)
    assert weights_sha256(loaded) == hashes[0] and loaded.name == name
    assert weights_files(parse_name(name)) == [tmp_path / "weights.pt"]
    assert encoder_identity(parse_name(name)) == {"encoder_version": "5"} and not encoder_identity(parse_name("conv64"))
    with pytest.raises(UsageError, match="cannot be cut"):
        build_encoder("colours@layer2", tile_px=32, seed=1)
    (tmp_path / "weights.pt").write_bytes(b"none")
    with pytest.raises(DataError):
        build_encoder(name, tile_px=32, seed=2)


def test_what_is_broken_is_listed_with_its_reason(bench, tmp_path: Path) -> None:
    source = SOURCE.replace('suffixes = (".npz",)', "suffixes = ()").replace("def build(", "def make(")
    (tmp_path / "broken.py").write_text(source)
    listed = bench("plugins", "list", "--plugin", "broken.py")
    forget_plugins()
    assert "does not say what it opens" in listed.out and "lacks build" in listed.out
    assert all(name in listed.out for name in ("openslide", "conv64", "classification", "feature_folder", "musk1"))
