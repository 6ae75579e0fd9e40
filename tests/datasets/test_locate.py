from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.datasets.dataset import Dataset, load_dataset
from harness.datasets.locate import find_slides, locate, locate_annotations


def put(root: Path, *names: str, content: bytes = b"II*\0") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def refusal(dataset: Dataset, root: Path | None, slides=None) -> DataError:
    with pytest.raises(DataError) as error:
        locate(dataset, root, slides)
    assert "\n" not in error.value.problem + error.value.place + error.value.fix
    return error.value


def test_first_layout_in_any_letter_case(tiny: Dataset, release: Path) -> None:
    paths = locate(tiny, release)
    assert tuple(paths) == tiny.slides
    assert paths["test_002"] == release / "testing/images/Test_002.TIF"


def test_second_layout(tiny: Dataset, tmp_path: Path) -> None:
    put(tmp_path / "flat", *(f"images/{slide}.tif" for slide in tiny.slides))
    assert locate(tiny, tmp_path / "flat")["tumor_001"] == tmp_path / "flat/images/tumor_001.tif"
    assert find_slides(tiny, tmp_path / "flat").layout == "flat"


def test_the_fuller_layout_goes_first_and_the_other_fills_gaps(tiny: Dataset, release: Path) -> None:
    put(release, "images/normal_001.tif", "images/tumor_002.tif")
    (release / "training/tumor/Tumor_002.tif").unlink()
    found = find_slides(tiny, release)
    assert found.layout == "folders"
    assert found.paths["normal_001"] == release / "training/normal/Normal_001.tif"
    assert found.paths["tumor_002"] == release / "images/tumor_002.tif"
    assert found.duplicates == {"normal_001": (release / "images/normal_001.tif",)}


def test_stray_files_are_ignored(tiny: Dataset, release: Path) -> None:
    before = locate(tiny, release)
    put(
        release,
        "testing/images/.Copy of Test_001.tif.mufpVx",
        "testing/images/._Test_001.tif",
        "testing/images/Test_001.tif.part",
        "testing/images/deeper/test_001.tif",
        "testing/reference.csv",
        ".cache/images/test_001.tif",
    )
    assert locate(tiny, release) == before
    assert find_slides(tiny, release).extra == ()


def test_missing_slides_are_counted_named_and_told_where_to_get(tiny: Dataset, release: Path) -> None:
    (release / "training/normal/Normal_002.tif").unlink()
    (release / "testing/images/Test_001.tif").unlink()
    error = refusal(tiny, release)
    assert error.problem == "2 of 6 slides of tiny are missing: normal_002, test_001"
    assert str(release) in error.place
    assert "training/normal/{slide}.tif" in error.place
    assert error.fix == "Download it from example.org and unpack it."


def test_partial_data_is_enough_for_the_slides_that_are_wanted(tiny: Dataset, release: Path) -> None:
    (release / "training/normal/Normal_002.tif").unlink()
    wanted = [slide for slide in tiny.slides if slide != "normal_002"]
    assert list(locate(tiny, release, wanted)) == wanted


def test_no_data_root_says_what_is_needed(tiny: Dataset) -> None:
    error = refusal(tiny, None)
    assert "6 slides" in error.problem
    assert error.place == "--data-root"
    assert "example.org" in error.fix


def test_data_root_that_is_no_folder(tiny: Dataset, tmp_path: Path) -> None:
    assert "nowhere" in refusal(tiny, tmp_path / "nowhere").place


def test_many_missing_slides_give_a_short_message(write, tmp_path: Path) -> None:
    labels = "slide,patient,label\n" + "".join(f"s{i:03d},p{i},normal\n" for i in range(300))
    error = refusal(load_dataset(write(labels=labels)), tmp_path)
    assert error.problem == "300 of 300 slides of tiny are missing: s000, s001, s002, s003, s004 and 295 more"


