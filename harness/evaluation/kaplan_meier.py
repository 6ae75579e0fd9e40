"""Kaplan-Meier curves, of survival and of censoring, and the log-rank test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2, norm

from harness.evaluation.bootstrap import LEVEL

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KaplanMeier:
    """A survival curve, one entry for each different time of follow-up, ascending, shape (m,).

    Attributes:
        time: when events or censorings were.
        survival: from that time on, up to the next.
        low, high: pointwise interval on the log(-log) scale, which keeps it within 0 and 1; 1 before the first event,
            NaN where nobody is left.
        at_risk: followed up to that time.
        events, censored: at it.
    """

    time: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    events: Floats
    censored: Floats


@dataclass(frozen=True)
class LogRank:
    """A log-rank test.

    Attributes:
        statistic: chi-squared, with one degree of freedom less than there are groups.
        p_value: NaN where there is no event while two groups are followed.
        observed, expected: events in each group, shape (g,).
    """

    statistic: float
    p_value: float
    observed: Floats
    expected: Floats


def kaplan_meier(times: ArrayLike, events: ArrayLike, *, level: float = LEVEL) -> KaplanMeier:
    """Survival curve of patients (Kaplan and Meier, JASA 1958;53:457) with Greenwood's variance.

    Somebody censored at the time of an event was followed up to it.

    Args:
        times: until event or censoring, shape (n,).
        events: true where the event was seen, shape (n,).
        level: coverage of the interval.
    """
    t, seen = np.asarray(times, np.float64), np.asarray(events).astype(bool)
    time, index = np.unique(t, return_inverse=True)
    died: Floats = np.bincount(index, seen, minlength=len(time)).astype(np.float64)
    left: Floats = np.bincount(index, ~seen, minlength=len(time)).astype(np.float64)
    at_risk = np.cumsum((died + left)[::-1])[::-1]
    survival = np.cumprod(1 - died / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(died / (at_risk * (at_risk - died)))
        half = float(norm.ppf(0.5 + level / 2)) * np.sqrt(greenwood) / np.abs(np.log(survival))
        low, high = survival ** np.exp(half), survival ** np.exp(-half)
    before = survival == 1
    low, high = np.where(before, 1.0, low), np.where(before, 1.0, high)
    return KaplanMeier(time, np.asarray(survival), low, high, at_risk, died, left)


def uncensored(times: ArrayLike, events: ArrayLike, weights: Floats) -> tuple[Floats, Floats]:
    """Kaplan-Meier estimate of not being censored: different times, shape (m,), and values from each on, shape (R, m).

    Events at the time of a censoring come first.

    Args:
        times, events: as in :func:`kaplan_meier`, shape (n,).
        weights: how often each patient counts, shape (R, n).
    """
    t, seen = np.asarray(times, np.float64), np.asarray(events).astype(bool)
    time, index = np.unique(t, return_inverse=True)
    at = (index[:, None] == np.arange(len(time))).astype(np.float64)
    left, died = (weights * ~seen) @ at, (weights * seen) @ at
    beyond = np.cumsum((left + died)[:, ::-1], axis=1)[:, ::-1] - died
    step = np.divide(left, beyond, out=np.zeros_like(left), where=beyond > 0)
    return time, np.cumprod(1 - step, axis=1)


def log_rank(times: ArrayLike, events: ArrayLike, groups: ArrayLike) -> LogRank:
    """Whether groups of patients survive alike (Mantel, Cancer Chemotherapy Reports 1966;50:163).

    Args:
        times, events: as in :func:`kaplan_meier`, shape (n,).
        groups: shape (n,), at least two different.

    Raises:
        ValueError: there is one group only.
    """
    t, seen = np.asarray(times, np.float64), np.asarray(events).astype(bool)
    names, group = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise ValueError("a log-rank test compares at least two groups")
    member = (group == np.arange(len(names))[:, None]).astype(np.float64)
    when = np.unique(t[seen])
    at_risk = member @ (t[:, None] >= when)  # (g, m)
    died = member @ ((t[:, None] == when) & seen[:, None])
    n, d = at_risk.sum(axis=0), died.sum(axis=0)
    expected = (at_risk * d / n).sum(axis=1)
    spread = d * (n - d) / np.maximum(n - 1, 1) / n**2
    covariance = np.diag((at_risk * n * spread).sum(axis=1)) - (at_risk * spread) @ at_risk.T
    away = (died.sum(axis=1) - expected)[:-1]
    rank = int(np.linalg.matrix_rank(covariance[:-1, :-1])) if len(when) else 0
    statistic = float(away @ np.linalg.pinv(covariance[:-1, :-1]) @ away) if rank else np.nan
    return LogRank(statistic, float(chi2.sf(statistic, len(names) - 1)), died.sum(axis=1), expected)
