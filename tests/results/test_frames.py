"""Studies as pandas tables: the numbers of the evidence, under the names that the page promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.evidence import fill, fill_survival

import harness
from harness.core.errors import DataError, UsageError
from harness.results.store import RunStore
from harness.results.stored_scores import store_scores
from harness.results.summary import summarise

STUDY = ["study_id", "method", "dataset", "protocol"]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    fill(store, study="abmil-toy-cv3-111111", repeats=2)
    fill(store, study="max_pool-toy-cv3-222222", method="max_pool", gpu=True, done=2)
    return store


def test_one_study_has_its_own_numbers(store: RunStore) -> None:
    study = harness.load_study("abmil", store.root)
    summary = summarise(store, store.study("abmil-toy-cv3-111111"))
    scores = study.scores.set_index("metric")
    assert scores["value"]["auc"] == summary.scores.scores["auc"].value
    assert scores["low"]["f1"] == summary.scores.scores["f1"].low
    assert study.names == ("abmil-toy-cv3-111111",) and study.configs[study.names[0]]["params"] == {"lr": 0.0005}
    assert len(study.units) == 6 and np.isnan(study.units["f1"]).all() and (study.units["auc"] == 0.9).all()
    assert len(study.predictions) == 48 and study.predictions["p_yes"].between(0, 1).all()
    assert not len(study.damaged)


def test_all_studies_stand_in_the_same_tables(store: RunStore) -> None:
    every = harness.load_studies(store.root)
    assert len(every) == 2 and [one.names for one in every] == [(name,) for name in every.names]
    for name in ("studies", "units", "scores", "predictions", "curves", "costs"):
        frame = getattr(every, name)
        assert list(frame.columns[:4]) == STUDY, name
        assert set(frame["method"]) == {"abmil", "max_pool"}, name
    assert every.studies.set_index("method")["complete"].to_dict() == {"abmil": True, "max_pool": False}
    costs = every.costs.query("method == 'max_pool'")
    assert costs.query("stage == 'all'")["gpu_hours"].sum() == pytest.approx(0.02)
    assert costs.query("stage == 'fit'")["wall_s"].tolist() == [30.0, 30.0]


def test_curves_are_numbers(store: RunStore) -> None:
    curves = harness.load_study("abmil", store.root).curves
    assert curves["loss"].dtype == np.float64 and curves["epoch"].max() == 29
    assert curves.groupby("unit_id")["val_auc"].last().eq(0.79).all()


def test_survival_and_classes_side_by_side(store: RunStore) -> None:
    fill_survival(store)
    every = harness.load_studies(store.root)
    assert {"c_index", "auc"} <= set(every.scores["metric"])
    lived = every.predictions.query("dataset == 'lived'")
    assert lived["time"].notna().all() and lived["p_yes"].isna().all()


def test_what_cannot_be_read_is_named(store: RunStore) -> None:
    folder = store.unit_folder("max_pool-toy-cv3-222222-r0f0-s0")
    (folder / "record.json").write_text("{")
    every = harness.load_studies(store.root)
    assert every.damaged["name"].tolist() == [folder.name] and len(every.units) == 7


def test_errors_are_those_of_the_command(store: RunStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown study"):
        harness.load_study("transmil", store.root)
    with pytest.raises(DataError, match="no study"):
        harness.load_study("abmil", tmp_path / "nowhere")
    assert not len(harness.load_studies(tmp_path / "nowhere").scores)


def test_study_json_holds_the_scores(store: RunStore) -> None:
    name = "max_pool-toy-cv3-222222"
    summary = summarise(store, store.study(name))
    before = store.plan(name)
    store_scores(store, summary)
    plan = store.plan(name)
    assert plan["scores"]["auc"]["low"] == summary.scores.scores["auc"].low
    assert plan["units_done"] == 2 and plan["cost"]["gpu"] == "Pretend 9000"
    assert {key: plan[key] for key in before} == before


def test_it_needs_no_torch(store: RunStore) -> None:
    text = "import sys, harness; harness.load_studies(sys.argv[1]).predictions; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", text, str(store.root)], timeout=120).returncode == 0
