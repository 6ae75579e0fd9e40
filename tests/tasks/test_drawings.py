"""Drawings of a study: each task has its own, and they say what the numbers say."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.evaluation.kaplan_meier import log_rank
from harness.evaluation.regression import RegressionPredictions
from harness.evaluation.risk_groups import risk_groups
from harness.evaluation.study_scores import Predictions
from harness.evaluation.survival import SurvivalPredictions
from harness.tasks.classification import Classification
from harness.tasks.regression import Regression
from harness.tasks.survival import Survival
from harness.tasks.svg import SCALE

N = 60


def unit(n: int = N) -> dict[str, np.ndarray]:
    return {
        "repeat": np.zeros(n, int),
        "fold": np.arange(n) % 3,
        "seed": np.zeros(n, int),
        "patient": np.array([f"p{k}" for k in range(n)]),
    }


@pytest.fixture
def survival() -> SurvivalPredictions:
    rng = np.random.default_rng(0)
    risk, cut = rng.normal(size=N), rng.uniform(2, 60, N)
    time = rng.exponential(np.exp(3 - risk))
    return SurvivalPredictions(**unit(), time=np.minimum(time, cut), event=(time <= cut).astype(int), risk=risk)


def regression(n: int = N) -> RegressionPredictions:
    rng = np.random.default_rng(1)
    target = rng.gamma(3, 10, n)
    return RegressionPredictions(**unit(n), target=target, predicted=0.7 * target + 9 + rng.normal(size=n))


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(tag))


def test_survival_has_kaplan_meier_curves_of_two_groups_with_the_test_between_them(survival) -> None:
    (found,) = Survival.drawings(survival, ())
    texts = [one.text for one in elements(found.svg, "text")]
    groups = risk_groups(survival)
    assert {"lower risk", "higher risk", "still followed"} <= set(texts)
    assert f"{groups.curves[0].at_risk[0]:.0f}" in texts  # all of a group are followed at first
    p = log_rank(groups.time, groups.event, groups.group).p_value
    assert p < 0.001 and "Log-rank test: p < 0.001" in found.caption
    label = ElementTree.fromstring(found.svg).get("aria-label", "")
    assert f"lower risk {groups.curves[0].survival[-1]:.2f} of 30 patients" in label
    thick = f"{2 * SCALE:g}"
    curves = [one for one in elements(found.svg, "path") if one.get("stroke-width") == thick]
    assert [one.get("class") for one in curves] == ["s-main", "s-warm"]
    assert all(re.fullmatch(r"M\d+ \d+([hv]-?\d+)+", one.get("d", "")) for one in curves)  # steps, nothing slanted


def test_survival_without_two_groups_has_none(survival) -> None:
    equal = SurvivalPredictions(**unit(), time=survival.time, event=survival.event, risk=np.zeros(N))
    assert Survival.drawings(equal, ()) == ()


def test_regression_has_predicted_over_true_and_residuals() -> None:
    data = regression()
    predicted, residuals = Regression.drawings(data, ("target",))
    error = data.predicted - data.target
    assert "both are equal" in predicted.caption and f"({error.mean():.3g})" in residuals.caption
    assert f"correlation {np.corrcoef(data.target, data.predicted)[0, 1]:.3f}" in predicted.svg
    limit = 1.96 * error.std(ddof=1)
    assert f"limits {error.mean() - limit:.4g} to {error.mean() + limit:.4g}" in residuals.svg
    for one in (predicted, residuals):
        (dots,) = [path for path in elements(one.svg, "path") if "dots" in path.get("class", "")]
        assert dots.get("d", "").count("M") == N


def test_of_many_predictions_some_are_drawn_and_it_is_said() -> None:
    for one in Regression.drawings(regression(3000), ("target",)):
        assert "400 of 3000 at random" in one.caption and len(one.svg) < 8000


def test_regression_of_one_number_is_drawn() -> None:
    flat = RegressionPredictions(**unit(1), target=np.array([1.0]), predicted=np.array([1.0]))
    assert len(Regression.drawings(flat, ("target",))) == 2


def test_grades_have_a_confusion_matrix_and_numbers_have_none(survival) -> None:
    label, predicted = np.array([0, 1, 2, 3, 3]), np.array([0, 1, 1, 3, 2])
    rows = Predictions(**unit(5), label=label, predicted=predicted, probabilities=np.eye(4)[predicted])
    crossed = Classification.crossed(rows, ("0", "1", "2", "3"))
    assert crossed.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]]
    assert Survival.crossed(survival, ()) is None and Regression.crossed(regression(), ()) is None
