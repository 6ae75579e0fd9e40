"""Methods over several datasets: mean ranks, and how far apart two of them have to be to differ (Demšar 2006).

J. Demšar, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine Learning Research 7,
pages 1-30: the Friedman test, its correction by Iman and Davenport, and the post-hoc test of Nemenyi (section 3.2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
LEVEL = 0.05
_LEAST_METHODS = 3


@dataclass(frozen=True)
class CriticalDifference:
    """Mean ranks of k methods over N datasets.

    Attributes:
        mean_ranks: of each method, shape (k,); 1 is best, equal scores share the mean of their ranks.
        datasets: N.
        friedman: the statistic of Friedman's test, corrected for ties.
        p_value: of the test that all methods are equal, by the F statistic of Iman and Davenport.
        distance: two mean ranks differ where they are at least this far apart (Nemenyi).
        groups: largest sets of methods of which no two differ, each by mean rank; those of one method are left out.
        level: of the tests.
    """

    mean_ranks: Floats
    datasets: int
    friedman: float
    p_value: float
    distance: float
    groups: tuple[tuple[int, ...], ...]
    level: float = LEVEL


def critical_difference(scores: ArrayLike, *, level: float = LEVEL) -> CriticalDifference:
    """Compare methods over datasets.

    Args:
        scores: larger is better, every one finite, shape (k methods, N datasets).
        level: of the tests.

    Raises:
        ValueError: there are too few methods or datasets for the comparison to find anything; the message says so.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError("every method needs a score on every dataset")
    k, n = values.shape
    if refused := too_few(k, n, level=level):
        raise ValueError(refused)
    ranks = np.column_stack([stats.rankdata(-column) for column in values.T])
    mean_ranks = ranks.mean(axis=1)
    friedman, p_value = _friedman(ranks)
    distance = nemenyi_distance(k, n, level=level)
    return CriticalDifference(mean_ranks, n, friedman, p_value, distance, _groups(mean_ranks, distance), level)


def too_few(methods: int, datasets: int, *, level: float = LEVEL) -> str:
    """Why so many methods cannot be compared over so many datasets; empty where they can.

    Mean ranks of k methods are at most k - 1 apart. Where that is less than the critical distance, no result
    whatsoever would make two methods differ, and a diagram would only seem to say something.
    """
    if methods < _LEAST_METHODS:
        return f"{methods} method{'s' * (methods != 1)} with a score on every dataset; at least {_LEAST_METHODS} needed"
    if datasets < 2:
        return "one dataset; ranks over datasets need several"
    distance = nemenyi_distance(methods, datasets, level=level)
    if distance > methods - 1:
        return (
            f"{datasets} datasets are too few for {methods} methods: mean ranks would have to be {distance:.2f} apart "
            f"to differ, and cannot be more than {methods - 1} apart"
        )
    return ""


@cache
def nemenyi_distance(methods: int, datasets: int, *, level: float = LEVEL) -> float:
    """How far apart two mean ranks have to be to differ: ``q sqrt(k (k + 1) / (6 N))`` (Demšar 2006, page 11).

    q is the quantile of the studentised range of k means with infinitely many degrees of freedom, over the root of 2.
    """
    q = float(stats.studentized_range.ppf(1 - level, methods, np.inf)) / sqrt(2)
    return q * sqrt(methods * (methods + 1) / (6 * datasets))


def _friedman(ranks: Floats) -> tuple[float, float]:
    """Friedman's statistic, corrected for ties, and the p-value by Iman and Davenport's F (Demšar 2006, page 11)."""
    k, n = ranks.shape
    spread = float(((ranks - (k + 1) / 2) ** 2).sum())
    if not spread:  # all methods tie everywhere
        return 0.0, 1.0
    statistic = float((k - 1) * ((ranks.sum(axis=1) - n * (k + 1) / 2) ** 2).sum() / spread)
    room = n * (k - 1) - statistic
    if room <= 1e-9 * n:  # every dataset gives the same order: F is infinite
        return statistic, 0.0
    f = (n - 1) * statistic / room
    return statistic, float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))


def _groups(mean_ranks: Floats, distance: float) -> tuple[tuple[int, ...], ...]:
    """Largest runs of methods, by mean rank, whose ends are less than ``distance`` apart."""
    order = np.argsort(mean_ranks, kind="stable")
    found: list[tuple[int, ...]] = []
    end = 0
    for start in range(len(order)):
        last = start
        while last + 1 < len(order) and mean_ranks[order[last + 1]] - mean_ranks[order[start]] < distance:
            last += 1
        if last > max(start, end):
            found.append(tuple(int(one) for one in order[start : last + 1]))
            end = last
    return tuple(found)
