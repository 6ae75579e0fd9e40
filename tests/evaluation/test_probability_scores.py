"""Further scores are those of scikit-learn, or of loops over their definitions, under whole-number weights too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, cohen_kappa_score, roc_curve

from harness.evaluation.probability_scores import (
    average_precision,
    brier,
    calibration_error,
    equal_mass_bins,
    events,
    net_benefit,
    quadratic_kappa,
    sensitivity_at,
)

SEEDS = st.integers(0, 10_000)


def drawn(seed: int, *, n: int = 40, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities with ties, and two rows of weights: one, and how often slides were drawn."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(n) % classes)
    p = np.round(rng.dirichlet(np.ones(classes), n) + 0.8 * np.eye(classes)[label], 1)
    return label, p / p.sum(axis=1, keepdims=True), np.stack([np.ones(n), rng.integers(0, 3, n)])


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_they_are_those_of_scikit_learn(seed: int) -> None:
    label, p, weights = drawn(seed)
    three, q, again = drawn(seed, classes=3)
    guess = q.argmax(axis=1)
    for r, w in enumerate(weights):
        found = average_precision(label, p[:, 1], weights)[r]
        assert found == pytest.approx(average_precision_score(label, p[:, 1], sample_weight=w))
        assert brier(label, p, weights)[r] == pytest.approx(brier_score_loss(label, p[:, 1], sample_weight=w))
        expected = np.average(((q - np.eye(3)[three]) ** 2).sum(axis=1), weights=again[r])
        assert brier(three, q, again)[r] == pytest.approx(expected)
        kappa = cohen_kappa_score(three, guess, weights="quadratic", sample_weight=again[r])
        assert quadratic_kappa(three, guess, 3, again)[r] == pytest.approx(kappa)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]))
def test_sensitivity_is_that_of_the_best_allowed_threshold(seed: int, specificity: float) -> None:
    label, p, weights = drawn(seed)
    found = sensitivity_at(label, p[:, 1], weights, specificity=specificity)
    for r, w in enumerate(weights):
        fpr, tpr, _ = roc_curve(label, p[:, 1], sample_weight=w, drop_intermediate=False)
        assert found[r] == pytest.approx(tpr[1 - fpr >= specificity - 1e-9].max())


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_calibration_error_is_that_of_a_loop_over_bins(seed: int) -> None:
    label, p, weights = drawn(seed, classes=3)
    probability, event = events(label, p)
    bins = equal_mass_bins(probability, 5)
    for r, w in enumerate(weights):
        off = 0.0
        for one in np.unique(bins):
            inside = bins == one
            if w[inside].sum():
                gap = np.average(event[inside], weights=w[inside]) - np.average(probability[inside], weights=w[inside])
                off += w[inside].sum() / w.sum() * abs(gap)
        assert calibration_error(probability, event, weights, bins=5)[r] == pytest.approx(off)


def test_bins_hold_equally_many_and_keep_equal_probabilities_together() -> None:
    assert np.bincount(equal_mass_bins(np.linspace(0, 1, 100))).tolist() == [10] * 10
    assert equal_mass_bins([0.5, 0.5, 0.5, 0.9]).tolist() == [0, 0, 0, 1]
    assert equal_mass_bins(np.r_[np.zeros(90), np.ones(10)]).tolist() == [0] * 90 + [1] * 10


def test_true_probabilities_have_a_small_calibration_error() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=20_000)
    one = np.ones((1, len(p)))
    assert calibration_error(p, rng.uniform(size=len(p)) < p, one)[0] < 0.02
    assert calibration_error(p, rng.uniform(size=len(p)) < p**2, one)[0] == pytest.approx(1 / 6, abs=0.01)


def test_net_benefit_is_what_its_definition_says() -> None:
    label, p, weights = drawn(3)
    at = [0.0, 0.2, 0.5, 0.9]
    found = net_benefit(label, p[:, 1], at, weights)
    for r, w in enumerate(weights):
        for k, t in enumerate(at):
            treated = p[:, 1] >= t
            hits, alarms = w[treated & (label == 1)].sum(), w[treated & (label == 0)].sum()
            assert found[r, k] == pytest.approx((hits - alarms * t / (1 - t)) / w.sum())
    assert found[0, 0] == pytest.approx(label.mean() - 0)
    with pytest.raises(ValueError, match="below 1"):
        net_benefit(label, p[:, 1], [1.0], weights)


def test_what_cannot_be_known_is_nan() -> None:
    zero, one = np.zeros(4, int), np.ones((1, 4))
    p = np.array([0.1, 0.2, 0.3, 0.4])
    assert np.isnan(average_precision(zero, p, one)).all()
    assert np.isnan(sensitivity_at(zero, p, one, specificity=0.9)).all()
    assert np.isnan(sensitivity_at(zero + 1, p, one, specificity=0.9)).all()
    assert np.isnan(quadratic_kappa(zero, zero, 3, one)).all()
