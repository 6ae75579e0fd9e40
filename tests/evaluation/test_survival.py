"""The C-index against its definition, pair by pair, and what a study makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evaluation.metrics import roc_auc
from harness.evaluation.paired import compare
from harness.evaluation.study_scores import study_scores
from harness.evaluation.survival import SurvivalPredictions, c_index, interval_log_loss, risk_of


def by_pairs(times, events, risks, weights):
    """The definition, one pair at a time."""
    won = pairs = 0.0
    for i in range(len(times)):
        for j in range(len(times)):
            if i == j or not events[i]:
                continue
            if times[i] < times[j] or (times[i] == times[j] and not events[j]):
                weight = weights[i] * weights[j]
                pairs += weight
                won += weight * (1.0 if risks[i] > risks[j] else 0.5 if risks[i] == risks[j] else 0.0)
    return won / pairs if pairs else np.nan


@given(
    st.lists(
        # Few values, so that times, events and risks tie often.
        st.tuples(st.integers(1, 5), st.booleans(), st.integers(0, 4), st.integers(0, 3)),
        min_size=1,
        max_size=12,
    )
)
def test_it_is_the_definition_whatever_ties(rows):
    times, events, risks, weights = (np.array(column) for column in zip(*rows, strict=True))
    expected = by_pairs(times, events, risks, weights)
    got = c_index(times, events, risks, weights[None].astype(float))
    assert got == pytest.approx([expected], nan_ok=True)
    assert 0 <= got[0] <= 1 or np.isnan(got[0])


@pytest.mark.parametrize(
    ("times", "events", "risks", "expected"),
    [
        ([1, 2, 3], [1, 1, 1], [3, 2, 1], 1.0),
        ([1, 2, 3], [1, 1, 1], [1, 2, 3], 0.0),
        ([1, 2, 3], [1, 1, 1], [7, 7, 7], 0.5),
        # Pairs (1, 2), (1, 3), (1, 4) and (3, 4): of the one censored at 2 nothing later is known.
        ([1, 2, 3, 4], [1, 0, 1, 1], [2, 3, 1, 0], 3 / 4),
        # Censored at the time of an event was followed for at least as long: that pair counts.
        ([2, 2], [1, 0], [1, 0], 1.0),
        # Two events at one time do not say who was first.
        ([2, 2, 3], [1, 1, 1], [0, 9, 1], 1 / 2),
    ],
)
def test_known_values(times, events, risks, expected):
    assert c_index(times, events, risks)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("times", "events"), [([1, 2], [0, 0]), ([2, 2], [1, 1]), ([1, 2], [0, 1]), ([5], [1])])
def test_it_is_undefined_without_a_pair_that_counts(times, events):
    assert np.isnan(c_index(times, events, np.zeros(len(times)))[0])


def test_of_two_times_without_censoring_it_is_the_auc():
    rng = np.random.default_rng(0)
    early = rng.random(80) < 0.4
    risks = rng.normal(size=80).round(1)
    assert c_index(np.where(early, 1, 2), np.ones(80), risks)[0] == pytest.approx(roc_auc(early, risks)[0])


def test_blocks_of_pairs_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    times, events, risks = rng.exponential(size=50), rng.random(50) < 0.6, rng.normal(size=50)
    weights = rng.integers(0, 3, (4, 50)).astype(float)
    whole = c_index(times, events, risks, weights)
    monkeypatch.setattr("harness.evaluation.survival._CELLS", 120)
    assert c_index(times, events, risks, weights) == pytest.approx(whole)


def test_risk_falls_with_every_interval_that_is_outlived():
    probabilities = np.eye(4)
    assert risk_of(probabilities) == pytest.approx([0, -1, -2, -3])
    hazards = np.array([0.1, 0.4, 0.3])
    outlived = np.cumprod(1 - hazards)
    mass = np.array([0.1, 0.9 * 0.4, 0.9 * 0.6 * 0.3, outlived[-1]])
    assert risk_of(mass[None]) == pytest.approx([-outlived.sum()])


def test_the_likelihood_of_an_event_and_of_outliving_an_interval():
    p = np.array([[0.1, 0.2, 0.3, 0.4]])
    assert interval_log_loss([1], [1], p) == pytest.approx(-np.log(0.2))
    assert interval_log_loss([1], [0], p) == pytest.approx(-np.log(0.7))
    assert interval_log_loss([2], [0], p) == pytest.approx(-np.log(0.4))
    assert np.isfinite(interval_log_loss([0], [1], np.array([[0.0, 1.0]])))


def survival_study(noise: float, *, slides: int = 1, draw: int = 0) -> SurvivalPredictions:
    """Two repeats of three folds of 90 patients; the risk is the log-hazard with noise."""
    rng = np.random.default_rng(5)
    hazard = rng.normal(size=90)
    times = rng.exponential(np.exp(-hazard))
    event = times < 2
    jitter = np.random.default_rng(draw)
    columns = []
    for repeat in range(2):
        fold = rng.permutation(90) % 3
        risk = hazard + noise * jitter.normal(size=90)
        whole = (np.full(90, repeat), fold, np.zeros(90), np.arange(90), np.minimum(times, 2), event, risk)
        columns.append([np.repeat(column, slides) for column in whole])
    parts = [np.concatenate(column) for column in zip(*columns, strict=True)]
    return SurvivalPredictions(*parts, slide=np.tile(np.arange(90 * slides), 2))


def test_a_study_has_the_mean_over_folds_and_runs_with_an_interval():
    data = survival_study(0.5)
    folds = [c_index(data.time[r], data.event[r], data.risk[r])[0] for run in data.runs() for r in run]
    found = study_scores(data, resamples=200)
    assert list(found.scores) == ["c_index"]
    score = found.scores["c_index"]
    assert score.value == pytest.approx(np.mean(folds))
    assert 0.5 < score.low < score.value < score.high < 1
    assert (found.correct, found.patients, score.folds) == (None, 90, 6)


def test_slides_of_one_patient_count_once():
    one, two = (study_scores(survival_study(0.5, slides=k), resamples=50).scores["c_index"] for k in (1, 2))
    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))


def test_a_patients_risk_is_the_mean_over_the_slides():
    zero = np.zeros(4)
    data = SurvivalPredictions(
        zero, zero, zero, np.array(["a", "a", "b", "c"]), np.array([1, 1, 2, 3]), np.ones(4), np.array([9, -9, 1, -1.0])
    )
    # Mean risks 0, 1, -1: of the three pairs the second patient's with the first is lost.
    assert study_scores(data, resamples=10).scores["c_index"].value == pytest.approx(2 / 3)


def test_without_events_the_score_is_undefined_not_wrong():
    zero = np.zeros(3)
    data = SurvivalPredictions(zero, zero, zero, np.arange(3), np.arange(1, 4), zero, zero)
    score = study_scores(data, resamples=10).scores["c_index"]
    assert np.isnan([score.value, score.low, score.high]).all()
    assert (score.folds, len(score.undefined)) == (0, 1)


def test_studies_are_compared_in_pairs():
    good, poor = survival_study(0.1), survival_study(5.0, draw=1)
    difference = compare(good, poor, resamples=200)["c_index"]
    assert difference.interval.low > 0
    assert difference.p_value < 0.05
