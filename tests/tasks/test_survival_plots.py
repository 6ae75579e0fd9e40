"""Kaplan-Meier curves by predicted risk: who is in which group, and what the figure counts."""

from __future__ import annotations

import numpy as np

from harness.evaluation.kaplan_meier import kaplan_meier, log_rank
from harness.evaluation.risk_groups import risk_groups
from harness.evaluation.survival import SurvivalPredictions
from harness.tasks.survival import Survival
from harness.tasks.survival_plots import followed


def made(*, signal: float, folds: int = 2, seeds: int = 1) -> SurvivalPredictions:
    """Forty patients with two slides each; the risk of each fold has a scale of its own."""
    rng = np.random.default_rng(0)
    patient = np.tile(np.repeat(np.arange(40), 2), seeds)
    time = rng.exponential(size=40)[patient] + 0.1
    fold = patient % folds
    risk = (-signal * np.log(time) + 0.1 * rng.normal(size=len(patient))) * 10.0**fold + 100 * fold
    zero = np.zeros(len(patient), int)
    seed = np.repeat(np.arange(seeds), 80)
    return SurvivalPredictions(zero, fold, seed, patient, time, (patient % 3 != 0).astype(int), risk)


def test_groups_are_halves_of_every_fold() -> None:
    found = risk_groups(made(signal=1.0))
    assert len(found.time) == 40 and found.group.sum() == 20
    assert [found.group[np.arange(40) % 2 == k].sum() for k in (0, 1)] == [10, 10]
    assert np.median(found.time[found.group == 1]) < np.median(found.time[found.group == 0])
    assert log_rank(found.time, found.event, found.group).p_value < 0.001
    assert abs(risk_groups(made(signal=1.0, seeds=2)).group.sum() - 20) <= 2  # of mean ranks over seeds


def test_equal_risks_make_no_groups_and_no_figure() -> None:
    data = made(signal=0.0)
    flat = SurvivalPredictions(**{**data.columns(), "risk": np.zeros(len(data))})
    assert set(risk_groups(flat).curves) == {0}
    assert Survival.study_figures(flat, ("a", "b"), "flat", None) == {"kaplan_meier.png": None}


def test_the_figure_is_drawn_and_counts_who_is_left() -> None:
    figure = Survival.study_figures(made(signal=1.0), ("a", "b"), "forty patients", None)["kaplan_meier.png"]
    assert figure is not None and figure.startswith(b"\x89PNG")
    curve = kaplan_meier([1, 2, 2, 4], [1, 0, 1, 1])
    assert followed(curve, np.array([0, 1, 1.5, 2, 3, 4, 5])).tolist() == [4, 4, 3, 3, 1, 1, 0]
