"""What ``bench run`` keeps of trained models: the weights that predicted, and nothing that changes the evidence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness import UsageError
from harness.cli.study_options import study_config
from harness.datasets.dataset import load_dataset
from harness.models.kept_model import KeptModel
from harness.sources.open_inputs import open_inputs
from harness.sources.opening import Opening

TIMES = {"started", "finished", "compute", "environment", "files"}


@pytest.fixture
def study(bench, toy_dataset, tiny_plugin):
    """A function that runs a fold of the toy study and gives the folder of its unit."""

    def run(*words: str, out: str = "runs") -> Path:
        base = ("run", "--plugin", str(tiny_plugin), "--method", "tiny", "--dataset", str(toy_dataset))
        answer = bench(*base, "--fold", "0", "--out", out, "--device", "cpu", *words)
        assert answer.code == 0, answer.err
        (unit,) = (path.parent for path in Path(out, "units").glob("*/record.json"))
        return unit

    return run


def answers(unit: Path, dataset: Path, slides: list[str]) -> np.ndarray:
    """What the model that a unit kept predicts, from its files alone."""
    opened = load_dataset(dataset)
    opening = Opening(
        settings=opened.card.inputs[0],
        slides=opened.slides,
        data_root=None,
        cache=unit,
        workers=1,
        device=torch.device("cpu"),
    )
    model = KeptModel.load(unit / "model")
    return model.predict(model.bags(open_inputs(opened, opening).access, slides)).probabilities


@pytest.mark.parametrize("protocol", ["cv2", "last"])
def test_the_kept_model_is_the_one_that_predicted_bit_for_bit(study, toy_dataset, protocol):
    unit = study("--protocol", protocol)
    frame = pd.read_parquet(unit / "predictions.parquet")
    probabilities = frame[["p_negative", "p_positive"]].to_numpy()
    assert np.array_equal(answers(unit, toy_dataset, list(frame["slide"])), probabilities)
    description = json.loads((unit / "model/model.json").read_text())
    origin, record = description["origin"], json.loads((unit / "record.json").read_text())
    assert description["normalised"] == (protocol != "cv2")
    assert (origin["unit"], origin["classes"]) == (unit.name, ["negative", "positive"])
    assert origin["threshold"] == record["selection"]["threshold"]
    assert json.loads((unit / "model/config.json").read_text())["params"] == description["params"]
    seen = sum(record["counts"][part]["slides"] for part in ("train", "val"))
    assert len({*origin["trained_on"], *origin["chosen_on"]}) == seen


def test_without_a_model_the_evidence_is_the_same(study):
    with_model = study()
    without = study("--no-keep-model", out="other")
    assert (with_model / "model").is_dir() and not (without / "model").exists()
    assert with_model.name == without.name
    frames = [pd.read_parquet(unit / "predictions.parquet") for unit in (with_model, without)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    records = [json.loads((unit / "record.json").read_text()) for unit in (with_model, without)]
    first, second = ({k: v for k, v in one.items() if k not in TIMES} for one in records)
    assert first == second
    assert set(records[0]["files"]) == set(records[1]["files"])


def test_a_model_that_is_removed_damages_no_evidence(study, bench):
    unit = study()
    (unit / "model/model.json").unlink()
    assert "damaged" not in bench("leaderboard", "show").out
    written = (unit / "record.json").stat().st_mtime_ns
    study()
    assert (unit / "record.json").stat().st_mtime_ns == written


def test_trials_and_epochs_chosen_on_test_keep_none(study):
    unit = study("--trials", "2", "--tune-folds", "1")
    assert [path.parent.parent for path in Path("runs").rglob("model.json")] == [unit]
    study("--protocol", "on-test", out="on-test")
    assert not [*Path("on-test").rglob("model.json")]


def test_a_configuration_file_says_it_too():
    given = {"method": "abmil", "dataset": "musk1", "set": {}}
    assert study_config(given).keep_model
    assert not study_config(given | {"keep_model": False}).keep_model
    with pytest.raises(UsageError, match="neither true nor false"):
        study_config(given | {"keep_model": "no"})
