from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.tiled import tissue, write_tiled

from harness.core.errors import DataError
from harness.datasets.card import TissueSettings
from harness.datasets.content import FileHash, hash_file
from harness.slides.discover import discover_slides
from harness.slides.index import SlideIndex, index_path, load, qc_path
from harness.slides.pool import WorkerDiedError
from harness.slides.prepare import PrepareReport, PrepareSettings, prepare_slides
from harness.slides.reader import open_slide

Make = Callable[..., Path]
Draw = Callable[..., np.ndarray]
SETTINGS = PrepareSettings((0.5, 1.0), 64, TissueSettings(mpp=4.0, min_area_mm2=0.001))


def _table(report: PrepareReport) -> dict[str, dict[str, str]]:
    with report.table.open(newline="") as file:
        return {row["slide"]: row for row in csv.DictReader(file)}


def _here(slides: dict[str, Path], out: Path, settings: PrepareSettings = SETTINGS, **more: bool) -> PrepareReport:
    return prepare_slides(slides, out, settings, workers=0, **more)


def test_the_real_slides_and_a_broken_one(shared: Path, tmp_path: Path) -> None:
    real = shared / "datasets/real"
    slides = discover_slides(real / "wsi") | discover_slides(real / "broken")
    settings = PrepareSettings((0.5, 1.0), 256, TissueSettings())
    report = prepare_slides(slides, tmp_path, settings, workers=2)
    assert [row.slide for row in report.rows] == list(slides)
    assert {row.slide for row in report.ready} == {"CMU-1-Small-Region", "dicom_cmu-1-small-region"}
    reasons = {row.slide: row.reason for row in report.failed}
    assert set(reasons) == {"TCGA-CR-7395-01A-01-TS1", "pathml_small_HE_levels", "broken"}
    assert "no resolution" in reasons["TCGA-CR-7395-01A-01-TS1"]
    assert "--mpp" in reasons["TCGA-CR-7395-01A-01-TS1"]
    assert "--mpp" in reasons["pathml_small_HE_levels"]
    assert "not a slide" in reasons["broken"]
    assert all("\n" not in reason for reason in reasons.values())
    rows = _table(report)
    assert (rows["CMU-1-Small-Region"]["mpp"], rows["CMU-1-Small-Region"]["mpp_source"]) == ("0.499", "openslide.mpp-x")
    assert "colours look wrong" in rows["dicom_cmu-1-small-region"]["note"]
    index = load(index_path(tmp_path, "CMU-1-Small-Region"))
    assert index.sides[0] == 256
    assert [str(len(grid)) for grid in index.coords] == [
        rows["CMU-1-Small-Region"][f"n_tiles_{mpp}"] for mpp in ("0.5", "1")
    ]
    with open_slide(index.path) as slide:
        tiles = slide.read_tiles(index.coords[0], index.sides[0], 256, workers=2)
    colour = tiles.max(-1).astype(int) - tiles.min(-1)
    assert (colour > 20).mean((1, 2)).min() > 0.1

    again = prepare_slides(slides, tmp_path, PrepareSettings((0.5, 1.0), 256, TissueSettings(), 0.5), workers=2)
    assert {row.slide for row in again.failed} == {"pathml_small_HE_levels", "broken"}
    assert {row.slide for row in again.ready if row.reused} == {"CMU-1-Small-Region", "dicom_cmu-1-small-region"}
    assert _table(again)["TCGA-CR-7395-01A-01-TS1"]["mpp_source"] == "declared"


def test_tiles_lie_on_tissue_and_the_picture_shows_them(make_slide: Make, draw: Draw, tmp_path: Path) -> None:
    path = make_slide("a.tif", draw(1024, 768))
    report = _here({"a": path}, tmp_path / "out")
    index = load(index_path(tmp_path / "out", "a"))
    assert (index.mpp, index.width, index.height) == (pytest.approx(0.5), 1024, 768)
    assert index.fingerprint == hash_file(path).hash
    assert index.sides == (64, 128)
    centre = index.coords[0] + 32 - (512, 384)
    assert np.hypot(*centre.T).max() < 256 + 46
    assert len(index.coords[0]) * 64**2 == pytest.approx(np.pi * 256**2, rel=0.25)
    assert report.rows[0].n_tiles == tuple(len(grid) for grid in index.coords)
    picture = np.asarray(Image.open(qc_path(tmp_path / "out", "a"))).astype(int)
    assert picture.shape == (768, 1024, 3)
    assert ((picture[..., 2] - picture[..., 0]) > 100).sum() > 1000  # blue boxes
    assert ((picture[..., 1] - picture[..., 0]) > 60).sum() > 300  # green outline


