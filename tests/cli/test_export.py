"""``bench export``: a folder that predicts without the runs folder, and a model of MLflow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.toy import write_toy_dataset

from harness.core.reading import read_json

COLUMNS = ["p_negative", "p_positive"]


@pytest.fixture
def plugin(bench, trained: Path, tmp_path: Path) -> tuple[str, str]:
    """The words for the method of the trained study, which is in ``runs``."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    shutil.copy(trained / "tiny_plugin.py", tmp_path)
    return ("--plugin", "tiny_plugin.py")


def test_it_predicts_the_same_without_the_runs_and_as_a_model_of_mlflow(bench, plugin, tmp_path, monkeypatch):
    # MLflow remembers by a run's id where its artefacts are, and this run was copied: so a database of its own.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/own.db")
    other = write_toy_dataset(tmp_path / "other", name="other", n_bags=10, seed=9)
    predict = ("--dataset", str(other), "--ensemble", *plugin)
    assert bench("predict", "tiny", *predict, "--predictions", "before.csv").code == 0
    answer = bench("export", "tiny", "made/folder", "--mlflow", *plugin)
    assert answer.code == 0, answer.err
    uri = answer.out.split("'")[1]
    loaded = load(uri)
    shutil.move("runs", "gone")
    moved = shutil.move("made/folder", "elsewhere")
    again = bench("predict", moved, *predict, "--predictions", "after.csv")
    assert again.code == 0, again.err
    before, after = pd.read_csv("before.csv"), pd.read_csv("after.csv")
    pd.testing.assert_frame_equal(before, after, check_exact=True)

    bags = np.load(other / "features.npz")
    values = [bags["X"][bags["bag"] == number] for number in range(1, 11)]
    found = loaded.predict(pd.DataFrame({"slide": before["slide"], "features": values}))
    assert np.array_equal(found[COLUMNS], before[COLUMNS])
    assert list(found["predicted"]) == list(before["predicted"])


def load(uri: str):
    import mlflow

    return mlflow.pyfunc.load_model(uri)


def test_the_folder_says_what_the_models_are_and_holds_no_pickle(bench, plugin):
    assert bench("export", "tiny", "made", *plugin).code == 0
    about = json.loads(Path("made/export.json").read_text())
    assert about["classes"] == {"0": "negative", "1": "positive"}
    assert about["trained_on"]["licence"] == "none"
    assert set(about["scores"]) >= {"auc", "accuracy"} and len(about["models"]) == 2
    readme = Path("made/README.md").read_text()
    for text in ("negative", "auc", "bench predict made --dataset NAME", "tiny_plugin.py", "Licence"):
        assert text in readme
    assert {path.suffix for path in Path("made").rglob("*") if path.is_file()} == {
        ".json",
        ".md",
        ".py",
        ".safetensors",
    }
    assert all("features" not in read_json(path) for path in Path("made").glob("models/*/config.json"))


def test_a_folder_with_something_in_it_is_left_alone(bench, plugin):
    Path("made").mkdir()
    Path("made/mine").write_text("x")
    problem, place, _ = bench("export", "tiny", "made", *plugin).check_three_lines()
    assert "something" in problem and place == "made"
    assert Path("made/mine").read_text() == "x" and not list(Path().glob(".made*"))
