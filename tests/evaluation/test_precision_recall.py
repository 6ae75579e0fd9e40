"""Precision-recall curves agree with scikit-learn, and a study's is the mean of its units'."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from harness.evaluation.precision_recall import average_precision, precision_recall, study_precision_recall
from harness.evaluation.study_scores import Predictions


def made(*, n: int, folds: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    label = np.arange(n) % 2
    p = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1)
    zero = np.zeros(n, int)
    patients = np.arange(n).astype(str)
    return Predictions(zero, np.arange(n) // 2 % folds, zero, patients, label, np.c_[1 - p, p], (p > 0.5).astype(int))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_it_is_that_of_scikit_learn_with_ties(rows: list[tuple[bool, int]]) -> None:
    label, score = np.array(rows).T
    if not label.any():
        with pytest.raises(ValueError, match="positive"):
            precision_recall(label, score)
        return
    recall, precision = precision_recall(label, score)
    theirs = precision_recall_curve(label, score)
    np.testing.assert_allclose(recall, theirs[1][::-1][1:], atol=1e-12)
    np.testing.assert_allclose(precision, theirs[0][::-1][1:], atol=1e-12)
    assert average_precision(recall, precision) == pytest.approx(average_precision_score(label, score))


def test_weights_count_how_often_a_slide_is_drawn() -> None:
    label, score, times = np.array([1, 0, 1, 0, 1]), np.array([0.9, 0.8, 0.7, 0.7, 0.1]), np.array([2, 0, 1, 3, 1])
    drawn = precision_recall(np.repeat(label, times), np.repeat(score, times))
    np.testing.assert_allclose(precision_recall(label, score, times), drawn)


def test_a_study_averages_its_units() -> None:
    data = made(n=120, folds=3)
    found = study_precision_recall(data, 1)
    parts = [study_precision_recall(data.only(np.flatnonzero(data.fold == k)), 1, resamples=0) for k in range(3)]
    np.testing.assert_allclose(found.precision, np.mean([one.precision for one in parts], axis=0))
    areas = [
        average_precision_score(data.label[data.fold == k], data.probabilities[data.fold == k, 1]) for k in range(3)
    ]
    assert found.average_precision == pytest.approx(np.mean(areas)) and found.prevalence == 0.5
    assert np.mean((found.low <= found.precision + 1e-12) & (found.precision <= found.high + 1e-12)) > 0.9
    assert (np.diff(found.recall) > 0).all() and found.recall[-1] == 1


def test_a_study_of_one_class_has_none() -> None:
    data = made(n=20, folds=1)
    assert study_precision_recall(data.only(np.flatnonzero(data.label == 1)), 1) is None
