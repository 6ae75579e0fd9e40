from __future__ import annotations

from pathlib import Path

import openslide
import pytest

from harness.datasets.annotations import read_asap
from harness.datasets.catalog import find_dataset
from harness.datasets.locate import find_slides, locate, locate_annotations
from harness.synthetic import draw

SLIDES = ("normal_001", "tumor_096", "tumor_111", "test_001", "test_003", "test_130")


@pytest.mark.parametrize(("layout", "capital"), [("gigadb", False), ("gigadb", True), ("aws", False)])
def test_card_finds_the_slides_of_either_layout_in_any_case(layout: str, capital: bool, tmp_path: Path) -> None:
    settings = {"slides": list(SLIDES), "layout": layout, "capital": capital, "side_px": 128}
    draw("camelyon16-release", settings, tmp_path / "c16", workers=1)
    dataset = find_dataset("camelyon16")
    found = find_slides(dataset, tmp_path / "c16")
    assert found.layout == layout
    assert set(found.paths) == set(SLIDES)
    assert not found.extra and not found.duplicates and not found.defects
    annotated = locate_annotations(dataset, tmp_path / "c16")
    assert set(annotated) == {"tumor_096", "tumor_111", "test_001"}
    assert all(read_asap(path).positive for path in annotated.values())


def test_the_two_hospitals_differ_in_resolution_as_in_the_release(tmp_path: Path) -> None:
    draw("camelyon16-release", {"slides": ["normal_001", "tumor_071"], "side_px": 256}, tmp_path / "c16", workers=1)
    files = locate(find_dataset("camelyon16"), tmp_path / "c16", ["normal_001", "tumor_071"])
    mpp = []
    for path in files.values():
        with openslide.OpenSlide(path) as slide:
            mpp.append(float(slide.properties["openslide.mpp-x"]))
            assert slide.level_count == 3
    assert mpp == pytest.approx([2 * 0.243, 2 * 0.226], rel=1e-4)
