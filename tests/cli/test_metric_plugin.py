"""A metric of an installed package: scored with intervals, shown, and choosing the epoch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, matthews_corrcoef
from support.installed import installed
from support.toy import write_toy_dataset

from harness.evaluation.study_scores import Predictions, study_scores
from harness.tasks.metric_registry import metrics_of
from harness.tasks.registry import find_task, lower_is_better, metrics_of_tasks

SOURCE = """
import numpy as np

from harness import Metric


class MCC(Metric):
    name = "mcc"
    version = 3

    def value(self, rows, weights):
        y, p = rows.label, rows.predicted
        m = np.bincount(2 * y + p, weights, minlength=4).reshape(2, 2)
        return np.linalg.det(m) / np.sqrt(m.sum(0).prod() * m.sum(1).prod())


class Brier(Metric):
    name = "brier"
    lower_is_better = True
    averaged = True

    def values(self, rows, weights):
        return weights @ (rows.probabilities[:, 1] - rows.label) ** 2 / weights.sum(1)

    def value(self, rows, weights):
        return self.values(rows, weights[None])[0]


class Failing(Metric):
    name = "failing"

    def value(self, rows, weights):
        raise RuntimeError("no such thing")


class Auc(Metric):
    name = "auc"

    def value(self, rows, weights):
        return 0.0
"""
POINTS = {"harness.metrics": {"mcc": "MCC", "brier": "Brier", "failing": "Failing", "auc": "Auc", "gone": "Gone"}}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    with installed(tmp_path / "site", monkeypatch, SOURCE, POINTS) as name:
        yield name


def records(select: str) -> list[tuple[Path, dict]]:
    found = [(path.parent, json.loads(path.read_text())) for path in sorted(Path("runs/units").glob("*/record.json"))]
    return [(folder, record) for folder, record in found if record["spec"]["params"]["select_metric"] == select]


def test_it_is_scored_shown_and_chooses_the_epoch(bench, module: str, tmp_path: Path) -> None:
    data = write_toy_dataset(tmp_path / "toy")
    for metric in ("mcc", "brier"):
        words = ("--dataset", str(data), "--set", "epochs=4", "--set", f"select_metric={metric}")
        ran = bench("run", "--method", "abmil", *words)
        assert ran.code == 0, ran.err
        assert "failing is left undefined" in ran.err and "no such thing" in ran.err
    for folder, record in records("mcc"):
        table = pd.read_parquet(folder / "predictions.parquet")
        score = record["scores"]["mcc"]
        assert score["value"] == pytest.approx(matthews_corrcoef(table.label, table.predicted))
        assert score["low"] <= score["value"] <= score["high"]
        assert record["scores"]["brier"]["value"] == pytest.approx(brier_score_loss(table.label, table.p_positive))
        assert record["scores"]["failing"]["value"] is None
        assert record["selection"]["stages"]["train"]["selected_by"] == "mcc"
        assert record["spec"]["protocol_settings"]["metric_versions"] == {"mcc": "3"}
    for folder, record in records("brier"):
        curve = pd.read_csv(folder / "curve.csv")
        chosen = record["selection"]["stages"]["train"]["best_epoch"]
        assert curve.val_brier[chosen] == pytest.approx(curve.val_brier.min()), "a smaller one is better"
        (version,) = record["spec"]["protocol_settings"]["metric_versions"].values()
        assert version.startswith("source-")

    shown = bench("leaderboard", "show", "--metric", "brier")
    assert shown.code == 0 and "ranked by brier" in shown.out and "mcc" in shown.out
    studies = sorted(path.name for path in Path("runs/studies").iterdir())
    compared = bench("compare", *studies)
    assert compared.code == 0 and "mcc" in compared.out and "brier" in compared.out


def test_a_score_that_the_task_does_not_have_is_refused(bench, module: str, tmp_path: Path) -> None:
    data = write_toy_dataset(tmp_path / "toy")
    words = ("run", "--method", "abmil", "--dataset", str(data), "--dry-run", "--set")
    _, _, fix = bench(*words, "select_metric=mc").check_three_lines()
    assert "mcc" in fix
    problem, _, _ = bench(*words, "select_metric=c_index").check_three_lines()
    assert "classification" in problem


def test_broken_ones_are_listed_and_harm_no_other(bench, module: str) -> None:
    listed = bench("plugins", "list", "metrics")
    assert listed.code == 0 and f"{module} 1.0" in listed.out
    assert "name of a score of a task" in listed.out and "Gone" in listed.out
    assert [metric.name for metric in metrics_of(find_task("classification"))] == ["brier", "failing", "mcc"]
    assert metrics_of(find_task("survival")) == ()
    assert metrics_of_tasks()[-3:] == ("brier", "failing", "mcc")
    assert lower_is_better("brier") and not lower_is_better("mcc")


def test_an_averaged_metric_is_the_mean_over_folds_and_others_are_pooled(module: str) -> None:
    rng = np.random.default_rng(0)
    label, fold = np.tile([0, 1], 30), np.repeat([0, 1, 2], 20)
    p = np.clip(rng.normal(0.3 + 0.4 * label, 0.3), 0.01, 0.99)
    unit = {"repeat": np.zeros(60, int), "fold": fold, "seed": np.zeros(60, int), "patient": np.arange(60)}
    rows = Predictions(
        **unit,
        label=label,
        probabilities=np.stack([1 - p, p], 1),
        predicted=(p > 0.5).astype(int),
        further=metrics_of(find_task("classification")),
    )
    scores = study_scores(rows, resamples=50).scores
    folds = [brier_score_loss(label[fold == k], p[fold == k]) for k in range(3)]
    assert scores["brier"].value == pytest.approx(np.mean(folds))
    assert scores["mcc"].value == pytest.approx(matthews_corrcoef(label, p > 0.5))
    assert scores["mcc"].folds == 3 and np.isnan(scores["failing"].value)
