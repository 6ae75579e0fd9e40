"""The corrected resampled t-test is the plain one with more variance, and keeps its level over folds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from harness.evaluation.resampled_t import resampled_t


def test_it_is_the_formula_of_the_paper() -> None:
    d = np.random.default_rng(0).normal(0.02, 0.03, 10)
    found = resampled_t(d, 1 / 9)
    t = d.mean() / np.sqrt((1 / 10 + 1 / 9) * d.var(ddof=1))
    assert found.t == pytest.approx(t) and found.p_value == pytest.approx(2 * student.sf(abs(t), 9))
    half = student.ppf(0.975, 9) * np.sqrt((1 / 10 + 1 / 9) * d.var(ddof=1))
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half))


def test_without_overlap_it_is_the_t_test() -> None:
    d = np.random.default_rng(1).normal(0.02, 0.03, (4, 12))
    found, plain = resampled_t(d, 1e-15), ttest_1samp(d, 0, axis=-1)
    assert found.t == pytest.approx(plain.statistic) and found.p_value == pytest.approx(plain.pvalue)
    limits = plain.confidence_interval()
    assert found.low == pytest.approx(limits.low) and found.high == pytest.approx(limits.high)


def test_no_spread_says_nothing_unless_there_is_no_difference() -> None:
    assert resampled_t(np.zeros(5), 0.25).p_value == 1 and resampled_t(np.zeros(5), 0.25).high == 0
    assert np.isnan(resampled_t(np.full(5, 0.1), 0.25).p_value)
    assert np.isnan(
        [resampled_t([0.1], 0.25).p_value, resampled_t([0.0], 0.25).p_value, resampled_t([0.0], 1).low]
    ).all()
    with pytest.raises(ValueError, match="above 0"):
        resampled_t([0.1, 0.2], 0)
    with pytest.raises(ValueError, match="at least one fold"):
        resampled_t([], 0.2)


def test_equal_methods_are_called_different_at_most_as_often_as_promised() -> None:
    """Four repeats of five folds: two nearest-centroid rules, each seeing its own half of twenty features."""
    rng = np.random.default_rng(2)
    trials, n, folds, repeats = 300, 60, 5, 4
    y = np.arange(n) % 2
    x = rng.normal(size=(trials, 2, n, 6)) + 0.4 * (2 * y - 1)[:, None]
    differences = []
    for _ in range(repeats):
        fold = rng.permutation(np.arange(n) % folds)
        for k in range(folds):
            test = fold == k
            centres = [x[:, :, ~test & (y == c)].mean(axis=2, keepdims=True) for c in (0, 1)]
            away = [((x[:, :, test] - centre) ** 2).sum(axis=3) for centre in centres]
            accuracy = ((away[1] < away[0]) == y[test]).mean(axis=2)
            differences.append(accuracy[:, 0] - accuracy[:, 1])
    d = np.stack(differences, axis=1)
    corrected, plain = resampled_t(d, 1 / (folds - 1)).p_value, ttest_1samp(d, 0, axis=1).pvalue
    assert np.mean(corrected < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert np.mean(plain < 0.05) > 0.2  # what the correction is for
