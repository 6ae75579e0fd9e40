from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset, load_dataset
from harness.protocols.verify import verify


def kinds(report) -> set[tuple[str, str, str]]:
    return {(finding.severity, finding.kind, finding.what) for finding in report.findings}


def test_a_whole_release_has_no_findings(tiny: Dataset, release: Path) -> None:
    report = verify(tiny, release)
    assert report.findings == ()
    assert report.ok
    assert any("6 of 6 found" in line and "'folders'" in line for line in report.checked)


def test_everything_that_is_wrong_is_named(tiny: Dataset, release: Path) -> None:
    (release / "training/normal/Normal_001.tif").unlink()
    (release / "training/normal/Normal_002.tif").write_bytes(b"")
    (release / "training/tumor/tumor_001.tif").write_bytes(b"II*")
    (release / "training/normal/normal_086.tif").write_bytes(b"II*")
    (release / "training/normal/normal_777.tif").write_bytes(b"II*")
    report = verify(tiny, release)
    assert kinds(report) == {
        ("error", "missing", "normal_001"),
        ("error", "unusable", "normal_002"),
        ("warning", "duplicate", "tumor_001"),
        ("warning", "erratum", "normal_086"),
        ("warning", "extra", "normal_777"),
    }
    assert not report.ok
    assert [finding.severity for finding in report.findings] == ["error"] * 2 + ["warning"] * 3
    old = next(finding for finding in report.findings if finding.kind == "erratum")
    assert "Re-issued as tumor_111." in old.detail
    assert "release notes" in old.detail


def test_warnings_alone_are_ok(tiny: Dataset, release: Path) -> None:
    (release / "training/normal/normal_777.tif").write_bytes(b"II*")
    assert verify(tiny, release).ok


def test_without_data_root(tiny: Dataset, write) -> None:
    report = verify(tiny, None)
    assert kinds(report) == {("error", "missing", "data")}
    assert "example.org" in report.findings[0].detail
    source = {"kind": "slides", "layouts": {"a": ["{slide}.tif"]}, "draw": {"name": "mini"}}
    drawn = verify(load_dataset(write("drawn", card={"source": source})), None)
    assert kinds(drawn) == {("warning", "missing", "data")}
    assert drawn.ok


def test_a_data_root_that_is_not_there(tiny: Dataset, tmp_path: Path) -> None:
    report = verify(tiny, tmp_path / "nowhere")
    assert not report.ok
    assert "not a folder" in report.findings[0].detail


def test_counts_and_splits_of_the_card(write, release: Path) -> None:
    leaky = "repeat,fold,slide,part\n0,0,normal_001,train\n0,0,normal_002,test\n"
    report = verify(load_dataset(write(splits=leaky, card={"counts": {"slides": 7, "tumor": 3, "train": 9}})), release)
    assert kinds(report) == {("error", "counts", "slides"), ("error", "split", "official")}
    assert "patient p1 is in train (normal_001) and in test (normal_002)" in report.findings[1].detail


def test_slides_are_opened_only_when_asked_and_one_bad_slide_stops_none(tiny: Dataset, release: Path) -> None:
    (release / "testing/images/Test_001.tif").write_bytes(b"")
    opened = []

    def opener(path: Path) -> None:
        opened.append(path.name)
        if path.name == "Normal_001.tif":
            raise DataError("no resolution", place=str(path), fix="give --mpp")
        if path.name == "Tumor_001.tif":
            raise RuntimeError("decoder")

    report = verify(tiny, release, opener=opener)
    assert opened == ["Normal_001.tif", "Normal_002.tif", "Tumor_001.tif", "Tumor_002.tif", "Test_002.TIF"]
    assert kinds(report) == {
        ("error", "unusable", "test_001"),
        ("error", "unreadable", "normal_001"),
        ("error", "unreadable", "tumor_001"),
    }


@pytest.mark.parametrize("name", ["x.npz"])
def test_given_features(write, name: str) -> None:
    source = {"kind": "features", "file": name, "dim": 2}
    report = verify(load_dataset(write(card={"source": source})), None)
    assert kinds(report) == {("error", "data", str(load_dataset(write(card={"source": source})).folder / name))}


@pytest.mark.parametrize("kind", ["fine", "pipe", "latin-1", "link", "endless"])
def test_reports_are_read(toy_dataset: Path, kind: str) -> None:
    card = yaml.safe_load((toy_dataset / "card.yaml").read_text())
    (toy_dataset / "card.yaml").write_text(yaml.safe_dump(card | {"reports": {"files": "reports/{slide}.txt"}}))
    (toy_dataset / "reports").mkdir()
    (toy_dataset / "reports" / "toy_001.txt").write_text("a report")
    other = toy_dataset / "reports" / "toy_002.txt"
    if kind == "pipe":
        os.mkfifo(other)
    elif kind == "latin-1":
        other.write_bytes(b"caf\xe9")
    elif kind != "fine":
        other.symlink_to("/etc/passwd" if kind == "link" else "/dev/zero")
    report = verify(load_dataset(toy_dataset), None)
    if kind == "fine":
        assert report.ok and "reports: 1 of 40 slides have one" in report.checked
    else:
        (found,) = [one for one in report.findings if one.severity == "error"]
        assert found.kind == "reports" and "toy_002" in found.detail
