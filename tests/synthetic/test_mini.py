from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import openslide
import pytest

from harness.core.errors import DataError, UsageError
from harness.core.hashing import sha256_file
from harness.core.resources import package_data
from harness.datasets.annotations import read_asap, tile_labels
from harness.datasets.catalog import find_dataset
from harness.datasets.locate import locate
from harness.synthetic import draw, folder_name
from harness.synthetic.mini import MiniSettings, MiniSlide, labels_csv, plan

SETTINGS = {"seed": 5, "train_per_class": 4, "test_per_class": 2, "side_px": 512, "levels": 2}
SLIDES = plan(MiniSettings(**SETTINGS))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "mini"
    draw("camelyon16-mini", SETTINGS, root, workers=1)
    return root


def _shipped() -> MiniSettings:
    source = find_dataset("camelyon16-mini").card.source
    settings = {key: value for key, value in source.draw.items() if key != "name"}  # type: ignore[union-attr]
    return MiniSettings(**settings)


def test_shipped_label_table_is_what_the_card_draws() -> None:
    dataset = find_dataset("camelyon16-mini")
    text = (package_data("datasets") / "camelyon16-mini" / "labels.csv").read_text(encoding="utf-8")
    assert text == labels_csv(_shipped())
    counts = Counter(dataset.card.classes[entry.label] for entry in dataset.entries)
    assert dataset.card.counts == {"slides": len(dataset.entries), "patients": len(set(dataset.slides)), **counts}


def test_centre_and_size_of_metastasis_tell_nothing_about_each_other_or_the_label() -> None:
    facts = Counter((slide.split, slide.center, slide.metastasis) for slide in plan(_shipped()))
    for split, share in (("train", 25), ("test", 10)):
        for center in ("RUMC", "UMCU"):
            assert facts[split, center, None] == share
            micro = facts[split, center, "micro"]
            assert facts[split, center, "macro"] + micro == share
            assert micro in {share // 4, share // 4 + 1}


def test_test_slides_are_not_in_the_order_of_their_labels() -> None:
    labels = [slide.label for slide in plan(_shipped()) if slide.split == "test"]
    changes = sum(one != other for one, other in pairwise(labels))
    assert changes > 10


def test_layout_is_that_of_the_release(drawn: Path) -> None:
    for slide in SLIDES:
        folder = "testing/images" if slide.split == "test" else f"training/{slide.label}"
        assert (drawn / folder / f"{slide.name}.tif").is_file()
    notes = {path.stem for path in drawn.glob("*/lesion_annotations/*.xml")}
    assert notes == {slide.name for slide in SLIDES if slide.metastasis}
    rows = [line.split(",") for line in (drawn / "testing/reference.csv").read_text().splitlines()]
    tests = [slide for slide in SLIDES if slide.split == "test"]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        (slide.name, slide.label.capitalize(), (slide.metastasis or "none").capitalize()) for slide in tests
    ]


def test_the_card_finds_a_drawing(tmp_path: Path) -> None:
    dataset = find_dataset("camelyon16-mini")
    draw(
        "camelyon16-mini",
        {"seed": 1, "train_per_class": 4, "test_per_class": 2, "side_px": 128, "levels": 1},
        tmp_path / "mini",
        workers=1,
    )
    wanted = ["normal_004", "tumor_001", "test_003"]
    assert [path.name for path in locate(dataset, tmp_path / "mini", wanted).values()] == [
        f"{name}.tif" for name in wanted
    ]


def test_annotated_tiles_are_those_that_look_different(drawn: Path) -> None:
    """The outlines lie where the tumour was drawn: in pixels of level 0, x before y."""
    inside, outside = [], []
    for slide in (slide for slide in SLIDES if slide.metastasis == "macro" and slide.split == "train"):
        annotations = read_asap(drawn / f"training/lesion_annotations/{slide.name}.xml")
        coords = np.array([(x, y) for y in range(0, 512, 32) for x in range(0, 512, 32)])
        shares = tile_labels(coords, 32, annotations)
        with openslide.OpenSlide(drawn / f"training/tumor/{slide.name}.tif") as file:
            image = np.asarray(file.read_region((0, 0), 0, (512, 512)).convert("RGB")).astype(float)
        for (x, y), share in zip(coords, shares, strict=True):
            tile = image[y : y + 32, x : x + 32]
            if tile.min(axis=2).mean() < 190:
                (inside if share > 0.9 else outside).append(tile.std(axis=(0, 1)).mean())
    assert len(inside) > 5
    assert np.mean(inside) < 0.92 * np.mean(outside)


