"""Critical difference: against Friedman's test of SciPy, and the studentised range integrated by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from harness.evaluation.critical_difference import critical_difference, nemenyi_distance, too_few


def range_quantile(k: int, level: float = 0.05) -> float:
    """The quantile of the range of k standard normal numbers, from its definition as an integral."""

    def beyond(q: float) -> float:
        inside, _ = integrate.quad(
            lambda z: k * stats.norm.pdf(z) * (stats.norm.cdf(z) - stats.norm.cdf(z - q)) ** (k - 1), -8, 8
        )
        return inside - (1 - level)

    return optimize.brentq(beyond, 0.5, 10)


@pytest.mark.parametrize(("k", "n"), [(3, 10), (5, 30), (14, 6)])
def test_the_distance_is_that_of_nemenyi(k: int, n: int) -> None:
    expected = range_quantile(k) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n))
    assert nemenyi_distance(k, n) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("digits", [6, 0])
def test_the_statistic_is_friedmans_with_and_without_ties(digits: int) -> None:
    scores = np.round(np.random.default_rng(3).normal(size=(5, 12)) + np.arange(5)[:, None] * 0.5, digits)
    found = critical_difference(scores)
    expected = stats.friedmanchisquare(*scores)
    assert found.friedman == pytest.approx(expected.statistic)
    f = 11 * found.friedman / (12 * 4 - found.friedman)
    assert found.p_value == pytest.approx(stats.f.sf(f, 4, 44))
    assert found.mean_ranks.mean() == pytest.approx(3)


def test_two_share_a_group_if_and_only_if_they_are_closer_than_the_distance() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        found = critical_difference(rng.normal(size=(7, 40)) + 0.4 * rng.permutation(7)[:, None])
        for a, b in combinations(range(7), 2):
            near = abs(found.mean_ranks[a] - found.mean_ranks[b]) < found.distance
            assert near == any({a, b} <= set(group) for group in found.groups)
        assert not [(a, b) for a, b in combinations(found.groups, 2) if set(a) <= set(b) or set(b) <= set(a)]


def test_equal_methods_are_called_different_in_few_of_many_simulations() -> None:
    rng = np.random.default_rng(0)
    differ = [len(critical_difference(rng.normal(size=(5, 20))).groups[0]) < 5 for _ in range(300)]
    assert np.mean(differ) < 0.08


def test_the_same_order_everywhere_is_certain_and_no_order_is_not() -> None:
    assert critical_difference(np.arange(3.0)[:, None] * np.ones(20)).p_value == 0
    equal = critical_difference(np.ones((3, 20)))
    assert (equal.p_value, equal.groups) == (1.0, ((0, 1, 2),))


def test_what_could_find_nothing_is_refused_with_the_reason() -> None:
    assert "2 datasets are too few for 14 methods" in too_few(14, 2)
    assert "at least 3" in too_few(2, 30) and "one dataset" in too_few(5, 1) and too_few(14, 4) == ""
    with pytest.raises(ValueError, match="cannot be more than 2 apart"):
        critical_difference(np.ones((3, 2)))
    with pytest.raises(ValueError, match="every dataset"):
        critical_difference([[1.0, np.nan], [1.0, 2.0], [0.0, 1.0]])
