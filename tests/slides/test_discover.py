from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.slides.discover import discover_slides


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_slides_are_found_by_suffix_in_any_case_and_named_by_stem(tmp_path: Path) -> None:
    _touch(tmp_path, "a.svs", "deep/er/B.TIF", "c.ndpi", "d.ome.tiff", "e.png", "notes.txt", "labels.csv", "README")
    assert discover_slides(tmp_path) == {
        "a": tmp_path / "a.svs",
        "c": tmp_path / "c.ndpi",
        "d": tmp_path / "d.ome.tiff",
        "B": tmp_path / "deep/er/B.TIF",
        "e": tmp_path / "e.png",
    }


def test_ids_are_unique_without_regard_to_case(tmp_path: Path) -> None:
    _touch(tmp_path, "x/a.svs", "y/A.svs", "z/b.svs", "z/b.tif", "c.svs")
    found = discover_slides(tmp_path)
    assert found["x/a"] == tmp_path / "x/a.svs"
    assert found["y/A"] == tmp_path / "y/A.svs"
    assert found["z/b.svs"] == tmp_path / "z/b.svs"
    assert found["z/b.tif"] == tmp_path / "z/b.tif"
    assert found["c"] == tmp_path / "c.svs"
    assert len(found) == 5


def test_hidden_files_and_the_parts_of_other_slides_are_left_out(tmp_path: Path) -> None:
    _touch(tmp_path, ".Copy of Test_039.tif", ".git/x.tif", "m.mrxs", "m/Data0000.jpg", "m/inner/x.tif")
    _touch(tmp_path, "h/s.vms", "h/s_1.jpg", "h/s_2.jpg", "h/other.svs")
    assert set(discover_slides(tmp_path)) == {"m", "s", "other"}


def test_links_to_nowhere_are_kept_so_that_they_are_named_later(tmp_path: Path) -> None:
    (tmp_path / "gone.svs").symlink_to(tmp_path / "nowhere.svs")
    assert set(discover_slides(tmp_path)) == {"gone"}


def test_link_loops_end_and_linked_folders_count_once(tmp_path: Path) -> None:
    _touch(tmp_path, "a/x.svs")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert discover_slides(tmp_path) == {"x": tmp_path / "a/x.svs"}


def test_a_single_file_is_a_slide(tmp_path: Path) -> None:
    _touch(tmp_path, "a.svs")
    assert discover_slides(tmp_path / "a.svs") == {"a": tmp_path / "a.svs"}


def test_nothing_to_find(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no slide found"):
        discover_slides(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        discover_slides(tmp_path / "x")


def test_the_real_folder(shared: Path) -> None:
    wsi = shared / "datasets/real/wsi"
    assert discover_slides(wsi) == {
        "CMU-1-Small-Region": wsi / "CMU-1-Small-Region.svs",
        "TCGA-CR-7395-01A-01-TS1": wsi / "TCGA-CR-7395-01A-01-TS1.svs",
        "dicom_cmu-1-small-region": wsi / "dicom_cmu-1-small-region",
        "pathml_small_HE_levels": wsi / "pathml_small_HE_levels.tiff",
    }
    folder = wsi / "dicom_cmu-1-small-region"
    assert discover_slides(folder) == {"dicom_cmu-1-small-region": folder}


def test_two_dicom_series_in_a_folder_are_two_slides(shared: Path, tmp_path: Path) -> None:
    source = shared / "datasets/real/wsi/dicom_cmu-1-small-region"
    shutil.copyfile(source / "level-5-frames-0-1.dcm", tmp_path / "a.dcm")
    data = bytearray((source / "level-6-frames-0-1.dcm").read_bytes())
    data[data.index(b"\x20\x00\x0e\x00UI") + 8] = ord("9")
    (tmp_path / "b.dcm").write_bytes(data)
    assert set(discover_slides(tmp_path)) == {"a", "b"}
