"""Evidence of survival: stored, summarised, ranked and published by its C-index, without classes' scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from support.evidence import fill, fill_survival

from harness.evaluation.survival import c_index
from harness.results.leaderboard import leaderboard
from harness.results.publish import Publisher
from harness.results.store import RunStore
from harness.results.study_table import markdown
from harness.results.summary import summarise


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_the_score_comes_from_stored_risks(store: RunStore) -> None:
    made = fill_survival(store)
    frame = store.predictions([one.unit_id for one in made])
    assert {"time", "event", "risk", "p_interval_1", "p_interval_2", "p_later"} <= set(frame)
    assert not {"label", "predicted", "threshold"} & set(frame)
    summary = summarise(store, store.study(made[0].study_id), resamples=100)
    expected = np.mean([c_index(part.time, part.event, part.risk)[0] for _, part in frame.groupby("fold")])
    assert summary.metrics()["c_index"] == pytest.approx(expected)
    assert "auc" not in summary.metrics()
    page = markdown(summary)
    assert "| c_index | 0." in page and "accuracy" not in page


def test_survival_is_ranked_by_the_c_index_and_classes_by_the_auc(store: RunStore) -> None:
    fill(store)
    fill_survival(store, honest=True)
    by = {group.dataset: group for group in leaderboard(store).groups}
    assert {name: group.metric for name, group in by.items()} == {"toy": "auc", "lived": "c_index"}
    assert [row.rank for row in by["lived"].rows] == [1]
    (row,) = next(group for group in leaderboard(store, metric="auc").groups if group.dataset == "lived").rows
    assert row.reason == "auc is undefined"


def test_mlflow_shows_the_c_index_and_a_study_has_curves_of_survival(store: RunStore, empty_mlflow: Path) -> None:
    store.root.mkdir()
    shutil.copyfile(empty_mlflow, store.root / "mlflow.db")
    made = fill_survival(store, folds=1)
    assert Publisher(store).sync() == 2
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lived")
    (run,) = client.search_runs([experiment.experiment_id], "tags.level = 'study'")
    assert {"c_index", "c_index_low", "c_index_high"} <= set(run.data.metrics)
    figures = {path.name for path in store.study_folder(made[0].study_id).glob("*.png")}
    assert figures == {"curve.png", "kaplan_meier.png"}
