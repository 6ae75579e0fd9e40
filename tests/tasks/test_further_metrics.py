"""Scores on request: computed where they are asked for, absent elsewhere, and never in the way of a plugin's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from harness.core.errors import UsageError
from harness.evaluation import further
from harness.evaluation.paired import compare
from harness.evaluation.study_scores import Predictions, study_scores
from harness.evaluation.survival import SurvivalPredictions
from harness.evaluation.survival_scores import uno_c
from harness.tasks import metric_registry
from harness.tasks.classification import Classification
from harness.tasks.metric_registry import ask_for, further_metrics, metrics_of
from harness.tasks.registry import lower_is_better, metrics_of_tasks
from harness.tasks.survival import Survival


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_registry, "_asked", [])


def classified(seed: int, *, classes: int = 2, n: int = 60) -> Predictions:
    rng = np.random.default_rng(seed)
    label, zero, names = np.arange(n) % classes, np.zeros(n, int), np.arange(n)
    p = rng.dirichlet(np.ones(classes), n) + np.eye(classes)[label] * rng.uniform(0, 1, (n, 1))
    p /= p.sum(axis=1, keepdims=True)
    added = metrics_of(Classification)
    fold = names // classes % 2
    return Predictions(zero, fold, zero, names // 2, label, p, p.argmax(axis=1), slide=names, further=added)


def test_nobody_has_them_who_did_not_ask() -> None:
    assert set(further_metrics()) == {cls.name for cls in further.METRICS}
    assert not {metric.name for metric in metrics_of(Classification)} & set(further_metrics())
    assert not set(metrics_of_tasks()) & set(further_metrics())
    assert not ask_for("no_such_score")


def test_asked_for_they_have_values_intervals_and_differences() -> None:
    for name in further_metrics():
        assert ask_for(name) and ask_for(name)
    assert "uno_c" not in classified(0).names and set(further_metrics()) <= set(metrics_of_tasks())
    scores = study_scores(classified(0), resamples=60).scores
    for name, cls in further_metrics().items():
        if cls.task == "classification":
            assert scores[name].low <= scores[name].value <= scores[name].high or name == "calibration_error"
    found = compare(classified(0), classified(1), resamples=60)
    assert np.isfinite(found["brier"].value) and found["brier"].interval.low < found["brier"].interval.high
    three = study_scores(classified(0, classes=3), resamples=60).scores
    assert np.isnan(three["sensitivity_at_95_specificity"].value) and np.isfinite(three["average_precision"].value)
    assert lower_is_better("brier") and not lower_is_better("quadratic_kappa")


def test_scores_of_survival_are_those_of_its_patients_in_each_fold() -> None:
    ask_for("uno_c")
    ask_for("dynamic_auc")
    rng = np.random.default_rng(2)
    patient = np.repeat(np.arange(40), 2)
    time, event = rng.exponential(size=40)[patient], (np.arange(40) % 4 > 0).astype(int)[patient]
    risk, fold, zero = -time + rng.normal(size=80), patient % 2, np.zeros(80, int)
    data = SurvivalPredictions(zero, fold, zero, patient, time, event, risk, further=metrics_of(Survival))
    scores = study_scores(data, resamples=60).scores
    expected = []
    for k in (0, 1):
        inside = np.unique(patient[fold == k])
        mean = [risk[patient == one].mean() for one in inside]
        expected.append(uno_c(time[2 * inside], event[2 * inside], mean)[0])
    assert scores["uno_c"].value == pytest.approx(np.mean(expected))
    assert 0.5 < scores["dynamic_auc"].low < scores["dynamic_auc"].high <= 1


def test_a_plugin_that_has_the_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_registry, "metrics", lambda: SimpleNamespace(names=("brier",), added=list))
    assert "brier" not in further_metrics() and not ask_for("brier")


def test_the_option_offers_them() -> None:
    from harness.cli.leaderboard import metric_name

    assert metric_name("brier") == "brier"
    with pytest.raises(UsageError, match="quadratic_kapa") as caught:
        metric_name("quadratic_kapa")
    assert "quadratic_kappa" in caught.value.fix
