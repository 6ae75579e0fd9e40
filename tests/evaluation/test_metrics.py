"""Every score agrees with scikit-learn where both are defined, weighted or not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from harness.evaluation.metrics import METRICS, confusion, confusion_scores, log_loss, macro_auc, roc_auc, score


@st.composite
def binary(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both classes and scores with many ties."""
    n = draw(st.integers(2, 40))
    labels = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    labels[:2] = [0, 1]
    ties = draw(st.sampled_from([2, 5, 1000]))
    scores = np.array(draw(st.lists(st.integers(0, ties), min_size=n, max_size=n))) / ties
    return labels, scores


@st.composite
def several(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Labels of C classes, each present, probabilities with ties."""
    classes = draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(classes + 1, 40))
    labels = np.r_[np.arange(classes), rng.integers(0, classes, n - classes)]
    counts = rng.integers(0, 4, (n, classes)) + 0.25
    return labels, counts / counts.sum(axis=1, keepdims=True), classes


@given(binary())
def test_auc_with_ties(case: tuple[np.ndarray, np.ndarray]) -> None:
    labels, scores = case
    assert roc_auc(labels, scores)[0] == pytest.approx(reference.roc_auc_score(labels, scores), abs=1e-12)


@given(binary(), st.integers(0, 2**32))
def test_a_weight_is_a_repetition(case: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, scores = case
    times = np.random.default_rng(seed).integers(0, 4, (3, len(labels)))
    areas = roc_auc(labels, scores, times.astype(float))
    for area, row in zip(areas, times, strict=True):
        y, s = np.repeat(labels, row), np.repeat(scores, row)
        if 0 < y.sum() < len(y):
            assert area == pytest.approx(reference.roc_auc_score(y, s), abs=1e-12)
        else:
            assert np.isnan(area)


@given(several())
@settings(max_examples=60)
def test_all_scores_agree(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    labels, p, classes = case
    predicted = p.argmax(axis=1)
    ours = score(labels, p, predicted)
    average = {"average": "binary"} if classes == 2 else {"average": "macro", "labels": range(classes)}
    area = (
        reference.roc_auc_score(labels, p[:, 1])
        if classes == 2
        else reference.roc_auc_score(labels, p, multi_class="ovr")
    )
    per_class = reference.multilabel_confusion_matrix(labels, predicted, labels=range(classes))
    specificity = per_class[:, 0, 0] / per_class[:, 0].sum(axis=1)
    assert ours == pytest.approx(
        {
            "auc": area,
            "accuracy": reference.accuracy_score(labels, predicted),
            "balanced_accuracy": reference.balanced_accuracy_score(labels, predicted),
            "f1": reference.f1_score(labels, predicted, zero_division=0, **average),
            "sensitivity": reference.recall_score(labels, predicted, zero_division=0, **average),
            "specificity": specificity[1] if classes == 2 else specificity.mean(),
            "log_loss": reference.log_loss(labels, p, labels=range(classes)),
        },
        abs=1e-12,
    )


@given(several())
@settings(max_examples=30)
def test_confusion_agrees(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    labels, p, classes = case
    predicted = p.argmax(axis=1)
    expected = reference.confusion_matrix(labels, predicted, labels=range(classes))
    assert np.array_equal(confusion(labels, predicted, classes)[0], expected)


def test_auc_does_not_change_under_a_monotone_map_and_turns_over_with_the_labels() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 50), rng.normal(size=50).round(1)
    area = roc_auc(labels, scores)[0]
    assert roc_auc(labels, np.exp(scores))[0] == pytest.approx(area)
    assert roc_auc(1 - labels, scores)[0] == pytest.approx(1 - area)


def test_one_class_leaves_undefined_what_needs_two() -> None:
    scores = score([1, 1, 1], [[0.2, 0.8], [0.6, 0.4], [0.1, 0.9]], [1, 0, 1])
    undefined = {name for name in METRICS if np.isnan(scores[name])}
    assert undefined == {"auc", "balanced_accuracy", "specificity"}
    assert scores["sensitivity"] == scores["accuracy"] == pytest.approx(2 / 3)


def test_macro_auc_is_undefined_when_a_class_is_absent() -> None:
    assert np.isnan(macro_auc([0, 1, 0], np.full((3, 3), 1 / 3))[0])


def test_log_loss_stays_finite_at_certainty() -> None:
    assert np.isfinite(log_loss([0], [[0.0, 1.0]])[0])


def test_scores_of_many_matrices_are_those_of_each() -> None:
    matrices = np.random.default_rng(1).integers(0, 9, (20, 3, 3)).astype(float)
    together = confusion_scores(matrices)
    for k in range(20):
        alone = confusion_scores(matrices[k : k + 1])
        for name in together:
            assert np.array_equal(together[name][k], alone[name][0], equal_nan=True)
