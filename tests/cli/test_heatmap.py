"""``bench heatmap``: a planted lesion is found at the right place, in pixels of level 0."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.path import Path as Outline
from PIL import Image
from support.planted import PLUGIN, SIDE_PX, write_planted

from harness.datasets.annotations import read_asap

pytestmark = pytest.mark.usefixtures("painted")

SLIDE, SIDE = "planted_7", 64
"""A test slide with a lesion; tiles of 32 pixels at 1 micron per pixel are 64 pixels of level 0, at 0.5."""


@pytest.fixture
def planted(bench, tmp_path: Path):
    """The dataset's folder; a study on it is in ``runs``."""
    folder = write_planted(tmp_path / "planted")
    (tmp_path / "seeker.py").write_text(PLUGIN)
    words = ("run", "--plugin", "seeker.py", "--method", "seeker", "--dataset", str(folder), "--device", "cpu")
    answer = bench(*words)
    assert answer.code == 0, answer.err
    return folder


def tiles_of(features: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 5, 2) and attention (n,) of the tiles in a GeoJSON file."""
    tiles = [one for one in features if one["properties"]["objectType"] == "tile"]
    corners = np.array([one["geometry"]["coordinates"][0] for one in tiles])
    return corners, np.array([one["properties"]["measurements"]["attention"] for one in tiles])


def test_a_study_remembers_where_its_dataset_lies(bench, planted, tmp_path):
    (study,) = Path("runs/studies").glob("*/study.json")
    assert json.loads(study.read_text())["dataset_folder"] == str(planted.resolve())
    answer = bench("heatmap", "seeker", "--slide", SLIDE, "--into", "maps", "--plugin", "seeker.py")
    assert answer.code == 0, answer.err
    planted.rename(tmp_path / "elsewhere")
    answer = bench("heatmap", "seeker", "--slide", SLIDE, "--into", "maps", "--plugin", "seeker.py")
    assert answer.code == 2 and "planted" in answer.err


def test_a_planted_lesion_has_the_attention_at_level_0(bench, planted, tmp_path):
    plugin = ("--plugin", "seeker.py", "--dataset", str(planted))
    answer = bench("heatmap", "seeker", "--slide", SLIDE, "--slide", "planted_1", "--into", "maps", *plugin)
    assert answer.code == 0, answer.err
    assert "every model has learnt from slide planted_1" in answer.err and SLIDE not in answer.err
    found = json.loads(Path(f"maps/{SLIDE}.geojson").read_text())
    assert found["type"] == "FeatureCollection"
    corners, attention = tiles_of(found["features"])
    assert np.isclose(attention.sum(), 1, atol=1e-6)
    assert np.array_equal(corners[:, 0], corners[:, 4])
    assert np.array_equal(corners[:, 2] - corners[:, 0], np.full((len(corners), 2), SIDE))
    assert corners.min() >= 0 and corners.max() <= SIDE_PX

    lesions = [Outline(outline) for outline in read_asap(planted / f"lesions/{SLIDE}.xml").positive]
    middles = corners[:, :4].mean(axis=1)
    inside = np.any([lesion.contains_points(middles) for lesion in lesions], axis=0)
    assert inside.any() and not inside.all()
    assert attention[inside].sum() > 0.95
    # Moved by one tile in any direction, the lesion would be missed: these are the pixels of level 0.
    for shift in ((SIDE, 0), (-SIDE, 0), (0, SIDE), (0, -SIDE)):
        moved = np.any([lesion.contains_points(middles + shift) for lesion in lesions], axis=0)
        assert attention[moved].sum() < attention[inside].sum()

    tissue = [one for one in found["features"] if one["properties"]["objectType"] == "annotation"]
    assert tissue and all(one["properties"]["classification"]["name"] == "Tissue" for one in tissue)
    rings = [Outline(np.array(one["geometry"]["coordinates"][0])) for one in tissue]
    covered = np.any([ring.contains_points(middles) for ring in rings], axis=0)
    assert covered[inside].all() and covered.mean() > 0.8
    with Image.open(f"maps/{SLIDE}.png") as picture:
        assert min(picture.size) > 400

    coordinates_alone(bench, planted, tmp_path, corners, attention)


def coordinates_alone(bench, planted, tmp_path, corners, attention):
    """A folder of features with coordinates, and no slides, gives the same tiles."""
    shift = attention * 50  # any feature that ranks the tiles in the same way
    (tmp_path / "feats").mkdir()
    labels = (planted / "labels.csv").read_text().splitlines()
    for line in labels[1:]:
        with h5py.File(tmp_path / f"feats/{line.split(',')[0]}.h5", "w") as file:
            own = line.startswith(SLIDE)
            rng = np.random.default_rng(sum(line.encode()))
            features = shift[:, None] if own else rng.normal(size=(9, 1))
            coords = corners[:, 0] if own else SIDE * np.stack(np.divmod(np.arange(9), 3), 1)
            file.create_dataset("features", data=features.astype(np.float32))
            file.create_dataset("coords", data=coords.astype(np.int64))
    made = ("datasets", "new", "feats", "--features", "feats", "--labels", str(planted / "labels.csv"))
    answer = bench(*made, "--folds", "3", "--into", "sets", "--classes", "0,1")
    assert answer.code == 0, answer.err
    words = ("heatmap", "seeker", "--slide", SLIDE, "--dataset", "sets/feats", "--into", "alone")
    answer = bench(*words, "--plugin", "seeker.py")
    assert answer.code == 0, answer.err
    assert "unknown" in answer.err  # by which encoder these were made
    again, weights = tiles_of(json.loads(Path(f"alone/{SLIDE}.geojson").read_text())["features"])
    assert np.array_equal(again, corners)
    assert weights.argmax() == attention.argmax()
    assert Path(f"alone/{SLIDE}.png").stat().st_size > 5_000


def test_what_cannot_be_drawn_is_refused(bench, trained, tmp_path):
    import shutil

    shutil.copytree(trained / "runs", tmp_path / "runs")
    words = ("--plugin", str(trained / "tiny_plugin.py"), "--dataset", str(trained / "toy"))
    problem, _, fix = bench("heatmap", "tiny", "--slide", "toy_0001", *words).check_three_lines()
    assert "unknown slide" in problem and "toy_001" in fix
    problem, _, _ = bench("heatmap", "tiny", "--slide", "toy_001", *words).check_three_lines()
    assert "nobody knows where the tiles of slide toy_001 are" in problem
