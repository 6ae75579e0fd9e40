"""AUCs from counts are those of the general bootstrap, and their intervals cover the truth as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from harness.evaluation.auc_bootstrap import auc_draws
from harness.evaluation.bootstrap import Draws, draws, percentile_interval
from harness.evaluation.metrics import roc_auc


def drawn(seed: int, n: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 3 == 0)
    return labels, np.round(rng.normal(size=(3, n)) + labels, 1), rng.integers(0, 25, n)


@pytest.mark.parametrize("stratified", [True, False])
def test_they_are_those_of_the_general_bootstrap(stratified: bool) -> None:
    labels, scores, patients = drawn(1)
    found = auc_draws(labels, scores, patients, resamples=500, seed=3, stratified=stratified)
    strata = labels if stratified else None
    for one, mine in zip(scores, found, strict=True):
        general = draws(
            lambda w, s=one: {"auc": roc_auc(labels, s, w)}, patients, resamples=500, seed=3, strata=strata
        )["auc"]
        assert np.array_equal(mine, general, equal_nan=True)


def test_a_resample_is_the_auc_of_the_slides_that_it_draws() -> None:
    labels, scores, patients = drawn(2)
    how = Draws.of(patients, labels)
    counts = np.concatenate(list(how.counts(resamples=20, seed=5)))[:, how.column]
    found = auc_draws(labels, scores[0], patients, resamples=20, seed=5)[0]
    expected = [roc_auc_score(np.repeat(labels, one), np.repeat(scores[0], one)) for one in counts]
    assert found == pytest.approx(expected)


def test_one_class_has_no_auc() -> None:
    assert np.isnan(auc_draws([1, 1], [[0.1, 0.2]], [0, 1], resamples=3)).all()


@pytest.mark.parametrize("clustered", [False, True])
def test_stratified_intervals_cover(clustered: bool) -> None:
    rng = np.random.default_rng(7)
    trials, truth = 400, norm.cdf(1 / np.sqrt(2))
    patients = np.repeat(np.arange(80), 2) if clustered else np.arange(120)
    labels = patients % 2
    noise = np.sqrt(0.6) * rng.normal(size=(trials, 120))[:, patients] + np.sqrt(0.4) * rng.normal(
        size=(trials, len(patients))
    )
    found = auc_draws(labels, noise + labels, patients, resamples=400)
    limits = [percentile_interval(one, n_patients=80) for one in found]
    assert 0.93 <= np.mean([one.low <= truth <= one.high for one in limits]) <= 0.97


@pytest.mark.parametrize("clustered", [False, True])
def test_equal_methods_are_called_different_as_often_as_promised(clustered: bool) -> None:
    rng = np.random.default_rng(8)
    trials = 400
    patients = np.repeat(np.arange(80), 2) if clustered else np.arange(120)
    labels = patients % 2
    noise = rng.normal(size=(trials, 3, 120))[:, :, patients] + rng.normal(size=(trials, 3, len(patients)))
    scores = noise[:, :1] + noise[:, 1:] + labels
    found = auc_draws(labels, scores.reshape(2 * trials, -1), patients, resamples=400).reshape(trials, 2, -1)
    limits = [percentile_interval(first - second, n_patients=80) for first, second in found]
    called = np.mean([one.low > 0 or one.high < 0 for one in limits])
    assert called <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
