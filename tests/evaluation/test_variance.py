"""Components of variance are those that simulated studies were made with, and the number of seeds has its power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import f_oneway, ttest_ind

from harness.evaluation.study_scores import Predictions
from harness.evaluation.variance import components, seeds_needed, study_variance


def test_components_are_found_again() -> None:
    rng = np.random.default_rng(0)
    folds, seeds, trials = 10, 4, 400
    fold, patients, seed = 0.05, 0.02, 0.02
    made = rng.normal(0, np.hypot(fold, patients), (trials, folds, 1)) + rng.normal(0, seed, (trials, folds, seeds))
    numbers = np.repeat(np.arange(folds), seeds)
    found = [components(numbers, one.ravel(), patients=patients**2) for one in made]
    assert np.mean([one.seed for one in found]) == pytest.approx(seed**2, rel=0.05)
    between = [one.fold + one.patients for one in found]
    assert np.mean(between) == pytest.approx(fold**2 + patients**2, rel=0.06)
    spread = made.mean(axis=(1, 2)).var()
    assert np.mean([one.of_mean for one in found]) == pytest.approx(spread, rel=0.15)


def test_mean_squares_are_those_of_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.normal(k, 1, 5) for k in range(4)]
    found = components(np.repeat(np.arange(4), 5), np.concatenate(groups))
    ratio = (5 * found.fold + found.seed) / found.seed
    assert ratio == pytest.approx(f_oneway(*groups).statistic)
    assert found.seed == pytest.approx(np.mean([one.var(ddof=1) for one in groups]))


def test_unequal_numbers_of_seeds_have_their_own_divisor() -> None:
    numbers, scores = [0, 0, 0, 1, 1, 2], [0.1, 0.2, 0.3, 0.6, 0.8, 0.9]
    n0 = (6 - (9 + 4 + 1) / 6) / 2
    means, size = np.array([0.2, 0.7, 0.9]), np.array([3, 2, 1])
    between = (size * (means - np.mean(scores)) ** 2).sum() / 2
    found = components(numbers, scores)
    assert found.seed == pytest.approx((0.02 + 0.02) / 3) and found.fold == pytest.approx((between - found.seed) / n0)


def test_one_seed_or_one_fold_does_not_tell() -> None:
    one_seed = components([0, 1, 2], [0.1, 0.2, 0.4])
    assert math.isnan(one_seed.seed) and one_seed.fold == pytest.approx(np.var([0.1, 0.2, 0.4], ddof=1))
    one_fold = components([0, 0], [0.1, 0.2])
    assert math.isnan(one_fold.fold) and one_fold.seed == pytest.approx(0.005)
    assert components([0, 0, 1, 1], [0.1, 0.5, 0.1, 0.5]).fold == 0


def test_the_patients_of_a_study_have_the_binomial_variance() -> None:
    """Accuracy of guesses: of n independent patients it is p (1 - p) / n, and seeds guess anew."""
    rng = np.random.default_rng(2)
    n, folds, seeds = 200, 4, 3
    slide = np.tile(np.arange(n), seeds)
    hard = rng.uniform(size=n) < 0.3  # wrong whatever the seed
    label = slide % 2
    right = ~hard[slide] & (rng.uniform(size=len(slide)) < 0.9)
    predicted = np.where(right, label, 1 - label)
    data = Predictions(
        np.zeros(len(slide), int),
        slide // 2 % folds,
        np.repeat(np.arange(seeds), n),
        slide,
        label,
        np.eye(2)[predicted],
        predicted,
    )
    found = study_variance(data, "accuracy", resamples=400)
    mean = np.array([right[slide == k].mean() for k in range(n)])
    expected = np.mean([mean[np.arange(n) // 2 % folds == k].var() / (n / folds) for k in range(folds)])
    assert found.patients == pytest.approx(expected, rel=0.15)
    assert (found.folds, found.seeds) == (4, 3) and found.fold < found.patients
    assert found.seed == pytest.approx(0.7 * 0.9 * 0.1 / (n / folds), rel=1.0)


def test_so_many_seeds_have_the_power() -> None:
    rng = np.random.default_rng(3)
    folds, difference, spread = 5, 0.01, (0.012, 0.008)
    seeds = seeds_needed(difference, (spread[0] ** 2, spread[1] ** 2), folds)
    assert seeds is not None and seeds < 20

    def found(count: int) -> float:
        shape = (2000, folds * count)
        first, second = rng.normal(difference, spread[0], shape), rng.normal(0, spread[1], shape)
        return float((ttest_ind(first, second, axis=1).pvalue < 0.05).mean())

    assert found(seeds) >= 0.8 - 0.03
    assert seeds == 2 or found(seeds - 1) < 0.8 + 0.03
    assert seeds_needed(0.001, (spread[0] ** 2, spread[1] ** 2), folds) > 20 * seeds
    assert seeds_needed(0.0, (0.1, 0.1), 5) is None and seeds_needed(0.01, (0.0, 0.0), 5) == 2
    assert seeds_needed(10.0, (1e-6, 1e-6), 5) == 2
    with pytest.raises(ValueError, match="at least two seeds"):
        seeds_needed(0.01, (math.nan, 0.1), 5)
