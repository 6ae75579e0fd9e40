"""Calibration: probabilities that are true lie on the diagonal, and the error is that of its definition."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from harness.evaluation.calibration import calibration, study_calibration
from harness.evaluation.study_scores import Predictions


def test_it_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=500)
    event = rng.uniform(size=500) < p**2
    found = calibration(p, event, np.arange(500), resamples=0)
    observed, predicted = calibration_curve(event, p, n_bins=10)
    np.testing.assert_allclose(found.observed, observed)
    np.testing.assert_allclose(found.predicted, predicted)
    assert found.share.sum() == pytest.approx(1) and np.isnan(found.low).all()
    assert found.error == pytest.approx(np.sum(found.share * np.abs(observed - predicted)))


def test_true_probabilities_are_inside_their_intervals_and_false_ones_are_not() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(size=2000)
    event = rng.uniform(size=2000) < p
    true, false = (calibration(one, event, np.arange(2000), resamples=200) for one in (p, np.sqrt(p)))
    inside = [np.mean((one.low <= one.predicted) & (one.predicted <= one.high)) for one in (true, false)]
    assert inside[0] >= 0.8 and inside[1] <= 0.4 and true.error < 0.05 < false.error


def test_a_certain_prediction_is_in_the_last_bin_and_empty_bins_are_left_out() -> None:
    found = calibration([0.0, 1.0, 1.0], [0, 1, 0], ["a", "b", "c"], resamples=20)
    assert found.predicted.tolist() == [0.0, 1.0] and found.observed.tolist() == [0.0, 0.5]


def test_beyond_two_classes_the_event_is_that_the_most_probable_class_is_true() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.6, 0.2], [0.3, 0.4, 0.3]])
    zero = np.zeros(4, int)
    data = Predictions(zero, zero, zero, np.arange(4).astype(str), np.array([0, 1, 1, 0]), p, p.argmax(axis=1))
    found = study_calibration(data, bins=2)
    assert found.observed.tolist() == [0.0, pytest.approx(2 / 3)] and found.predicted[1] == pytest.approx(0.7)