def test_nothing_is_read_again_unless_it_changed(
    make_slide: Make, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slides = {name: make_slide(f"{name}.tif", draw(512, 512, seed=seed)) for seed, name in enumerate("abc")}
    out = tmp_path / "out"
    _here(slides, out)
    hashed: set[Path] = set()

    def counting(path: Path, *more: Any) -> FileHash:
        hashed.add(path)
        return hash_file(path, *more)

    monkeypatch.setattr("harness.datasets.content.hash_file", counting)
    monkeypatch.setattr("harness.datasets.content._COARSE_NS", 0)
    assert all(row.reused for row in _here(slides, out).rows)
    assert hashed == set()

    os.utime(slides["a"], ns=(1, 1))  # touched: the content is looked at, and is the same
    make_slide("b.tif", draw(512, 512, seed=9))  # changed
    moved = slides["c"].rename(tmp_path / "moved.tif")
    report = _here(slides | {"c": moved}, out)
    assert [row.reused for row in report.rows] == [True, False, True]
    assert hashed == {slides["a"], slides["b"], moved}
    assert load(index_path(out, "c")).path == moved

    hashed.clear()
    assert all(row.reused for row in _here(slides | {"c": moved}, out).rows)
    assert hashed == set()
    assert not any(row.reused for row in _here(slides | {"c": moved}, out, refresh=True).rows)


def test_other_settings_make_other_indices(make_slide: Make, draw: Draw, tmp_path: Path) -> None:
    slides = {"a": make_slide("a.tif", draw(512, 512)), "b": make_slide("b.tif", draw(512, 512), mpp=None)}
    tissue = SETTINGS.tissue
    out = tmp_path / "out"
    assert [row.status for row in _here(slides, out).rows] == ["ready", "failed"]
    declared = _here(slides, out, PrepareSettings((0.5, 1.0), 64, tissue, 0.5))
    assert [(row.status, row.reused) for row in declared.rows] == [("ready", True), ("ready", False)]
    redeclared = _here(slides, out, PrepareSettings((0.5, 1.0), 64, tissue, 0.4))
    assert [row.reused for row in redeclared.rows] == [True, False]
    other = tissue.model_copy(update={"min_fraction": 0.7})
    stricter = _here(slides, out, PrepareSettings((0.5, 1.0), 64, other, 0.4))
    assert [row.reused for row in stricter.rows] == [False, False]
    assert stricter.rows[0].n_tiles[0] < declared.rows[0].n_tiles[0]


def test_settings_are_checked_and_hashed() -> None:
    tissue = TissueSettings()
    assert PrepareSettings((0.5,), 64, tissue).hash != PrepareSettings((0.5,), 64, tissue, 0.25).hash
    assert PrepareSettings((0.5,), 64, tissue).hash == PrepareSettings((0.5,), 64, TissueSettings()).hash
    for mpp in ((), (1.0, 0.5), (0.5, 0.5), (-1.0,)):
        with pytest.raises(ValueError, match="rising"):
            PrepareSettings(mpp, 64, tissue)


def test_failures_have_names_and_leave_no_stale_index(make_slide: Make, draw: Draw, tmp_path: Path) -> None:
    glass = np.full((512, 512, 3), 243, np.uint8)
    speck = glass.copy()
    speck[220:292, 220:292] = (200, 120, 170)
    slides = {
        "empty": make_slide("empty.tif", glass),
        "speck": make_slide("speck.tif", speck),
        "coarse": make_slide("coarse.tif", draw(512, 512), mpp=1.5),
        "gone": tmp_path / "gone.tif",
        "good": make_slide("good.tif", draw(512, 512)),
    }
    out = tmp_path / "out"
    settings = PrepareSettings((0.5, 1.0), 64, SETTINGS.tissue.model_copy(update={"min_fraction": 0.7}))
    _here({"gone": slides["good"]}, out, settings)
    report = _here(slides, out, settings)
    reasons = {row.slide: row.reason for row in report.failed}
    assert set(reasons) == set(slides) - {"good"}
    assert "no tissue found" in reasons["empty"]
    assert "nowhere a tile of 64 px at 0.5" in reasons["speck"]
    assert "too coarse" in reasons["coarse"]
    assert "no such file" in reasons["gone"]
    assert [path.name for path in (out / "index").iterdir()] == ["good.npz"]
    assert qc_path(out, "empty").exists()
    assert not qc_path(out, "gone").exists()


def test_hostile_ids_and_reasons_harm_neither_files_nor_table(make_slide: Make, draw: Draw, tmp_path: Path) -> None:
    good = make_slide("good.tif", draw(512, 512))
    slides = {"../../evil": good, "=cmd()": good, "line\nbreak": good, "+bad": tmp_path / "=gone.tif", "@": good}
    out = tmp_path / "a" / "b" / "out"
    report = _here(slides, out)
    assert [row.slide for row in report.rows] == list(slides)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "good.tif"]
    assert len(list((out / "index").iterdir())) == 4
    assert load(index_path(out, "../../evil")).slide == "../../evil"
    with report.table.open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert "line\\nbreak" in cells
    assert len(report.table.read_text().splitlines()) == 6


