from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DataError
from harness.datasets.dicom import levels_of, read_instance, slides_in, with_levels
from harness.datasets.slide_files import assign, slide_files
from harness.slides.reader import open_slide

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def real(shared: Path) -> Path:
    return shared / "datasets/real/wsi/dicom_cmu-1-small-region"


def _write(real: Path, path: Path, series: str, *, kind: str = "VOLUME", level: int = 5, **more: Any) -> Path:
    """A level of the real slide under another series, as DICOM that pydicom writes."""
    import pydicom
    from pydicom.dataset import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(real / f"level-{level}-frames-0-1.dcm")
        data.SeriesInstanceUID = series
        data.ImageType = ["DERIVED", "PRIMARY", kind, "RESAMPLED" if kind == "VOLUME" else "NONE"]
        if "references" in more:
            other = Dataset()
            other.SeriesInstanceUID = more["references"]
            data.ReferencedSeriesSequence = [other]
        if "sop" in more:
            data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = more["sop"]
        data.save_as(path)
    return path


def test_slides_that_refer_to_each_other_stay_two(real: Path, tmp_path: Path) -> None:
    a5 = _write(real, tmp_path / "a5.dcm", "1.2.3", references="1.2.4")
    b5 = _write(real, tmp_path / "b5.dcm", "1.2.4", references="1.2.3")
    a6 = _write(real, tmp_path / "z.dcm", "1.2.3", references="1.2.4", level=6)
    assert slides_in(tmp_path) == [[a5, a6], [b5]]
    assert levels_of(a6) == [a5, a6]
    with pytest.raises(DataError, match="2 DICOM series") as caught:
        levels_of(tmp_path)
    assert "a5.dcm, b5.dcm" in caught.value.fix


@pytest.mark.parametrize("kind", ["LABEL", "OVERVIEW", "THUMBNAIL"])
@pytest.mark.parametrize("series", ["1.2.3", "1.2.9"])
def test_labels_are_neither_levels_nor_slides(real: Path, tmp_path: Path, kind: str, series: str) -> None:
    level = _write(real, tmp_path / "s" / "b.dcm", "1.2.3")
    label = _write(real, tmp_path / "s" / "a.dcm", series, kind=kind)
    assert slides_in(tmp_path / "s") == [[level]]
    assert levels_of(tmp_path / "s") == [level]
    assert [(file.name, file.path) for file in slide_files(tmp_path)] == [("s", tmp_path / "s")]
    if series == "1.2.3":
        assert levels_of(label) == [level]
    else:
        with pytest.raises(DataError, match=kind.lower()):
            levels_of(label)


def test_what_is_no_whole_slide_is_named_by_its_kind(real: Path, tmp_path: Path) -> None:
    level = _write(real, tmp_path / "s.dcm", "1.2.3")
    scan = _write(real, tmp_path / "ct.dcm", "1.2.3", sop=CT)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"nonsense")
    assert slides_in(tmp_path) == [[broken], [scan], [level]]
    assert levels_of(level) == [level]
    for path, words in ((scan, "CT Image Storage"), (broken, "cannot be read")):
        with pytest.raises(DataError, match=words):
            levels_of(path)
    level.unlink()
    with pytest.raises(DataError, match="CT Image Storage"):
        levels_of(tmp_path)


def test_a_folder_without_a_slide_is_refused_as_one(real: Path, tmp_path: Path) -> None:
    for number in range(3):
        _write(real, tmp_path / "scan" / f"{number}.dcm", f"1.2.{number}", sop=CT)
    assert [(file.name, file.path) for file in slide_files(tmp_path)] == [("scan", tmp_path / "scan")]


def test_loose_files_are_slides_by_their_own_names(real: Path, tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        _write(real, tmp_path / f"{name}.dcm", f"1.2.{number}")
    _write(real, tmp_path / "deep" / "own" / "1.dcm", "1.2.7")
    _write(real, tmp_path / "deep" / "own" / "2.dcm", "1.2.7", level=6)
    files = slide_files(tmp_path)
    assert {file.name: file.path for file in files} == {
        **{name: tmp_path / f"{name}.dcm" for name in "abc"},
        "own": tmp_path / "deep" / "own",
    }
    chosen = assign(["a", "b", "c", "own"], files, partial=False)
    assert {slide: file.pattern for slide, file in chosen.items()} == {
        **dict.fromkeys("abc", "**/{slide}.dcm"),
        "own": "**/{slide}/*.dcm",
    }


def test_the_other_levels_of_a_loose_slide_are_no_strange_files(real: Path, tmp_path: Path) -> None:
    a5 = _write(real, tmp_path / "a.dcm", "1.2.3")
    a6 = _write(real, tmp_path / "a6.dcm", "1.2.3", level=6)
    b = _write(real, tmp_path / "b.dcm", "1.2.4")
    assert with_levels([a5, tmp_path / "c.svs"]) == {a5, a6, tmp_path / "c.svs"}
    assert with_levels([b]) == {b}


def test_a_slide_opens_by_its_label_and_other_dicom_is_refused_by_name(real: Path, tmp_path: Path) -> None:
    _write(real, tmp_path / "b.dcm", "1.2.3")
    label = _write(real, tmp_path / "a.dcm", "1.2.3", kind="LABEL")
    scan = _write(real, tmp_path / "ct.dcm", "1.2.5", sop=CT)
    for path in (tmp_path, label):
        with open_slide(path) as slide:
            assert (slide.vendor, slide.level_downsamples) == ("dicom", (1.0,))
    with pytest.raises(DataError, match="CT Image Storage"):
        open_slide(scan)


def test_a_single_file_in_a_folder_goes_by_either_name(real: Path, tmp_path: Path) -> None:
    _write(real, tmp_path / "site" / "x.dcm", "1.2.3")
    for slide, pattern in (("x", "**/{slide}.dcm"), ("site", "**/{slide}/*.dcm")):
        assert assign([slide], slide_files(tmp_path), partial=False)[slide].pattern == pattern


def test_a_slide_beside_others_is_not_named_after_the_folder(real: Path, tmp_path: Path) -> None:
    _write(real, tmp_path / "site" / "x.dcm", "1.2.3")
    (tmp_path / "site" / "y.svs").touch()
    assert [file.name for file in slide_files(tmp_path)] == ["x", "y"]


def test_a_file_that_changes_is_read_again(real: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"nonsense")
    assert read_instance(path).problem
    _write(real, path, "1.2.3")
    assert read_instance(path).series == "1.2.3"


def test_every_file_of_the_real_slide_is_a_level(real: Path) -> None:
    assert levels_of(real) == sorted(real.iterdir())
