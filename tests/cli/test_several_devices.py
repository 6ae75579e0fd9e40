"""``bench run --devices``: a unit by two processes, and what is refused before anything is trained."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from support.ranked import FRUGAL

RUN = "run --plugin frugal.py --method tiny --dataset toy --device cpu --fold 0 --set epochs=3 --set optimizer=sgd"


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch, toy_dataset):
    (tmp_path / "frugal.py").write_text(FRUGAL)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def _evidence(folder):
    return json.loads((folder / "record.json").read_text()), pd.read_parquet(folder / "predictions.parquet")


def test_two_devices_give_the_predictions_of_one_as_another_unit(bench, tmp_path):
    for devices in ("1", "2"):
        answer = bench(*RUN.split(), "--set", "batch_size=4", "--devices", devices)
        assert answer.code == 0, answer.err
    units = [_evidence(path.parent) for path in tmp_path.glob("runs/units/*/record.json")]
    (one, alone), (two, shared) = sorted(units, key=lambda unit: unit[0]["spec"].get("devices", 1))
    pd.testing.assert_frame_equal(shared, alone, check_exact=False, atol=1e-6, rtol=0)
    assert two["spec"].pop("devices") == 2
    assert two["spec"] == one["spec"]
    assert two["unit_id"] != one["unit_id"]
    assert two["config"]["devices"] == two["environment"]["hardware"]["devices"] == 2
    assert two["compute"]["gpu_hours"] == 0
    assert not list(tmp_path.glob("runs/units/*/work"))


def test_what_cannot_be_shared_is_refused_before_anything_is_trained(bench, tmp_path):
    answer = bench(*RUN.split(), "--set", "accumulate=8", "--devices", "2")
    problem, place, fix = answer.check_three_lines()
    assert problem == "a step of 1 slide cannot be shared by 2 devices"
    assert place == "hyper-parameter batch_size"
    assert fix == "add --set batch_size=2 --set accumulate=4, or use --devices 1"
    for method in ("icmil", "dre_slcl", "msamil"):
        answer = bench("run", "--method", method, "--dataset", "camelyon16-mini", "--devices", "2", "--dry-run")
        problem, place, fix = answer.check_three_lines()
        assert problem.startswith(f"method {method} cannot be trained by 2 devices")
        assert "abmilx" in fix
        assert method not in fix
    assert not (tmp_path / "runs").exists()


def test_a_number_of_devices_is_at_least_one(bench):
    problem, place, _ = bench(*RUN.split(), "--devices", "0").check_three_lines()
    assert (problem, place) == ("0 is not a number of devices", "--devices")


def test_a_study_on_one_device_is_the_study_it_always_was(bench):
    plain, named = (bench(*RUN.split(), *more, "--dry-run").out for more in ([], ["--devices", "1"]))
    assert plain == named
    assert "devices" not in plain