def test_a_worker_that_dies_is_a_failed_slide(
    make_slide: Make, draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slides = {name: make_slide(f"{name}.tif", draw(512, 512)) for name in "ab"}

    def dying(work: Callable, jobs: list, *, workers: int, setup: Callable) -> Iterator[tuple[int, object]]:
        yield 1, work(jobs[1])
        yield 0, WorkerDiedError()

    monkeypatch.setattr("harness.slides.prepare.run_each", dying)
    report = prepare_slides(slides, tmp_path / "out", SETTINGS, workers=2)
    assert [row.status for row in report.rows] == ["failed", "ready"]
    assert "died" in report.rows[0].reason


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(DataError, match="nothing can be written"):
        _here({"a": tmp_path / "a.tif"}, tmp_path / "out")


SCRIPT = """
import sys
from pathlib import Path
from harness.datasets.card import TissueSettings
from harness.slides.prepare import PrepareSettings, prepare_slides

if __name__ == "__main__":
    slide, out = Path(sys.argv[1]), Path(sys.argv[2])
    slides = {f"s{k:02}": slide for k in range(30)}
    settings = PrepareSettings((0.5, 1.0), 64, TissueSettings(mpp=4.0, min_area_mm2=0.001))
    prepare_slides(slides, out, settings, workers=1)
"""


def _children(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listing.stdout.split()]


def test_a_killed_run_goes_on_where_it_was_and_leaves_no_process(make_slide: Make, draw: Draw, tmp_path: Path) -> None:
    path = make_slide("a.tif", draw(1024, 1024))
    slides = {f"s{k:02}": path for k in range(30)}
    script, out = tmp_path / "run.py", tmp_path / "out"
    script.write_text(SCRIPT)
    process = subprocess.Popen([sys.executable, str(script), str(path), str(out)])
    until = time.monotonic() + 60
    while len(list((out / "index").glob("s*.npz"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert children
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children):
        assert time.monotonic() < until
        time.sleep(0.02)
    left = list((out / "index").glob("s*.npz"))
    assert 3 <= len(left) < len(slides)
    assert all(isinstance(load(path), SlideIndex) for path in left)
    report = _here(slides, out)
    assert len(report.ready) == len(slides)
    assert sum(row.reused for row in report.rows) >= 3


def test_grids_on_the_tiles_of_the_file_and_what_is_recorded(tmp_path: Path) -> None:
    picture = np.full((640, 640, 3), 240, np.uint8)
    picture[100:500, 100:500] = tissue(400, 400)
    slides = {"jpeg": write_tiled(tmp_path / "a.tif", picture, tile=(80, 80)), "flat": tmp_path / "b.png"}
    Image.fromarray(picture).save(slides["flat"])
    settings = PrepareSettings((0.5, 1.0), 64, SETTINGS.tissue, slide_mpp=0.5, align="tiles", resampler="dct")
    report = _here(slides, tmp_path / "out", settings)
    assert [row.status for row in report.rows] == ["ready", "ready"]
    index = SlideIndex.load(index_path(tmp_path / "out", "jpeg"))
    assert (index.read_by, index.resampler) == ("direct", "dct")
    assert len(index.coords[0]) and (index.coords[0] % 80 == 0).all()
    assert len(index.coords[1]) and (index.coords[1] % 160 == 0).all()
    assert "cover 64% of the slide" in index.note
    flat = SlideIndex.load(index_path(tmp_path / "out", "flat"))
    assert (flat.read_by, flat.resampler) == ("plain", "level")
    assert (flat.coords[0] % 64 == 0).all() and "stores no tiles" in flat.note
    table = _table(report)
    assert {name: (row["reader"], row["resampler"]) for name, row in table.items()} == {
        "jpeg": ("direct", "dct"),
        "flat": ("plain", "level"),
    }
    plain = PrepareSettings(settings.mpp, 64, settings.tissue, slide_mpp=0.5)
    assert len({plain.hash, settings.hash, replace(settings, align="corner").hash}) == 3
    assert replace(index, resampler="level").tiles_sha256 != index.tiles_sha256
