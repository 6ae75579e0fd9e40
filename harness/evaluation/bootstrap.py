"""Percentile bootstrap that draws patients: all slides of a drawn patient come along.

A resample is a vector of weights, how often each patient is drawn, so a statistic is computed for many resamples in
one go and nothing is copied. Two statistics of the same patients see the same resamples (paired comparison).

With strata, patients are drawn among those whose slides have the same classes: every resample has as many of each as
the data, so that none lacks a class, and the spread is that for the classes as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Mapping[str, Floats]]
"""Weights per slide, shape (R, n) → R values for each of some names."""

RESAMPLES = 2000
LEVEL = 0.95
_CACHED = 1 << 16
"""Counts that are drawn at once: what a processor's cache holds."""
_BLOCKS = 16
"""Blocks of them in a block of weights: about 8 MB."""


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


@dataclass(frozen=True)
class Draws:
    """How patients are drawn: the columns of the counts, and the way from slides to columns.

    Attributes:
        column: of the patient of each slide, shape (n,).
        sizes: of the strata, which follow one another in the columns; their sum is the number of patients.
    """

    column: NDArray[np.intp]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, patients: ArrayLike, strata: ArrayLike | None = None) -> Draws:
        """Of the patient of each slide, and what strata are made of (see :func:`patient_strata`), shape (n,) each."""
        names, index = np.unique(np.asarray(patients), return_inverse=True)
        if strata is None:
            return cls(index, (len(names),))
        stratum = patient_strata(index, strata)
        place = np.empty(len(names), np.intp)
        place[np.argsort(stratum, kind="stable")] = np.arange(len(names))
        return cls(place[index], tuple(np.bincount(stratum).tolist()))

    def counts(self, *, resamples: int, seed: int) -> Iterator[NDArray[np.int32]]:
        """How often each patient is drawn, in small blocks of shape (r, patients), ``resamples`` rows together."""
        rng = np.random.default_rng(seed)
        block = max(1, _CACHED // max(1, len(self.column)))
        for start in range(0, resamples, block):
            rows = min(block, resamples - start)
            counts = np.empty((rows, sum(self.sizes)), np.int32)
            first = 0
            for size in self.sizes:
                cells = rng.integers(0, size, size=(rows, size))
                cells += size * np.arange(rows)[:, None]
                counts[:, first : first + size] = np.bincount(cells.ravel(), minlength=rows * size).reshape(rows, size)
                first += size
            yield counts


def patient_strata(patient: NDArray[np.intp], strata: ArrayLike) -> NDArray[np.intp]:
    """Stratum of each patient, shape (patients,): patients whose slides have the same set of values are one.

    A patient who would be alone joins the largest stratum: alone, it would be drawn once in every resample.

    Args:
        patient: number of the patient of each slide, shape (n,).
        strata: value of each slide, such as its class, shape (n,).
    """
    values, value = np.unique(np.asarray(strata), return_inverse=True)
    has = np.zeros((int(patient.max()) + 1, len(values)), bool)
    has[patient, value] = True
    _, stratum, size = np.unique(has, axis=0, return_inverse=True, return_counts=True)
    stratum = np.where(size[stratum] > 1, stratum, int(size.argmax())).ravel()
    return np.asarray(np.unique(stratum, return_inverse=True)[1], np.intp)


def patient_weights(
    patients: ArrayLike, *, resamples: int, seed: int, strata: ArrayLike | None = None
) -> Iterator[Floats]:
    """Weights per slide in blocks of shape (r, n) that add up to ``resamples`` rows.

    Args:
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws; the same seed, patients and strata give the same resamples.
        strata: value of each slide, such as its class, shape (n,): see :func:`patient_strata`; None draws among all.
    """
    how = Draws.of(patients, strata)
    counts = how.counts(resamples=resamples, seed=seed)
    while parts := [np.take(part.astype(np.float64), how.column, axis=1) for part in islice(counts, _BLOCKS)]:
        yield np.concatenate(parts)


def bootstrap(
    statistic: Statistic,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
    strata: ArrayLike | None = None,
) -> dict[str, Interval]:
    """Percentile intervals of one or more statistics under resampling of patients (Efron 1979).

    Args:
        statistic: values under weights per slide.
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws.
        level: coverage.
        strata: as in :func:`patient_weights`.
    """
    values = draws(statistic, patients, resamples=resamples, seed=seed, strata=strata)
    n_patients = len(np.unique(np.asarray(patients)))
    return {name: percentile_interval(drawn, n_patients=n_patients, level=level) for name, drawn in values.items()}


def draws(
    statistic: Statistic,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    strata: ArrayLike | None = None,
) -> dict[str, Floats]:
    """The statistic in every resample, shape (resamples,) for each name; NaN where it is undefined."""
    drawn = patient_weights(patients, resamples=resamples, seed=seed, strata=strata)
    blocks = [statistic(weights) for weights in drawn]
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
    strata: ArrayLike | None = None,
) -> dict[str, Difference]:
    """Difference of two methods on the same slides, each resample applied to both.

    Args:
        first, second: statistics that take the same weights and name the same values.
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws.
        level: coverage of the intervals.
        strata: as in :func:`patient_weights`.
    """

    def difference(weights: Floats) -> dict[str, Floats]:
        a, b = first(weights), second(weights)
        return {name: a[name] - b[name] for name in a}

    n = len(np.asarray(patients))
    n_patients = len(np.unique(np.asarray(patients)))
    observed = difference(np.ones((1, n)))
    drawn = draws(difference, patients, resamples=resamples, seed=seed, strata=strata)
    return {
        name: difference_of(float(observed[name][0]), drawn[name], n_patients=n_patients, level=level)
        for name in observed
    }


def difference_of(observed: float, drawn: Floats, *, n_patients: int, level: float = LEVEL) -> Difference:
    """A difference with what its resamples say of it.

    Args:
        observed: on the data as they are.
        drawn: in every resample, shape (resamples,).
        n_patients: how many there are.
        level: coverage of the interval.
    """
    return Difference(observed, percentile_interval(drawn, n_patients=n_patients, level=level), two_sided(drawn))


def two_sided(drawn: Floats) -> float:
    """Twice the share of resamples at or beyond zero, on the rarer side; NaN without any resample."""
    defined = drawn[np.isfinite(drawn)]
    if not len(defined):
        return float("nan")
    rarer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(defined) + 1))
