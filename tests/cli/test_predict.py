"""``bench predict``: other data by the models of a study: rows, scores, ensembles, and what is refused."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from support.toy import write_toy_dataset
from support.toy_slides import write_toy_slides

COLUMNS = ["p_negative", "p_positive"]


@pytest.fixture
def predict(bench, trained, tmp_path):
    """``bench predict`` with the trained study."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    plugin = ("--plugin", str(trained / "tiny_plugin.py"), "--device", "cpu")

    def run(*words: str, study: str = "tiny"):
        return bench("predict", study, *words, *plugin)

    return run


def log_loss(frame: pd.DataFrame) -> float:
    return float(-np.log(np.where(frame["label"] == 1, frame["p_positive"], frame["p_negative"])).mean())


def scores_in(text: str) -> dict[str, float]:
    cells = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    return {cell[1].strip(): float(cell[2]) for cell in cells}


def test_on_its_own_data_the_slides_that_are_new_to_each_model_give_the_scores_of_the_study(predict, trained, tmp_path):
    answer = predict("--dataset", str(trained / "toy"), "--predictions", "p.parquet")
    assert answer.code == 0, answer.err
    frame = pd.read_parquet("p.parquet")
    assert len(frame) == 2 * 40 and set(frame["seen"]) == {"", "train", "validation"}
    fresh = frame[frame["seen"] == ""]
    units = sorted((tmp_path / "runs/units").iterdir())
    stored = pd.concat([pd.read_parquet(unit / "predictions.parquet").assign(unit=unit.name) for unit in units])
    both = stored.merge(fresh, on=["unit", "slide"])
    assert len(both) == len(stored) == len(fresh)
    for name in COLUMNS:  # bit for bit
        assert np.array_equal(both[f"{name}_x"], both[f"{name}_y"])
    assert np.array_equal(both["predicted_x"], both["predicted_y"])
    table = json.loads((tmp_path / next((tmp_path / "runs/studies").glob("*/study.json"))).read_text())["scores"]
    assert scores_in(answer.out)["auc"] == pytest.approx(table["auc"]["value"], abs=6e-4)
    assert "40 of 40 slides were trained or validated on" in answer.err


def test_on_other_data_each_model_and_their_mean_are_scored(predict, tmp_path):
    other = write_toy_dataset(tmp_path / "other", name="other", n_bags=24, seed=9)
    answer = predict("--dataset", str(other), "--predictions", "p.csv")
    assert (answer.code, answer.err) == (0, "")
    frame = pd.read_csv("p.csv", keep_default_na=False)
    assert set(frame["seen"]) == {""} and frame["unit"].nunique() == 2
    assert scores_in(answer.out)["log_loss"] == pytest.approx(log_loss(frame), abs=6e-4)
    assert "48 predictions of 24 patients" in answer.out

    answer = predict("--dataset", str(other), "--ensemble", "--csv")
    (written,) = tmp_path.glob("*-ensemble-on-other.csv")
    mean = pd.read_csv(written)
    expected = frame.groupby("slide")[COLUMNS].mean().loc[mean["slide"]]
    assert np.allclose(mean[COLUMNS], expected, atol=1e-15)
    scores = pd.read_csv(StringIO(answer.out)).set_index("metric")
    assert scores.loc["log_loss", "score"] == pytest.approx(log_loss(mean))
    assert scores.loc["log_loss", "low"] < scores.loc["log_loss", "score"] < scores.loc["log_loss", "high"]
    lines = [json.loads(line) for line in (tmp_path / "runs/test_accesses.jsonl").read_text().splitlines()]
    assert [line["slides"] for line in lines if line["accessor"].startswith("predict/")] == [24, 24, 24]


def altered(folder: Path, tmp_path: Path, **changes: object) -> str:
    """A copy of a dataset with another card."""
    target = tmp_path / "altered"
    shutil.copytree(folder, target)
    card = yaml.safe_load((target / "card.yaml").read_text())
    card.update(changes)
    (target / "card.yaml").write_text(yaml.safe_dump(card))
    return str(target)


def test_data_of_another_domain_is_refused_with_both_sides(predict, trained, tmp_path):
    names = altered(trained / "toy", tmp_path, classes=["benign", "malignant"])
    problem, place, _ = predict("--dataset", names).check_three_lines()
    assert "negative, positive" in problem and "benign, malignant" in problem and "toy" in place
    problem, _, _ = predict("--dataset", "musk1").check_three_lines()
    assert "4" in problem and "166" in problem
    problem, _, _ = predict("--slides", str(trained)).check_three_lines()
    assert "did not read slides" in problem
    problem, _, _ = predict("--dataset", "musk1", "--slides", "x").check_three_lines()
    assert "either" in problem
    problem, _, _ = predict("--dataset", "musk1", study="abmil").check_three_lines()
    assert "unknown study" in problem
    problem, _, fix = predict("--dataset", "musk1", "--predictions", "p.txt").check_three_lines()
    assert ".txt" in problem and ".parquet" in fix


def test_a_study_without_models_says_how_to_get_them(predict, trained, tmp_path):
    for folder in (tmp_path / "runs/units").glob("*/model"):
        shutil.rmtree(folder)
    problem, _, fix = predict("--dataset", str(trained / "toy")).check_three_lines()
    assert "no unit of the study keeps its model (2 done)" in problem and "--out" in fix


@pytest.mark.parametrize("kind", ["features", "tiles"])
def test_a_folder_of_slides_is_predicted_as_the_dataset_is(bench, tmp_path, trained, kind):
    specimens = write_toy_slides(tmp_path / "specimens")
    plugin = ("--plugin", str(trained / "tiny_plugin.py"), "--device", "cpu")
    run = ("run", "--method", "tiny", "--dataset", str(specimens), "--input", kind, "--fold", "0", "--set", "epochs=1")
    assert bench(*run, *plugin).code == 0
    assert bench("predict", "tiny", "--dataset", str(specimens), "--predictions", "labelled.csv", *plugin).code == 0
    slides = ("--slides", str(specimens / "slides"), "--mpp", "1")
    answer = bench("predict", "tiny", *slides, "--predictions", "folder.csv", *plugin)
    assert answer.code == 0, answer.err
    assert "auc" not in answer.out
    labelled, folder = (pd.read_csv(name).set_index("slide") for name in ("labelled.csv", "folder.csv"))
    assert "label" not in folder and len(folder) == 12
    assert np.array_equal(folder[COLUMNS], labelled.loc[folder.index, COLUMNS])
    assert list(folder["seen"].fillna("")) == list(labelled.loc[folder.index, "seen"].fillna(""))
    stored = pd.read_parquet(next((tmp_path / "runs/units").glob("*/predictions.parquet"))).set_index("slide")
    assert np.array_equal(folder.loc[stored.index, COLUMNS], stored[COLUMNS])
