"""A study's scores are what the definition says, written out here the slow way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from harness.evaluation.metrics import METRICS
from harness.evaluation.paired import compare
from harness.evaluation.roc import roc_curve, study_roc
from harness.evaluation.study_scores import Predictions, study_scores


def study(
    *,
    n: int = 60,
    classes: int = 2,
    repeats: int = 2,
    folds: int = 5,
    seeds: int = 1,
    signal: float = 0.3,
    draw: int = 0,
) -> Predictions:
    """Predictions of a cross-validation with ``n`` slides, two slides per patient, right more often than not."""
    rng = np.random.default_rng(7)
    labels = np.arange(n) // 2 % classes
    noise = np.random.default_rng(draw)
    columns = []
    for repeat in range(repeats):
        fold = rng.permutation(n // 2).repeat(2) % folds
        for seed in range(seeds):
            p = noise.dirichlet(np.ones(classes), n)
            p[np.arange(n), labels] += signal
            p /= p.sum(axis=1, keepdims=True)
            patient = np.array([f"p{k // 2}" for k in range(n)])
            slide = np.array([f"s{k}" for k in range(n)])
            columns.append((np.full(n, repeat), fold, np.full(n, seed), patient, labels, p, p.argmax(axis=1), slide))
    return Predictions(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def rows(data: Predictions, **where: int) -> np.ndarray:
    return np.logical_and.reduce([getattr(data, name) == value for name, value in where.items()])


def test_auc_is_the_mean_over_folds_then_over_runs() -> None:
    data = study(seeds=2)
    runs = []
    for repeat in range(2):
        for seed in range(2):
            areas = []
            for fold in range(5):
                take = rows(data, repeat=repeat, seed=seed, fold=fold)
                if len(set(data.label[take])) == 2:
                    areas.append(roc_auc_score(data.label[take], data.probabilities[take, 1]))
            runs.append(np.mean(areas))
    assert study_scores(data, resamples=20).scores["auc"].value == pytest.approx(np.mean(runs))


@pytest.mark.parametrize("classes", [2, 3])
def test_other_scores_pool_the_folds_of_a_run(classes: int) -> None:
    data = study(classes=classes)
    scores = study_scores(data, resamples=20).scores
    runs = [rows(data, repeat=repeat) for repeat in range(2)]
    accuracy = [accuracy_score(data.label[run], data.predicted[run]) for run in runs]
    loss = [log_loss(data.label[run], data.probabilities[run]) for run in runs]
    assert scores["accuracy"].value == pytest.approx(np.mean(accuracy))
    assert scores["log_loss"].value == pytest.approx(np.mean(loss))


def test_the_order_of_rows_does_not_matter() -> None:
    data = study()
    mixed = np.random.default_rng(0).permutation(len(data.label))
    shuffled = Predictions(**{name: value[mixed] for name, value in data.columns().items()})
    a, b = study_scores(data, resamples=50), study_scores(shuffled, resamples=50)
    for name in METRICS:
        left, right = a.scores[name], b.scores[name]
        assert (left.value, left.low, left.high) == pytest.approx((right.value, right.low, right.high), abs=1e-12)


def test_more_repeats_of_the_same_patients_are_not_more_patients() -> None:
    one = study(repeats=1)
    copy = Predictions(
        **{name: np.concatenate([value, value + 1 if name == "repeat" else value]) for name, value in vars(one).items()}
    )
    a, b = study_scores(one).scores["accuracy"], study_scores(copy).scores["accuracy"]
    assert (a.low, a.high) == pytest.approx((b.low, b.high))


def one_class_in(fold: int) -> Predictions:
    """A study of which one fold tests negatives alone."""
    data = study(repeats=1)
    return replace(data, label=np.where(data.fold == fold, 0, data.label))


def test_an_auc_over_folds_is_undefined_where_one_of_them_has_one_class() -> None:
    found = study_scores(one_class_in(fold=3), resamples=50).scores
    assert np.isnan([found["auc"].value, found["auc"].low, found["auc"].high]).all()
    assert [(unit.repeat, unit.fold, unit.seed, unit.lacking) for unit in found["auc"].undefined] == [(0, 3, 0, (1,))]
    assert found["auc"].folds == 4
    assert np.isfinite(found["accuracy"].value)
    assert not found["accuracy"].undefined


def test_one_undefined_run_makes_the_mean_over_runs_undefined() -> None:
    data = study(repeats=2)
    data = replace(data, label=np.where(data.repeat == 1, 0, data.label))
    assert np.isnan(study_scores(data, resamples=10).scores["sensitivity"].value)


def test_pooled_folds_have_one_auc() -> None:
    data = one_class_in(fold=3)
    pooled = replace(data, fold=np.zeros_like(data.fold))
    auc = study_scores(pooled, resamples=50).scores["auc"]
    assert auc.value == pytest.approx(roc_auc_score(data.label, data.probabilities[:, 1]))
    assert not auc.undefined


def test_a_difference_of_undefined_scores_is_undefined() -> None:
    data = one_class_in(fold=3)
    found = compare(data, replace(data, probabilities=data.probabilities[:, ::-1]), resamples=50)
    assert np.isnan([found["auc"].value, found["auc"].interval.low, found["auc"].p_value]).all()
    assert np.isfinite(found["log_loss"].value)


def test_counts_let_anybody_check_the_accuracy() -> None:
    data = study(repeats=1)
    found = study_scores(data, resamples=20)
    assert found.scores["accuracy"].value == found.correct / found.predictions
    assert (found.predictions, found.patients) == (60, 30)


def test_standard_deviation_is_that_of_the_units() -> None:
    data = study()
    per_unit = [
        accuracy_score(data.label[take], data.predicted[take])
        for take in (rows(data, repeat=repeat, fold=fold) for repeat in range(2) for fold in range(5))
    ]
    assert study_scores(data, resamples=20).scores["accuracy"].std_folds == pytest.approx(np.std(per_unit, ddof=1))


def test_paired_comparison_finds_the_better_study_whatever_the_order_of_rows() -> None:
    good, poor = study(signal=0.8), study(signal=0.1, draw=1)
    mixed = np.random.default_rng(0).permutation(len(poor.label))
    poor = poor.only(mixed)
    difference = compare(good, poor, resamples=300)["auc"]
    assert difference.interval.low > 0
    assert difference.p_value < 0.02


def test_studies_on_other_slides_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same rows"):
        compare(study(), study(n=40))


def test_empty_or_uneven_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="one row per slide"):
        Predictions(*(np.zeros(k) for k in (3, 3, 3, 3, 3)), np.zeros((3, 2)), np.zeros(2))  # type: ignore[arg-type]


def test_roc_of_a_unit_has_its_area_and_a_band_around_it() -> None:
    data = study(repeats=1, folds=1)
    roc = study_roc(data, 1)
    assert roc is not None and roc.low is not None and roc.high is not None
    assert np.trapezoid(roc.tpr, roc.fpr) == pytest.approx(roc_auc_score(data.label, data.probabilities[:, 1]))
    assert (roc.low <= roc.high).all()
    after_the_first_rise = roc.fpr > 0
    inside = (roc.low <= roc.tpr + 0.05) & (roc.tpr - 0.05 <= roc.high)
    assert inside[after_the_first_rise].mean() > 0.95


def test_mean_roc_of_a_study_has_the_area_of_its_auc() -> None:
    data = study()
    roc = study_roc(data, 1, resamples=0)
    assert roc is not None and roc.low is None
    assert (roc.fpr[0], roc.tpr[0], roc.fpr[-1], roc.tpr[-1]) == (0, 0, 1, 1)
    auc = study_scores(data, resamples=20).scores["auc"].value
    assert np.trapezoid(roc.tpr, roc.fpr) == pytest.approx(auc, abs=0.01)


def test_roc_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        roc_curve([1, 1], [0.2, 0.3])
