"""``bench prepare`` on a folder and on a dataset: a table, a line per failure, and where to look."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from harness.studies.config import StudyConfig
from harness.studies.resolve import resolve
from harness.studies.run import open_study_inputs


def draw(path, seed: int) -> None:
    """A flat image of 900 x 700 pixels with a pink rectangle of tissue on white glass."""
    rng = np.random.default_rng(seed)
    pixels = np.full((700, 900, 3), 244, np.uint8)
    pixels[100:600, 100:800] = rng.integers((150, 60, 130), (220, 140, 200), (500, 700, 3))
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(1)).save(path)


@pytest.fixture
def slides(tmp_path):
    """A flat image with tissue, and a broken file."""
    folder = tmp_path / "my slides"
    folder.mkdir()
    draw(folder / "good.png", seed=0)
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


def test_a_dataset_is_prepared_where_a_run_looks_for_it(bench, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(6):
        draw(folder / f"s{number}.png", seed=number)
    rows = [f"s{number},{'ab'[number % 2]},p{number}" for number in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["slide,label,patient", *rows]) + "\n")
    made = bench("datasets new mine --slides pictures --labels labels.csv --mpp 0.5 --folds 3")
    assert made.code == 0, made.err
    prepared = bench("prepare", "./mine", "--tile-mpp", "0.5", "--tile-px", "64", "--workers", "1")
    assert prepared.code == 0, prepared.err
    assert "6 ready, 0 of them from before" in prepared.out
    tables = list((tmp_path / "cache").rglob("slides.csv"))
    assert len(tables) == 1
    settings = {"input.kind": "features", "input.encoder": "conv64", "input.tile_px": 64, "input.mpp": 0.5}
    config = StudyConfig(method="mean_pool", dataset="./mine", set=settings, workers=1)
    inputs = open_study_inputs(resolve(config), config, torch.device("cpu"))
    assert len(inputs.content) == 6
    assert list((tmp_path / "cache").rglob("slides.csv")) == tables, "the run has prepared them once more"


def test_the_advice_for_a_slide_without_colour_works_as_printed(bench, tmp_path):
    folder = tmp_path / "grey"
    folder.mkdir()
    pixels = np.full((700, 900), 244, np.uint8)
    pixels[100:600, 100:800] = 150
    Image.fromarray(pixels).save(folder / "grey.png")
    words = ["prepare", str(folder), "--mpp", "0.5", "--tile-px", "64", "--out", str(tmp_path / "o"), "--workers", "1"]
    refused = bench(*words)
    assert refused.code == 1
    line = next(line for line in refused.out.splitlines() if line.startswith("failed: grey:"))
    assert "colour" in line
    assert "--tissue-measure brightness" in line
    assert bench(*words, "--tissue-measure", "brightness").code == 0


@pytest.mark.parametrize(("option", "value"), [("threshold", "0"), ("threshold", "nan"), ("fraction", "1.5")])
def test_tissue_settings_out_of_range_are_refused(bench, slides, option, value):
    refused = bench("prepare", str(slides), "--mpp", "0.5", f"--tissue-{option}", value)
    assert refused.code == 2
    assert refused.check_three_lines()[1] == f"--tissue-{option}"
