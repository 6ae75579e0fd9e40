"""``bench features``: what is in the cache is listed, shown, written out for other tools and removed."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from harness.features.declared import Declared
from harness.features.formats.base import Facts
from harness.features.formats.detect import detect
from harness.features.packing import Packing

TRIDENT = {"patch_size": 256, "patch_size_level0": 512, "target_magnification": 20}


@pytest.fixture
def packed(tmp_path: Path) -> dict[str, np.ndarray]:
    """A set in the cache, and one whose pass did not finish."""
    rng = np.random.default_rng(0)
    bags = {f"S{number}": rng.normal(size=(4 + number, 8)).astype(np.float16) for number in range(3)}
    (tmp_path / "given").mkdir()
    for slide, rows in bags.items():
        with h5py.File(tmp_path / "given" / f"{slide}.h5", "w") as file:
            file["features"], file["coords"] = rows, 512 * np.arange(2 * len(rows)).reshape(-1, 2)
            file["coords"].attrs.update(TRIDENT)
    found = detect(tmp_path / "given")
    packing = Packing(found, {file.slide: file for file in found.files}, Declared(Facts(encoder="my_net")))
    packing.run(tmp_path / "cache" / "mine" / "features" / "trident-my_net-float16-0")
    (tmp_path / "cache" / "mine" / "features" / "torn").mkdir()
    (tmp_path / "cache" / "mine" / "features" / "torn" / "journal.jsonl").write_text("{}\n")
    return bags


def test_sets_are_listed_and_shown(packed, bench) -> None:
    listed = bench("features", "list")
    assert "trident-my_net-float16-0" in listed.out
    assert "not finished" in listed.out
    shown = bench("features", "show", "trident-my_net-float16-0").out
    for words in ("my_net", "15 of 3 slides; side 256 px", "unknown", "magnification"):
        assert words in shown
    assert bench("features", "show", "trident-my_net").code == 2


def test_what_is_exported_is_read_again_as_it_was(packed, bench, tmp_path: Path) -> None:
    for layout in ("trident", "clam"):
        name = "trident-my_net-float16-0"
        done = bench("features", "export", name, "--format", layout, "--to", str(tmp_path / layout))
        assert done.code == 0, done.err
        found = detect(tmp_path / layout)
        assert found.name == layout
        for file in found.files:
            slide = found.read(file)
            np.testing.assert_array_equal(slide.features, packed[file.slide])
            np.testing.assert_array_equal(slide.coords, 512 * np.arange(2 * len(slide.features)).reshape(-1, 2))
            if layout == "trident":
                assert slide.side == 512
                assert slide.facts.stated() == {"encoder": "my_net", "tile_px": 256, "magnification": 20}
    assert torch.load(tmp_path / "clam" / "pt_files" / "S0.pt", weights_only=True).dtype == torch.float32


def test_sets_are_removed_on_request_alone(packed, bench, tmp_path: Path) -> None:
    place = tmp_path / "cache" / "mine" / "features"
    assert bench("features", "clean").code == 2
    assert len(list(place.iterdir())) == 2
    assert "removed mine/torn" in bench("features", "clean", "--unfinished").out
    assert [path.name for path in place.iterdir()] == ["trident-my_net-float16-0"]
    assert bench("features", "clean", "--dataset", "mine").code == 0
    assert list(place.iterdir()) == []


def test_fetched_sets_are_listed_and_removed_too(packed, bench, tmp_path: Path) -> None:
    place = tmp_path / "cache" / "mine" / "fetched"
    for name in ("uni", "broken"):
        (place / name / ("ab" * 6)).mkdir(parents=True)
    (place / "uni" / ("ab" * 6) / "S0.pt").symlink_to(tmp_path / "given" / "S0.h5")
    about = {"hub": "some/where", "commit": "ab" * 20, "folder": "ab" * 6, "missing": []}
    (place / "uni" / "set.json").write_text(json.dumps(about))
    listed = {row["set"]: row for row in json.loads(bench("features", "list", "--json").out)}
    assert listed["uni"]["state"] == "fetched, some/where at abababababab" and listed["uni"]["bytes"] < 500
    assert listed["broken"]["state"] == "not finished" and listed["trident-my_net-float16-0"]["state"] == "packed"
    bench("features", "clean", "--unfinished")
    assert [path.name for path in place.iterdir()] == ["uni"]
    assert "removed mine/uni" in bench("features", "clean", "uni").out
    assert not list(place.iterdir()) and (tmp_path / "given" / "S0.h5").exists()
    assert (tmp_path / "cache" / "mine" / "features" / "trident-my_net-float16-0").exists()