def test_a_data_root_one_folder_too_high_is_recognised(tiny: Dataset, release: Path) -> None:
    error = refusal(tiny, release.parent)
    assert f"did you mean --data-root {release}?" in error.fix


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "pointer to large-file storage"),
        (b"/annex/objects/SHA256E-s5--00.tif\n", "pointer to large-file storage"),
    ],
)
def test_files_without_content_are_named(tiny: Dataset, release: Path, content: bytes, reason: str) -> None:
    put(release, "training/tumor/Tumor_001.tif", content=content)
    error = refusal(tiny, release)
    assert "1 of 6 slides of tiny cannot be used: tumor_001" in error.problem
    assert reason in error.problem
    assert locate(tiny, release, ["tumor_002"])


def test_a_dead_link_is_named(tiny: Dataset, release: Path) -> None:
    path = release / "training/tumor/Tumor_001.tif"
    path.unlink()
    path.symlink_to(release / "gone.tif")
    assert "tumor_001 (link to a file that is not there)" in refusal(tiny, release).problem


def test_linked_folders_are_followed_and_circles_end(tiny: Dataset, release: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "training").symlink_to(release / "training")
    (linked / "testing").symlink_to(release / "testing")
    (release / "training" / "again").symlink_to(release / "training")
    assert len(locate(tiny, linked)) == 6


def test_the_tree_is_listed_once_however_many_slides(write, release: Path, monkeypatch) -> None:
    labels = "slide,patient,label\n" + "".join(f"s{i},p{i},normal\n" for i in range(200))
    put(release, *(f"images/s{i}.tif" for i in range(200)))
    walks = []
    walk = os.walk
    monkeypatch.setattr(os, "walk", lambda *args, **kwargs: walks.append(args) or walk(*args, **kwargs))
    assert len(locate(load_dataset(write(labels=labels)), release)) == 200
    assert len(walks) == 1


def test_extra_slides_are_found(tiny: Dataset, release: Path) -> None:
    put(release, "training/normal/normal_086.tif")
    assert [(hit.slide, hit.path.name) for hit in find_slides(tiny, release).extra] == [
        ("normal_086", "normal_086.tif")
    ]


def test_annotations(tiny: Dataset, release: Path) -> None:
    put(release, "annotations/Tumor_001.XML")
    assert locate_annotations(tiny, release) == {"tumor_001": release / "annotations/Tumor_001.XML"}


def with_patterns(write, labels: str, *patterns: str, **source: object) -> Dataset:
    layouts = {"only": list(patterns)}
    return load_dataset(write(labels=labels, card={"source": {"kind": "slides", "layouts": layouts} | source}))


def test_patterns_of_the_card(write, tmp_path: Path) -> None:
    labels = "slide,patient,label\nTCGA-A1-01Z.AB,p,normal\nTCGA-A1-01Z,p,normal\nD 2,p,tumor\n[x],p,tumor\n"
    dataset = with_patterns(write, labels, "**/{slide}.svs", "*/{slide}.*.svs", "**/{slide}/*.dcm")
    root = tmp_path / "data"
    put(root, "a/b/TCGA-A1-01Z.AB.svs", "u/TCGA-A1-01Z.0b1c-uuid.svs", "D 2/1.dcm", "D 2/2.dcm", "deep/[X].svs")
    paths = locate(dataset, root)
    assert {slide: path.relative_to(root).as_posix() for slide, path in paths.items()} == {
        "TCGA-A1-01Z.AB": "a/b/TCGA-A1-01Z.AB.svs",
        "TCGA-A1-01Z": "u/TCGA-A1-01Z.0b1c-uuid.svs",
        "D 2": "D 2",
        "[x]": "deep/[X].svs",
    }
    assert find_slides(dataset, root).duplicates == {}


def test_the_cards_own_root_is_used_when_none_is_given(write, tmp_path: Path) -> None:
    labels = "slide,patient,label\na,p,normal\n"
    put(tmp_path / "here", "a.tif")
    put(tmp_path / "there", "a.tif")
    dataset = with_patterns(write, labels, "{slide}.tif", root="../here")
    assert locate(dataset, None)["a"].resolve() == tmp_path / "here/a.tif"
    assert locate(dataset, tmp_path / "there")["a"] == tmp_path / "there/a.tif"
