"""A study's numbers are those of its units, and nothing unknown is called zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from support.evidence import fill, predictions, record

from harness.evaluation import study_scores
from harness.results import study_table as text
from harness.results.leaderboard import leaderboard
from harness.results.predictions import PREDICTIONS
from harness.results.publish import Publisher
from harness.results.store import RunStore
from harness.results.summary import Cost, summarise

STUDY = "abmil-toy-cv3-0123"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_scores_come_from_the_stored_predictions(store: RunStore) -> None:
    fill(store, repeats=2)
    frame = store.predictions([r.unit_id for r in store.study(STUDY).records])
    summary = summarise(store, store.study(STUDY), resamples=100)
    expected = np.mean([accuracy_score(run.label, run.predicted) for _, run in frame.groupby("repeat")])
    assert summary.scores is not None
    assert summary.scores.scores["accuracy"].value == pytest.approx(expected)
    metrics = summary.metrics()
    assert metrics["accuracy_low"] <= metrics["accuracy"] <= metrics["accuracy_high"]
    assert (metrics["units_done"], metrics["units_planned"]) == (6, 6)


def test_predictions_are_resampled_once(store: RunStore, monkeypatch: pytest.MonkeyPatch, empty_mlflow) -> None:
    """Showing a study in MLflow, on the leaderboard and in the terminal takes one bootstrap."""
    fill(store)
    drawn = []
    real = study_scores.bootstrap
    monkeypatch.setattr(study_scores, "bootstrap", lambda *a, **k: drawn.append(1) or real(*a, **k))
    Publisher(store).study(STUDY)
    leaderboard(store)
    summarise(store, store.study(STUDY))
    assert len(drawn) == 1
    made = store.study(STUDY).records[0]
    (store.unit_folder(made.unit_id) / PREDICTIONS).touch()
    summarise(store, store.study(STUDY))
    assert len(drawn) == 1, "the same content under another time"
    store.write_unit(made, predictions(signal=0.5))
    summarise(store, store.study(STUDY))
    assert len(drawn) == 2


def test_one_study_is_found_without_reading_the_others(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    expected = store.study(STUDY)
    monkeypatch.setattr(RunStore, "scan", lambda self: pytest.fail("the whole folder was read"))
    assert store.study(STUDY) == expected


def test_hours_add_up_and_memory_is_the_largest(store: RunStore) -> None:
    fill(store, gpu=True)
    cost = summarise(store, store.study(STUDY), resamples=10).cost
    assert cost.gpu == "Pretend 9000"
    assert (cost.wall_s, cost.gpu_hours, cost.cpu_hours) == (108.0, pytest.approx(0.03), pytest.approx(0.06))
    assert (cost.peak_memory_mb, cost.peak_rss_mb) == (902.0, 402.0)


def test_what_one_unit_does_not_know_the_study_does_not_know() -> None:
    known, unknown = record(gpu=True), record(gpu=True, fold=1)
    unknown = replace(unknown, compute={**unknown.compute, "gpu_hours": None, "peak_gpu_allocated_mb": None})
    cost = Cost.of([known, unknown])
    assert cost.gpu_hours is None and cost.cpu_hours == pytest.approx(0.04)
    assert cost.peak_gpu_allocated_mb == 900.0
    assert text.gpu_hours_text(cost.gpu, cost.gpu_hours) == "unknown"
    assert Cost.of([]).wall_s is None


def test_no_gpu_is_said_in_words_and_never_counted_as_zero(store: RunStore) -> None:
    fill(store)
    summary = summarise(store, store.study(STUDY), resamples=10)
    assert text.gpu_hours_text(summary.cost.gpu, summary.cost.gpu_hours) == "no GPU"
    assert not {"gpu_hours", "peak_gpu_allocated_mb"} & set(summary.metrics())


def test_a_study_without_a_finished_unit_has_no_scores(store: RunStore) -> None:
    fill(store, done=0)
    summary = summarise(store, store.study(STUDY))
    assert summary.scores is None and text.score_rows(summary) == []
    assert "0 of 3 units done" in text.markdown(summary)
    assert "Labels used in training: slides." in text.markdown(summary)


@pytest.mark.parametrize(("last", "mean"), [(1.0, pytest.approx(0.8)), (float("nan"), None)])
def test_further_results_are_averaged_over_units(store: RunStore, last: float, mean: float | None) -> None:
    """Where one unit has no number, the mean of the others would be that of other slides."""
    for fold, auc in enumerate((0.6, 0.8, last)):
        made = record(fold=fold, extra={"localisation": {"patch_auc": auc}, "test_accesses": 1})
        store.write_unit(made, predictions(fold=fold))
    summary = summarise(store, store.study(STUDY), resamples=10)
    assert summary.metrics().get("localisation.patch_auc") == mean
    assert text.score_rows(summary)[-1] == ("localisation.patch_auc", mean, None, None)


def test_rows_hold_numbers_or_nothing(store: RunStore) -> None:
    for fold in range(3):
        rows = predictions(fold=fold)
        labels = np.zeros_like(rows.truth["label"])
        one_class = replace(rows, truth=replace(rows.truth, columns={"label": labels}))
        store.write_unit(record(fold=fold), one_class)
    rows = {name: values for name, *values in text.score_rows(summarise(store, store.study(STUDY), resamples=20))}
    assert rows["auc"] == [None, None, None]
    for expected in ("3 of 3", "r0f0", "yes"):
        assert expected in summarise(store, store.study(STUDY), resamples=20).undefined("auc")
    assert rows["accuracy"][0] is not None


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.memory_text(None), "unknown"),
        (text.memory_text(431.6), "432 MB"),
        (text.memory_text(23456.0), "23.5 GB"),
        (text.duration_text(12.34), "12.3 s"),
        (text.duration_text(125.0), "2 min 5 s"),
        (text.duration_text(7380.0), "2 h 3 min"),
        (text.hours_text(0.01234), "0.0123"),
        (text.interval_text(0.9, 0.8, 0.95), "0.900 [0.800, 0.950]"),
        (text.interval_text(0.9, None, None), "0.900"),
        (text.interval_text(None, None, None), "undefined"),
    ],
)
def test_numbers_are_shown_as_a_reader_expects(shown: str, expected: str) -> None:
    assert shown == expected
