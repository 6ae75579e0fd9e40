"""``bench prepare`` on a folder and on a dataset: a table, a line per failure, and where to look."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image, ImageFilter


@pytest.fixture
def slides(tmp_path):
    """Two flat images with tissue, one of them broken."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "my slides"
    folder.mkdir()
    pixels = np.full((700, 900, 3), 244, np.uint8)
    pixels[100:600, 100:800] = rng.integers((150, 60, 130), (220, 140, 200), (500, 700, 3))
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1)).save(folder / "good.png")
    (folder / "broken.svs").write_bytes(b"not a slide")
    return folder


def test_a_folder_ends_with_its_slides_its_failures_and_where_to_look(bench, slides, tmp_path):
    out = tmp_path / "found"
    answer = bench("prepare", str(slides), "--mpp", "0.5", "--tile-px", "64", "--out", str(out), "--workers", "1")
    assert answer.code == 1, answer.err
    assert "│ good " in answer.out
    assert "failed: broken: the file is not a slide" in answer.out
    assert "What to look at next" in answer.out
    problem, place, _ = answer.check_three_lines()
    assert problem == "1 of 2 slides could not be prepared, 1 ready"
    assert place == str(out / "slides.csv")
    with (out / "slides.csv").open() as file:
        rows = {row["slide"]: row for row in csv.DictReader(file)}
    assert rows["good"]["status"] == "ready"
    assert int(rows["good"]["n_tiles_0.5"]) > 20
    assert (out / "index" / "good.npz").is_file()
    assert (out / "qc" / "good.jpg").is_file()

    (slides / "broken.svs").unlink()
    again = bench("prepare", str(slides), "--mpp", "0.5", "--tile-px", "64", "--out", str(out), "--workers", "1")
    assert (again.code, again.err) == (0, "")
    assert "1 ready, 1 of them from before, 0 failed" in again.out


def test_a_flat_image_without_a_resolution_is_refused_with_a_hint(bench, slides):
    answer = bench("prepare", str(slides), "--workers", "1")
    assert answer.code == 1
    line = next(line for line in answer.out.splitlines() if line.startswith("failed: good:"))
    assert "--mpp" in line


@pytest.mark.parametrize(
    ("target", "problem", "fix"),
    [
        ("musk9", "unknown dataset 'musk9'", "musk"),
        ("no/such/folder", "", ""),
        ("empty", "no slide found", "slides end in"),
    ],
)
def test_what_is_not_there_is_told(bench, tmp_path, target, problem, fix):
    (tmp_path / "empty").mkdir()
    answer = bench("prepare", target)
    assert answer.code == 2
    said = answer.check_three_lines()
    assert problem in said[0]
    assert fix in said[2]


def test_a_dataset_without_slides_has_nothing_to_prepare(bench):
    answer = bench("prepare musk1")
    assert (answer.code, answer.err) == (0, "")
    assert "nothing to prepare" in answer.out


def test_a_dataset_without_its_slides_says_where_to_get_them(bench):
    answer = bench("prepare camelyon16")
    assert answer.code == 2
    problem, place, fix = answer.check_three_lines()
    assert "camelyon16" in problem
    assert "--data-root" in place + fix
