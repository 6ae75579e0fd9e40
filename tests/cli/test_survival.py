"""``bench run`` on a dataset of survival, from the card to the leaderboard."""

from __future__ import annotations

import json

import pytest
from support.lived import write_survival_dataset

RUN = ("run", "--dataset", "./lived", "--device", "cpu")


@pytest.fixture(autouse=True)
def dataset(bench, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return write_survival_dataset(tmp_path / "lived")


def test_a_run_learns_the_risk_and_ends_with_the_c_index(bench, tmp_path):
    answer = bench(*RUN, "--method", "abmil", "--set", "epochs=5", "--set", "lr=1e-3")
    assert answer.code == 0, answer.err
    assert "│ c_index " in answer.out
    for absent in ("accuracy", "auc", "sensitivity"):
        assert absent not in answer.out
    records = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "units").glob("*/record.json")]
    assert len(records) == 2
    for record in records:
        assert list(record["scores"]) == ["c_index"]
        assert 0.5 < record["scores"]["c_index"]["low"] < record["scores"]["c_index"]["high"] <= 1
        assert record["classes"] == ["interval_1", "interval_2", "interval_3", "later"]
        assert len(record["selection"]["cuts"]) == 2 and "threshold" not in record["selection"]
        assert 0.5 < record["validation"]["c_index"] <= 1
        assert (record["config"]["task"], record["config"]["intervals"]) == ("survival", 3)
        assert "predictions.parquet" in record["files"]
    # Each fold cuts time by its own training patients.
    assert records[0]["selection"]["cuts"] != records[1]["selection"]["cuts"]
    # On its own data, the kept models give the study's score again.
    again = bench("predict", "abmil-lived", "--dataset", "./lived", "--predictions", "p.csv")
    line = next(line for line in answer.out.splitlines() if "│ c_index " in line)
    assert line in again.out and "risk" in (tmp_path / "p.csv").read_text().splitlines()[0]
    board = bench("leaderboard show")
    assert "C-index [95 % interval]" in board.out and "ACC" not in board.out


def test_a_method_with_a_loss_for_classes_is_refused_with_those_that_can(bench):
    answer = bench(*RUN, "--method", "dsmil", "--dry-run")
    assert answer.code != 0
    problem, place, fix = answer.check_three_lines()
    assert problem == "method dsmil cannot learn survival, which is the task of dataset lived"
    assert place == "--method"
    assert fix.startswith("choose from: abmil, abmilx, abmilx_head")


def test_the_card_can_be_shown_and_verified(bench, tmp_path):
    shown = bench("datasets show ./lived")
    assert "survival over 3 intervals of time" in shown.out
    assert "threshold" not in shown.out
    assert bench("datasets verify ./lived").code == 0
    card = tmp_path / "lived" / "card.yaml"
    card.write_text(card.read_text().replace("intervals: 3", "intervals: 90"))
    verified = bench("datasets verify ./lived")
    assert verified.code == 2
    assert "90 intervals cannot be cut" in verified.out
