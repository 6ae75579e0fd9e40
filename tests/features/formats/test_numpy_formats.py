"""Owkin's and torchmil's ``.npy`` folders, plain NumPy files, parquet and LazySlide's stores."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from features.formats.conftest import names, read

from harness.core.errors import DataError, UsageError
from harness.features.formats.detect import detect
from harness.features.formats.owkin import has_addresses


def addressed(rows: np.ndarray, level: int = 15) -> np.ndarray:
    """Rows with a level and an address of their own before them."""
    numbers = np.arange(len(rows))
    head = np.stack([np.full(len(rows), level), 3 + numbers % 4, 7 + numbers // 4], axis=1)
    return np.concatenate([head, rows], axis=1).astype(np.float32)


def test_owkin_cuts_off_three_columns(tmp_path: Path, rng) -> None:
    rows = rng.normal(size=(9, 6)).astype(np.float32)
    for slide in ("Normal_001.tif", "Tumor_001.tif"):
        (tmp_path / "CAM16" / slide).mkdir(parents=True)
        np.save(tmp_path / "CAM16" / slide / "features.npy", addressed(rows))
    found = detect(tmp_path)
    assert (found.name, names(found)) == ("owkin", ["Normal_001.tif", "Tumor_001.tif"])
    slide = found.read(found.files[0])
    np.testing.assert_array_equal(slide.features, rows)
    assert slide.coords is None
    about = {"tile_size": 224, "tile_mpp": 0.98, "slide_size": [100_000, 60_000], "features_extractor": "WideResNet"}
    (tmp_path / "CAM16" / "Normal_001.tif" / "metadata.json").write_text(json.dumps(about))
    slide = read(tmp_path, "Normal_001.tif")
    np.testing.assert_array_equal(slide.coords[0], [3 * 224 * 4, 7 * 224 * 4])  # level 17 is the whole slide
    assert slide.facts.stated() == {"encoder": "WideResNet", "tile_px": 224, "mpp": 0.98}


def test_addresses_are_told_from_features(rng) -> None:
    rows = rng.normal(size=(50, 8)).astype(np.float32)
    assert has_addresses(addressed(rows))
    assert has_addresses(addressed(rows).astype(np.float16))
    assert not has_addresses(rows)
    assert not has_addresses(np.maximum(np.concatenate([np.zeros((50, 3), np.float32), rows], axis=1), 0))
    assert not has_addresses(np.rint(rows))


def test_torchmil(tmp_path: Path, rng) -> None:
    rows, corners = rng.normal(size=(4, 6)).astype(np.float32), rng.integers(0, 99, (4, 2))
    for part, values in (("features/features_UNI", rows), ("coords", corners), ("labels", np.array([1]))):
        (tmp_path / "patches_512" / part).mkdir(parents=True)
        np.save(tmp_path / "patches_512" / part / "S1.npy", values)
    found = detect(tmp_path)
    assert (found.name, found.hints.encoder, found.label(found.files[0])) == ("torchmil", "UNI", "1")
    slide = found.read(found.files[0])
    np.testing.assert_array_equal(slide.features, rows)
    np.testing.assert_array_equal(slide.coords, corners)


def test_plain_numpy_files(tmp_path: Path, rng) -> None:
    rows = rng.normal(size=(4, 6)).astype(np.float32)
    np.save(tmp_path / "a.npy", np.asfortranarray(rows))
    np.savez(tmp_path / "b.npz", features=rows.astype(">f8"), coords=np.zeros((4, 2), int))
    np.savez(tmp_path / "c.npz", rows)
    np.save(tmp_path / "d.npy", np.array([{}], dtype=object))
    np.save(tmp_path / "e.npy", rows)
    (tmp_path / "e.npy").write_bytes((tmp_path / "e.npy").read_bytes()[:-9])
    for slide in "abc":
        np.testing.assert_array_equal(read(tmp_path, slide).features, rows)
    for slide, words in (("d", "pickle"), ("e", "cut short")):
        with pytest.raises(DataError, match=words):
            read(tmp_path, slide)


def test_one_parquet_file_has_no_ids(tmp_path: Path, rng) -> None:
    bags = [addressed(rng.normal(size=(size, 6)).astype(np.float32)) for size in (5, 9)]
    frame = pd.DataFrame({"features": [bag.tolist() for bag in bags], "label": [0, 1]})
    frame.to_parquet(tmp_path / "Phikon_train.parquet", row_group_size=1)
    found = detect(tmp_path)
    assert (found.name, names(found)) == ("parquet", ["Phikon_train_0000", "Phikon_train_0001"])
    for file, bag in zip(found.files, bags, strict=True):
        np.testing.assert_allclose(found.read(file).features, bag[:, 3:], rtol=1e-6)
    assert [found.label(file) for file in found.files] == ["0", "1"]
    frame.assign(slide_id=["S1", "S2"]).to_parquet(tmp_path / "Phikon_train.parquet")
    assert names(detect(tmp_path)) == ["S1", "S2"]


def test_a_parquet_file_that_changes_is_read_again(tmp_path: Path, rng) -> None:
    for number, bag in enumerate(rng.normal(size=(2, 5, 6)).astype(np.float32)):
        frame = pd.DataFrame({"features": [bag.tolist()], "slide_id": ["S1"], "label": [number]})
        frame.to_parquet(tmp_path / "x.parquet")
        os.utime(tmp_path / "x.parquet", (number, number))
        np.testing.assert_allclose(read(tmp_path, "S1").features, bag, rtol=1e-6)
        found = detect(tmp_path)
        assert found.label(found.files[0]) == str(number)


def test_parquet_with_rows_of_different_widths_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"features": [[[1.0, 2.0], [3.0]]], "slide_id": ["S1"]})
    frame.to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="widths"):
        read(tmp_path, "S1")


def box(x: float, y: float, side: float) -> bytes:
    """A square as well-known binary."""
    ring = np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]], "<f8")
    return b"\1" + np.array([3, 1, len(ring)], "<u4").tobytes() + ring.tobytes()


@pytest.mark.parametrize("by_shape", [False, True])
def test_lazyslide_joins_by_tile_id(tmp_path: Path, rng, by_shape: bool) -> None:
    zarr = pytest.importorskip("zarr")
    rows = rng.normal(size=(3, 6)).astype(np.float32)
    store = zarr.open_group(str(tmp_path / "S1.zarr"), mode="w")
    store.attrs["tile_spec"] = {"tiles": {"width": 256, "height": 256, "mpp": 0.5, "base_width": 512}}
    table = store.create_group("tables/uni_tiles")
    table.create_array("X", data=rows)
    table.create_group("obs").create_array("tile_id", data=np.array([2, 0, 1]))
    store.create_group("shapes/tiles")
    places = [(0, 0), (512, 0), (0, 512)]
    frame = pd.DataFrame({"tile_id": [0, 1, 2]})
    if by_shape:
        frame["geometry"] = [box(x, y, 512) for x, y in places]
    else:
        frame["x"], frame["y"] = zip(*places, strict=True)
    frame.to_parquet(tmp_path / "S1.zarr" / "shapes" / "tiles" / "shapes.parquet")
    slide = read(tmp_path, "S1")
    np.testing.assert_array_equal(slide.features, rows)
    np.testing.assert_array_equal(slide.coords, [[0, 512], [0, 0], [512, 0]])
    assert slide.facts.stated() == {"encoder": "uni", "tile_px": 256, "mpp": 0.5}
    store.create_group("tables/conch_tiles").create_array("X", data=rows)
    with pytest.raises(UsageError, match="conch_tiles, uni_tiles"):
        detect(tmp_path)
    assert detect(tmp_path, options(encoder="conch")).files[0].member == "conch_tiles"


def options(**values):
    from harness.features.formats.base import Options

    return Options(**values)
