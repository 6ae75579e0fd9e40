"""The variance of a study's AUC is DeLong's where there is one unit, and that of its mean over units elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from harness.evaluation.bootstrap import draws
from harness.evaluation.delong import Aucs, auc_differences, auc_interval, delong
from harness.evaluation.regression import RegressionPredictions
from harness.evaluation.study_delong import study_aucs
from harness.evaluation.study_scores import Predictions, study_scores, study_statistic


def made(
    seed: int, *, n: int = 120, folds: int = 1, seeds: int = 1, classes: int = 2, per_patient: int = 1
) -> Predictions:
    """A study of one repeat; patients have ``per_patient`` slides, seeds predict the same slides."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % classes
    slide = np.array([f"s{k:03}" for k in range(n)])
    fold = np.arange(n) // (classes * per_patient) % folds
    patient = np.array([f"p{k // per_patient:03}" for k in range(n)])
    logits = rng.normal(size=(seeds, n, classes)) + rng.normal(size=(1, n, classes)) + 1.2 * np.eye(classes)[label]
    p = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    each = {"label": label, "fold": fold, "patient": patient, "slide": slide}
    columns = {name: np.tile(value, seeds) for name, value in each.items()}
    flat = p.reshape(-1, classes)
    return Predictions(
        **columns,
        repeat=np.zeros(seeds * n, int),
        seed=np.repeat(np.arange(seeds), n),
        probabilities=flat,
        predicted=flat.argmax(axis=1),
    )


def test_one_unit_has_the_variance_of_delong() -> None:
    data = [made(1), made(2)]
    found, plain = study_aucs(data), delong(data[0].label, [one.probabilities[:, 1] for one in data])
    assert found.auc == pytest.approx(plain.auc)
    assert found.covariance == pytest.approx(plain.covariance)
    assert (found.positives, found.negatives) == (60, 60)


def test_patients_with_several_slides_have_nearly_that_of_obuchowski() -> None:
    data = [made(1, per_patient=3), made(2, per_patient=3)]
    plain = delong(data[0].label, [one.probabilities[:, 1] for one in data], data[0].patient)
    assert study_aucs(data).covariance == pytest.approx(plain.covariance, rel=0.02, abs=1e-5)


@pytest.mark.parametrize(
    "shape", [{"folds": 4}, {"folds": 2, "seeds": 3}, {"classes": 3}, {"per_patient": 2, "folds": 3}]
)
def test_the_auc_is_the_studys_and_its_spread_that_of_the_bootstrap(shape: dict[str, int]) -> None:
    data = made(5, n=480, **shape)
    found = study_aucs([data])
    assert found.auc[0] == pytest.approx(study_scores(data, resamples=2).scores["auc"].value)
    spread = draws(study_statistic(data), data.patient, resamples=400)["auc"].std()
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(spread, rel=0.12)


def test_seeds_on_the_same_patients_are_no_new_patients() -> None:
    data = made(3)
    again = Predictions(
        **{name: np.concatenate([value, value]) for name, value in data.columns().items() if name != "seed"},
        seed=np.repeat([0, 1], len(data)),
    )
    assert study_aucs([again]).covariance == pytest.approx(study_aucs([data]).covariance)


def test_a_unit_without_a_class_leaves_the_auc_undefined() -> None:
    data = made(1, folds=2)
    lost = Predictions(**{**data.columns(), "label": np.where(data.fold == 1, 0, data.label)})
    assert np.isnan(study_aucs([lost]).auc).all() and np.isnan(study_aucs([lost]).covariance).all()


def test_other_slides_and_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in their column"):
        study_aucs([made(1), made(1, n=60)])
    zero = np.zeros(4, int)
    numbers = RegressionPredictions(zero, zero, zero, np.arange(4), np.arange(4.0), np.arange(4.0), slide=np.arange(4))
    with pytest.raises(ValueError, match="only studies of classification"):
        study_aucs([numbers, numbers])


def test_intervals_cover_over_folds_and_seeds() -> None:
    """Four folds, two seeds that share part of their noise, two slides per patient."""
    truth, trials = norm.cdf(1.2 / np.sqrt(2)), 400
    data = [made(k, n=160, folds=4, seeds=2, per_patient=2) for k in range(2 * trials)]
    found = study_aucs(data)  # of all trials at once
    low, high = auc_interval(found)
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97
    pairs = [np.array([2 * k, 2 * k + 1]) for k in range(trials)]
    each = [Aucs(found.auc[one], found.covariance[np.ix_(one, one)], 40, 40) for one in pairs]
    called = np.mean([auc_differences(one).p_value[0] < 0.05 for one in each])
    assert abs(called - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / trials)
