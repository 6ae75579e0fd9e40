"""Percentile bootstrap that draws patients: all slides of a drawn patient come along.

A resample is a vector of weights, how often each patient is drawn, so a statistic is computed for many resamples in
one go and nothing is copied. Two statistics of the same patients see the same resamples (paired comparison).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Mapping[str, Floats]]
"""Weights per slide, shape (R, n) → R values for each of some names."""

RESAMPLES = 2000
LEVEL = 0.95
_CELLS = 1 << 22
"""Weights held at once; about 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low, high: the limits; NaN where there is no interval (fewer than two patients, or the statistic is undefined
            in most resamples).
        resamples: how many resamples it rests on.
        undefined: how many were left out because the statistic is undefined in them (say, one class only).
    """

    low: float
    high: float
    resamples: int
    undefined: int


@dataclass(frozen=True)
class Difference:
    """A paired difference, first minus second.

    Attributes:
        value: on the data as they are.
        interval: of the difference.
        p_value: two-sided, from the share of resamples on the other side of zero; never below 1/(resamples + 1).
    """

    value: float
    interval: Interval
    p_value: float


def patient_weights(patients: ArrayLike, *, resamples: int, seed: int) -> Iterator[Floats]:
    """Weights per slide in blocks of shape (r, n) that add up to ``resamples`` rows.

    Args:
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws; the same seed and the same patients give the same resamples.
    """
    names, index = np.unique(np.asarray(patients), return_inverse=True)
    count = len(names)
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // max(1, len(index)))
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = rng.integers(0, count, size=(rows, count)) + count * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times[:, index].astype(np.float64)


def bootstrap(
    statistic: Statistic, patients: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Percentile intervals of one or more statistics under resampling of patients (Efron 1979).

    Args:
        statistic: values under weights per slide.
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws.
        level: coverage.
    """
    values = draws(statistic, patients, resamples=resamples, seed=seed)
    n_patients = len(np.unique(np.asarray(patients)))
    return {name: percentile_interval(drawn, n_patients=n_patients, level=level) for name, drawn in values.items()}


def draws(statistic: Statistic, patients: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Floats]:
    """The statistic in every resample, shape (resamples,) for each name; NaN where it is undefined."""
    blocks = [statistic(weights) for weights in patient_weights(patients, resamples=resamples, seed=seed)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def percentile_interval(drawn: Floats, *, n_patients: int, level: float = LEVEL) -> Interval:
    """The interval between the percentiles of the resamples in which the statistic is defined."""
    defined = drawn[np.isfinite(drawn)]
    undefined = len(drawn) - len(defined)
    if n_patients < 2 or 2 * len(defined) < len(drawn):
        return Interval(np.nan, np.nan, len(defined), undefined)
    low, high = np.percentile(defined, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(low), float(high), len(defined), undefined)


def paired_difference(
    first: Statistic,
    second: Statistic,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[str, Difference]:
    """Difference of two methods on the same slides, each resample applied to both.

    Args:
        first, second: statistics that take the same weights and name the same values.
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws.
        level: coverage of the intervals.
    """

    def difference(weights: Floats) -> dict[str, Floats]:
        a, b = first(weights), second(weights)
        return {name: a[name] - b[name] for name in a}

    n = len(np.asarray(patients))
    n_patients = len(np.unique(np.asarray(patients)))
    observed = difference(np.ones((1, n)))
    drawn = draws(difference, patients, resamples=resamples, seed=seed)
    return {
        name: Difference(
            float(observed[name][0]),
            percentile_interval(drawn[name], n_patients=n_patients, level=level),
            two_sided(drawn[name]),
        )
        for name in observed
    }


def two_sided(drawn: Floats) -> float:
    """Twice the share of resamples at or beyond zero, on the rarer side; NaN without any resample."""
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return float("nan")
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(defined) + 1))
