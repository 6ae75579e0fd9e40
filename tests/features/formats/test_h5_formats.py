"""TRIDENT, CLAM, STAMP, AtlasPatch, nnMIL and ACMIL's cohort files: told apart by content, read with their facts."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from features.formats.conftest import names, read

from harness.core.errors import DataError, UsageError
from harness.features.formats.base import Options
from harness.features.formats.detect import detect

TRIDENT = {"patch_size": 256, "patch_size_level0": 512, "level0_magnification": 40, "target_magnification": 20}


def test_trident(tmp_path: Path, h5, rng) -> None:
    job = tmp_path / "20x_256px_0px_overlap"
    rows, corners = rng.normal(size=(200, 8)).astype(np.float16), rng.integers(0, 9999, (200, 2))
    about = {"features": {"encoder": "uni_v1", "savetodir": "/private"}, "coords": TRIDENT | {"name": "None"}}
    h5(job / "features_uni_v1" / "S1.h5", {"features": rows, "coords": corners}, about, one_row=True)
    h5(job / "patches" / "S1_patches.h5", {"coords": corners}, {"coords": TRIDENT})
    h5(job / "slide_features_titan" / "S1.h5", {"features": rows[0]})
    found = detect(tmp_path)
    assert (found.name, names(found)) == ("trident", ["S1"])
    slide = found.read(found.files[0])
    np.testing.assert_array_equal(slide.features, rows)
    np.testing.assert_array_equal(slide.coords, corners)
    assert (slide.unit, slide.side) == ("level0_px", 512)
    assert slide.facts.stated() == {"encoder": "uni_v1", "tile_px": 256, "magnification": 20}


def test_names_of_folders_are_hints(tmp_path: Path, h5, rng) -> None:
    rows = rng.normal(size=(3, 8)).astype(np.float32)
    place = tmp_path / "10x_224px_0px_overlap" / "features_phikon_v2" / "S1.h5"
    h5(place, {"features": rows, "coords": np.zeros((3, 2), int)}, {"features": {"savetodir": "x"}})
    found = detect(tmp_path)
    assert found.read(found.files[0]).facts.stated() == {}
    assert found.hints.stated() == {"encoder": "phikon_v2", "tile_px": 224, "magnification": 10}


def test_several_sets_are_named_and_one_is_chosen_by_its_encoder(tmp_path: Path, h5, rng) -> None:
    for encoder, width in (("uni_v1", 4), ("conch_v15", 6)):
        rows = rng.normal(size=(3, width)).astype(np.float32)
        about = {"features": {"encoder": encoder}}
        h5(tmp_path / f"features_{encoder}" / "S1.h5", {"features": rows}, about)
    with pytest.raises(UsageError, match=r"features_uni_v1.*features_conch_v15|features_conch_v15.*features_uni_v1"):
        detect(tmp_path)
    assert read(tmp_path, "S1", encoder="conch_v15").features.shape == (3, 6)


def test_sub_folders_of_one_set_are_one_set(tmp_path: Path, h5, rng) -> None:
    for project, slide in (("TCGA-LUAD", "A"), ("TCGA-LUSC", "B")):
        rows = rng.normal(size=(3, 4)).astype(np.float32)
        h5(tmp_path / project / f"{slide}.h5", {"features": rows, "coords": np.zeros((3, 2))}, {"coords": TRIDENT})
    assert names(detect(tmp_path)) == ["A", "B"]


def test_clam_reads_features_from_pt_and_coordinates_from_h5(tmp_path: Path, h5, rng) -> None:
    rows, corners = rng.normal(size=(5, 8)).astype(np.float32), rng.integers(0, 9999, (5, 2)).astype(np.int32)
    h5(tmp_path / "h5_files" / "S.1.h5", {"features": rows, "coords": corners})
    h5(tmp_path / "h5_files" / "S2.h5", {"features": rows, "coords": corners})
    about = {"patch_size": 256, "patch_level": 1, "downsample": 4.0}
    h5(tmp_path / "patches" / "S.1.h5", {"coords": corners}, {"coords": about})
    (tmp_path / "pt_files").mkdir()
    torch.save(torch.from_numpy(rows), tmp_path / "pt_files" / "S.1.pt")
    found = detect(tmp_path)
    assert (found.name, names(found)) == ("clam", ["S.1", "S2"])
    slide = read(tmp_path, "S.1")
    np.testing.assert_array_equal(slide.features, rows)
    np.testing.assert_array_equal(slide.coords, corners)
    assert (slide.facts.tile_px, slide.side) == (256, 1024)
    np.testing.assert_array_equal(read(tmp_path, "S2").coords, corners)


def test_coordinates_of_other_rows_are_left_out_with_a_note(tmp_path: Path, h5, rng) -> None:
    rows = rng.normal(size=(5, 8)).astype(np.float32)
    h5(tmp_path / "h5_files" / "S1.h5", {"features": rows, "coords": np.zeros((7, 2), int)})
    slide = read(tmp_path, "S1")
    assert slide.coords is None
    assert "7 coordinates for 5 rows" in slide.notes[0]


def test_stamp_has_microns(tmp_path: Path, h5, rng) -> None:
    rows = rng.normal(size=(3, 8)).astype(np.float16)
    corners = np.array([[0, 256], [256, 256], [512, 0]], np.float32)
    about = {"stamp_version": "2.4", "extractor": "virchow2", "unit": "um", "tile_size_um": 256.0, "tile_size_px": 224}
    h5(tmp_path / "virchow2-1a2b3c4d" / "centre" / "S1.h5", {"feats": rows, "coords": corners}, {"": about})
    slide = read(tmp_path, "S1")
    np.testing.assert_array_equal(slide.coords, corners)
    assert (slide.unit, slide.side) == ("um", 256)
    assert slide.facts.encoder == "virchow2"
    assert slide.facts.mpp == pytest.approx(256 / 224)


def test_stamp_1_counted_on_a_grid_of_224(tmp_path: Path, h5, rng) -> None:
    rows = rng.normal(size=(2, 8)).astype(np.float16)
    h5(tmp_path / "S1.h5", {"feats": rows, "coords": np.array([[0, 224], [448, 0]])}, {"": {"extractor": "uni"}})
    slide = read(tmp_path, "S1")
    np.testing.assert_array_equal(slide.coords, [[0, 256], [512, 0]])


def test_atlaspatch_holds_several_encoders(tmp_path: Path, rng) -> None:
    rows = rng.normal(size=(3, 8)).astype(np.float32)
    coords = np.array([[0, 512, 512, 512, 0], [512, 0, 512, 512, 0], [9, 8, 512, 512, 0]], np.int32)
    (tmp_path / "patches").mkdir()
    with h5py.File(tmp_path / "patches" / "S1.h5", "w") as file:
        file["features/uni_v1"], file["features/resnet50"] = rows, rows[:, :4]
        file["coords"] = coords
        file.attrs.update(patch_size=256, patch_size_level0=512, mpp=0.25, target_magnification=20)
    with pytest.raises(UsageError, match=r"resnet50.*uni_v1"):
        detect(tmp_path)
    slide = read(tmp_path, "S1", encoder="uni_v1")
    np.testing.assert_array_equal(slide.coords, coords[:, :2])
    assert slide.facts.stated() == {"encoder": "uni_v1", "tile_px": 256, "mpp": 0.5, "magnification": 20}


def test_nnmil_is_known_by_its_dataset_json(tmp_path: Path, h5, rng) -> None:
    task = tmp_path / "Task001_X"
    h5(task / "features" / "S1.h5", {"features": rng.normal(size=(3, 4)), "coords": np.zeros((3, 2), int)})
    (task / "dataset.json").write_text(json.dumps({"task_type": "classification"}))
    found = detect(task)
    assert found.name == "nnmil"
    assert found.read(found.files[0]).features.dtype == np.float32
    assert task / "dataset.json" in found.label_files


def test_cohort_file(tmp_path: Path, rng) -> None:
    rows = rng.normal(size=(4, 6)).astype(np.float16)
    with h5py.File(tmp_path / "patch_feats_pretrain_medical_ssl.h5", "w") as file:
        for slide, label in (("normal_001", 0), ("tumor_001", 1)):
            file[f"{slide}/feat"], file[f"{slide}/coords"] = rows, np.zeros((4, 2))
            file[slide].attrs["label"] = label
    for place in (tmp_path, tmp_path / "patch_feats_pretrain_medical_ssl.h5"):
        found = detect(place)
        assert (found.name, names(found)) == ("cohort", ["normal_001", "tumor_001"])
    slide = read(tmp_path, "tumor_001")
    np.testing.assert_array_equal(slide.features, rows)
    assert slide.coords is None
    assert [found.label(file) for file in found.files] == ["0", "1"]
    with h5py.File(tmp_path / "patch_feats_pretrain_medical_ssl.h5", "a") as file:
        del file["normal_001/feat"]
    assert read(tmp_path, "tumor_001").features.shape == (4, 6)
    with pytest.raises(DataError) as refused:
        read(tmp_path, "normal_001")
    assert refused.value.place.endswith("normal_001")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"coords": np.zeros((3, 2))}, "coordinates"),
        ({"imgs": np.zeros((3, 8, 8, 3), np.uint8), "coords": np.zeros((3, 2))}, "images"),
        ({"features": np.ones(768, np.float32)}, "one vector per slide"),
    ],
)
def test_what_holds_no_features_of_tiles_is_said(tmp_path: Path, h5, arrays, words: str) -> None:
    h5(tmp_path / "S1.h5", arrays)
    with pytest.raises(DataError, match=words):
        detect(tmp_path)


@pytest.mark.parametrize(
    ("shape", "rows"), [((1, 5, 4), (5, 4)), ((5, 4, 1, 1), (5, 4)), ((0,), (0, 0)), ((0, 4), (0, 4)), ((1, 4), (1, 4))]
)
def test_shapes_that_mean_rows(tmp_path: Path, h5, shape, rows) -> None:
    h5(tmp_path / "a.h5", {"features": np.ones((3, 4), np.float32)})
    h5(tmp_path / "b.h5", {"features": np.ones(shape, np.float32), "coords": np.zeros((rows[0], 2), int)})
    assert read(tmp_path, "b").features.shape == rows


@pytest.mark.parametrize("values", [np.ones((2, 5, 4), np.float32), np.ones(4, np.float32), np.ones((3, 4), np.int64)])
def test_other_shapes_and_types_are_refused_by_name(tmp_path: Path, h5, values) -> None:
    h5(tmp_path / "a.h5", {"features": np.ones((3, 4), np.float32)})
    h5(tmp_path / "b.h5", {"features": values})
    with pytest.raises(DataError) as refused:
        read(tmp_path, "b")
    assert refused.value.place.endswith("b.h5")


@pytest.mark.parametrize(
    "content", [b"", b"\x89HDF\r\n\x1a\n", b"version https://git-lfs.github.com/spec/v1\n", b"x" * 99]
)
def test_damaged_files_are_refused_by_name(tmp_path: Path, h5, content: bytes) -> None:
    h5(tmp_path / "b.h5", {"features": np.ones((3, 4), np.float32)})
    (tmp_path / "a.h5").write_bytes(content)
    assert read(tmp_path, "b").features.shape == (3, 4)
    with pytest.raises(DataError) as refused:
        read(tmp_path, "a")
    assert refused.value.place.endswith("a.h5")


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, h5) -> None:
    for layout in ({}, {"one_row": True}):
        path = h5(tmp_path / "a.h5", {"features": np.ones((500, 64), np.float32)}, **layout)
        path.write_bytes(path.read_bytes()[:-60_000])
        with pytest.raises(DataError, match=r"cannot be read|cut short"):
            read(tmp_path, "a")


def test_other_files_are_not_read_through_a_link(tmp_path: Path, h5) -> None:
    h5(tmp_path / "elsewhere" / "x.h5", {"features": np.ones((3, 4), np.float32)})
    (tmp_path / "set").mkdir()
    with h5py.File(tmp_path / "set" / "a.h5", "w") as file:
        file["features"] = h5py.ExternalLink(str(tmp_path / "elsewhere" / "x.h5"), "features")
    with pytest.raises(DataError, match="other files"):
        read(tmp_path / "set", "a")


def test_a_file_that_claims_more_than_it_holds_takes_no_memory(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("features", shape=(10**8, 1024), dtype="f4", chunks=(1024, 1024))
    with pytest.raises(DataError, match="unpack"):
        detect(tmp_path, Options()).read(detect(tmp_path).files[0])
