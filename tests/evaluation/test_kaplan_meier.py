"""Kaplan-Meier curves are those of scikit-survival and of SciPy; the log-rank test keeps its level."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf, logrank

from harness.evaluation.kaplan_meier import kaplan_meier, log_rank, uncensored

REFERENCE = json.loads((Path(__file__).parent / "fixtures" / "scikit_survival.json").read_text())


@pytest.mark.parametrize("name", ["continuous", "tied"])
def test_curve_and_test_are_those_of_scikit_survival(name: str) -> None:
    expected = REFERENCE[name]
    t, e = np.array(expected["time"]), np.array(expected["event"])
    found = kaplan_meier(t, e)
    for part in ("time", "survival", "low", "high"):
        value, other = getattr(found, part), np.array(expected["kaplan_meier"][part])
        known = np.isfinite(value)  # scikit-survival gives 0 where nobody is left
        assert value[known] == pytest.approx(other[known])
        assert known.all() or (part in ("low", "high") and (found.survival[~known] == 0).all())
    assert (found.at_risk[0], found.events.sum(), found.censored.sum()) == (len(t), e.sum(), (1 - e).sum())
    test = log_rank(t, e, np.arange(len(t)) % 3)
    assert (test.statistic, test.p_value) == pytest.approx((expected["log_rank"], expected["log_rank_p"]))
    assert test.expected == pytest.approx(expected["expected"]) and test.observed.sum() == e.sum()


def test_curve_and_test_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    t, e, g = np.round(rng.exponential(5, 50)), rng.uniform(size=50) < 0.6, np.arange(50) % 2
    data = [CensoredData(t[k & e], right=t[k & ~e]) for k in (g == 0, g == 1)]
    both = CensoredData(t[e], right=t[~e])
    assert kaplan_meier(t, e).survival == pytest.approx(ecdf(both).sf.probabilities)
    found, other = log_rank(t, e, g), logrank(*data)
    assert (found.p_value, found.statistic) == pytest.approx((other.pvalue, other.statistic**2))


def test_being_uncensored_is_the_curve_with_events_and_censorings_swapped() -> None:
    rng = np.random.default_rng(4)
    t, e = rng.exponential(5, 30), rng.uniform(size=30) < 0.6
    time, found = uncensored(t, e, np.ones((1, 30)))
    swapped = kaplan_meier(t, ~e)
    assert time.tolist() == swapped.time.tolist() and found[0] == pytest.approx(swapped.survival)


def test_no_event_says_nothing() -> None:
    assert np.isnan(log_rank([1, 2, 3], [0, 0, 0], [0, 1, 1]).p_value)
    assert kaplan_meier([1, 2], [0, 0]).survival.tolist() == [1, 1]
    with pytest.raises(ValueError, match="at least two groups"):
        log_rank([1, 2], [1, 1], [0, 0])


def test_intervals_cover_and_equal_groups_are_rarely_called_different() -> None:
    rng = np.random.default_rng(5)
    trials, n = 500, 80
    event, censored = rng.exponential(size=(trials, n)), rng.exponential(2, size=(trials, n))
    time, seen = np.minimum(event, censored), event <= censored
    covered = []
    for t, e in zip(time, seen, strict=True):
        curve = kaplan_meier(t, e)
        k = np.searchsorted(curve.time, np.log(2), side="right") - 1  # the median of the truth
        covered.append(curve.low[k] <= 0.5 <= curve.high[k])
    called = [log_rank(t, e, np.arange(n) % 2).p_value < 0.05 for t, e in zip(time, seen, strict=True)]
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