def test_manifest_has_the_hash_of_every_file(drawn: Path) -> None:
    manifest = json.loads((drawn / "manifest.json").read_text())
    files = {str(path.relative_to(drawn)) for path in drawn.rglob("*") if path.is_file()} - {"manifest.json"}
    assert manifest["complete"] and set(manifest["files"]) == files
    for path, facts in manifest["files"].items():
        assert facts == {"bytes": (drawn / path).stat().st_size, "sha256": sha256_file(drawn / path)}


def test_two_processes_draw_the_bytes_that_one_draws(drawn: Path, tmp_path: Path) -> None:
    draw("camelyon16-mini", SETTINGS, tmp_path / "again", workers=2)
    files = [json.loads((root / "manifest.json").read_text())["files"] for root in (drawn, tmp_path / "again")]
    assert files[0] == files[1]


def test_no_two_slides_are_alike(drawn: Path) -> None:
    files = json.loads((drawn / "manifest.json").read_text())["files"]
    slides = [facts["sha256"] for path, facts in files.items() if path.endswith(".tif")]
    assert len(set(slides)) == len(SLIDES)


def test_what_is_missing_is_drawn_again_and_nothing_else(tmp_path: Path) -> None:
    settings = {**SETTINGS, "side_px": 128, "levels": 1}
    root = tmp_path / "mini"
    draw("camelyon16-mini", settings, root, workers=1)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*.tif")}
    lost = root / "training/tumor/tumor_002.tif"
    lost.unlink()
    draw("camelyon16-mini", settings, root, workers=1)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*.tif")}
    assert {path: content for path, (content, _) in before.items()} == {path: c for path, (c, _) in after.items()}
    assert [path for path in before if before[path][1] != after[path][1]] == [lost]


def test_an_interrupted_drawing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.synthetic import drawing

    settings = {**SETTINGS, "side_px": 128, "levels": 1}
    draw("camelyon16-mini", settings, tmp_path / "whole", workers=1)
    calls: list[str] = []

    def stop_at_third(root: Path, job: drawing.Job) -> str:
        calls.append(job.slide)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(root, job)

    real = drawing.draw_job
    monkeypatch.setattr(drawing, "draw_job", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        draw("camelyon16-mini", settings, tmp_path / "cut", workers=1)
    assert len(list((tmp_path / "cut").rglob("*.tif"))) == 2
    draw("camelyon16-mini", settings, tmp_path / "cut", workers=1)
    assert calls[2] == calls[3] and len(calls) == 3 + len(SLIDES) - 2
    manifests = [json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("whole", "cut")]
    assert manifests[0] == manifests[1]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        draw("camelyon16-mini", SETTINGS, tmp_path, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_another_drawing_is_not_mixed_in(drawn: Path) -> None:
    with pytest.raises(DataError, match="another drawing") as caught:
        draw("camelyon16-mini", {**SETTINGS, "seed": 6}, drawn, workers=1)
    assert caught.value.place == str(drawn)


def test_folder_names_differ_with_the_settings() -> None:
    names = {folder_name("camelyon16-mini", {**SETTINGS, "seed": seed}) for seed in range(3)}
    assert len(names) == 3
    assert folder_name("camelyon16-mini", SETTINGS) == folder_name("camelyon16-mini", {"name": "x", **SETTINGS})


@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        ("camelyon16-mimi", {"seed": 1}, "unknown drawing"),
        ("camelyon16-mini", {"sed": 1}, "unknown setting 'sed'"),
        ("camelyon16-mini", {"seed": "1"}, "not a valid value"),
        ("camelyon16-mini", {"seed": 1.5}, "not a valid value"),
        ("camelyon16-mini", {}, "'seed' is missing"),
        ("camelyon16-release", {"layout": "gigadbb"}, "unknown layout"),
        ("camelyon16-release", {"slides": ["tumor_112"]}, "unknown slide"),
        ("camelyon16-release", {"side_px": 10}, "too few"),
    ],
)
def test_wrong_settings_are_named_before_anything_is_drawn(
    name: str, settings: dict[str, object], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=problem):
        draw(name, settings, tmp_path / "new", workers=1)
    assert not (tmp_path / "new").exists()


def test_slide_label_follows_the_metastasis() -> None:
    assert MiniSlide("a", "train", "RUMC", None).label == "normal"
    assert MiniSlide("a", "train", "RUMC", "micro").label == "tumor"
