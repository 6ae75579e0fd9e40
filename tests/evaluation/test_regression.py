"""Scores of predicted numbers against SciPy and scikit-learn, weighted ones against repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score

from harness.evaluation.regression import REGRESSION_METRICS, RegressionPredictions
from harness.evaluation.study_scores import study_scores


def rows(seed: int = 0, n: int = 40) -> RegressionPredictions:
    rng = np.random.default_rng(seed)
    target = np.round(rng.normal(size=n), 1)  # with ties
    unit = {"repeat": np.zeros(n, int), "fold": np.arange(n) % 2, "seed": np.zeros(n, int), "patient": np.arange(n)}
    return RegressionPredictions(**unit, target=target, predicted=np.round(target + rng.normal(size=n), 1))


def expected(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    correlations = {"pearson": stats.pearsonr(y, p)[0], "spearman": stats.spearmanr(y, p)[0]}
    return {"r2": r2_score(y, p), "mae": mean_absolute_error(y, p), **correlations}


def test_scores_of_a_study_are_those_of_the_pooled_predictions_within_their_intervals() -> None:
    data = rows()
    found = study_scores(data, resamples=200)
    for name, value in expected(data.target, data.predicted).items():
        score = found.scores[name]
        assert score.value == pytest.approx(value) and score.low < value < score.high
    assert found.correct is None and tuple(found.scores) == REGRESSION_METRICS


@pytest.mark.parametrize("seed", [1, 2])
def test_a_weight_counts_a_row_so_often(seed: int) -> None:
    data = rows(seed)
    weights = np.random.default_rng(seed).multinomial(len(data), np.full(len(data), 1 / len(data)), size=3)
    folds = [np.flatnonzero(data.fold == k) for k in (0, 1)]
    found = data.run_scores(folds, weights.astype(float))
    for number, counts in enumerate(weights):
        drawn = np.repeat(np.arange(len(data)), counts)
        for name, value in expected(data.target[drawn], data.predicted[drawn]).items():
            assert found[name][number] == pytest.approx(value), name


def test_what_does_not_vary_leaves_scores_undefined() -> None:
    data = rows()
    same = RegressionPredictions(**{**data.columns(), "target": np.ones(len(data))})
    found = same.run_scores([np.arange(len(data))], np.ones((1, len(data))))
    assert np.isnan([found[name][0] for name in ("r2", "pearson", "spearman")]).all() and np.isfinite(found["mae"][0])
