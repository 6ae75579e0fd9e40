"""Variance of AUCs that share their slides, after DeLong, DeLong and Clarke-Pearson (Biometrics 1988;44:837).

The AUC is a mean over pairs of a positive and a negative slide. The *placement* of a positive is the share of negatives
below it, that of a negative the share of positives above it (ties count one half). The AUC is the mean of either, and
how placements vary says how the AUC does. Midranks give all placements in O(n log n) (Sun and Xu, IEEE Signal
Processing Letters 2014;21:1389).

With several slides per patient the sums are over patients (Obuchowski, Biometrics 1997;53:567). All of it describes
which patients were sampled: the scores are taken as given, so training and its seeds are no part of the variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from harness.evaluation.bootstrap import LEVEL

Floats = NDArray[np.float64]
_ZERO = 1e-14
"""A variance below it is that of rounding."""


@dataclass(frozen=True)
class Aucs:
    """AUCs of k methods on the same slides.

    Attributes:
        auc: shape (k,); NaN where one of the classes is absent.
        covariance: of them over patients, shape (k, k); NaN with fewer than two patients of either class.
        positives, negatives: patients with a positive, and with a negative slide.
    """

    auc: Floats
    covariance: Floats
    positives: int
    negatives: int


@dataclass(frozen=True)
class AucDifferences:
    """Paired tests of AUCs, first minus second, each entry of shape (p,).

    Attributes:
        first, second: numbers of the two methods.
        difference: of their AUCs.
        low, high: its interval (normal approximation).
        z: difference over its standard error; NaN where that is zero.
        p_value: two-sided. 1 for equal AUCs without variance (the same scores twice), NaN for different ones without:
            nothing follows from them.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    difference: Floats
    low: Floats
    high: Floats
    z: Floats
    p_value: Floats


def delong(labels: ArrayLike, scores: ArrayLike, patients: ArrayLike | None = None) -> Aucs:
    """AUCs of methods on the same slides, and their covariance.

    With S10 and S01 the covariances of placements of m positives and n negatives, it is S10/m + S01/n (DeLong et al.,
    equation 5). With patients it is S10/m + S01/n + (S11 + S11')/(mn), the S being covariances of sums over patients
    (Obuchowski 1997, section 3); with one slide each both are the same.

    Args:
        labels: true where positive, shape (n,).
        scores: larger means more positive, shape (k, n), or (n,) for one method.
        patients: patient of each slide, shape (n,); None for one slide each.
    """
    positive = np.asarray(labels).astype(bool)
    s = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    if s.shape[1] != len(positive):
        raise ValueError(f"scores of shape {s.shape} do not fit {len(positive)} labels: they need one column per slide")
    if positive.all() or not positive.any():
        return Aucs(
            np.full(len(s), np.nan), np.full((len(s), len(s)), np.nan), int(positive.any()), int(not positive[0])
        )
    of_positives, of_negatives = placements(positive, s)
    auc = of_positives.mean(axis=1)
    away = of_positives - auc[:, None], of_negatives - auc[:, None]
    if patients is None:
        m, n = len(away[0].T), len(away[1].T)
        covariance = _gram(away[0], m) / m**2 + _gram(away[1], n) / n**2
        return Aucs(auc, covariance, m, n)
    return _clustered(auc, away, positive, np.asarray(patients))


def placements(positive: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Of each positive the share of negatives below it, (k, m); of each negative that of positives above it, (k, n).

    Args:
        positive: shape (m + n,).
        scores: shape (k, m + n).
    """
    from scipy.stats import rankdata  # here: it takes a second to import, and most comparisons need none of it

    ours, theirs = scores[:, positive], scores[:, ~positive]
    ranks = rankdata(scores, axis=1)
    below = ranks[:, positive] - rankdata(ours, axis=1)
    above = ours.shape[1] - (ranks[:, ~positive] - rankdata(theirs, axis=1))
    return np.asarray(below / theirs.shape[1]), np.asarray(above / ours.shape[1])


def auc_interval(
    found: Aucs, *, level: float = LEVEL, scale: Literal["logit", "plain"] = "logit"
) -> tuple[Floats, Floats]:
    """Limits of a confidence interval for each AUC, shape (k,) each; NaN where it is undefined.

    On the logit scale, the default, an interval stays within 0 and 1 and covers better close to them (Pepe 2003, The
    Statistical Evaluation of Medical Tests, section 5.2); ``plain`` is AUC ± z standard errors, cut at 0 and 1, as
    pROC gives it. An AUC of exactly 0 or 1 has no variance in the data: its limits are those of the score interval of
    Newcombe (Statistics in Medicine 2006;25:559, method 5), which needs the numbers of patients only.
    """
    z = float(ndtri(0.5 + level / 2))
    variance = np.diag(found.covariance)
    spread = np.sqrt(np.maximum(variance, 0.0))
    if scale == "plain":
        low, high = np.maximum(found.auc - z * spread, 0.0), np.minimum(found.auc + z * spread, 1.0)
    else:
        inside = np.clip(found.auc, 1e-12, 1 - 1e-12)
        half = z * spread / (inside * (1 - inside))
        centre = np.log(inside / (1 - inside))
        low, high = 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
    for k, (auc, one) in enumerate(zip(found.auc, variance, strict=True)):
        if np.isfinite(one) and (auc <= 0.0 or auc >= 1.0):
            limit = _newcombe(found.positives, found.negatives, z)
            low[k], high[k] = (limit, 1.0) if auc >= 1.0 else (0.0, 1 - limit)
    return low, high


def auc_differences(found: Aucs, *, level: float = LEVEL) -> AucDifferences:
    """The paired test of every pair of AUCs: z = (a - b) / sqrt(var a + var b - 2 cov(a, b)).

    Args:
        found: of :func:`delong` or :func:`harness.evaluation.study_delong.study_aucs`.
        level: coverage of the intervals.
    """
    first, second = np.triu_indices(len(found.auc), k=1)
    variance = np.diag(found.covariance)
    squared = variance[first] + variance[second] - 2 * found.covariance[first, second]
    difference = found.auc[first] - found.auc[second]
    error = np.sqrt(np.where(squared > _ZERO, squared, 0.0))
    error[np.isnan(squared)] = np.nan
    half = float(ndtri(0.5 + level / 2)) * error
    z = np.divide(difference, error, out=np.full(len(difference), np.nan), where=error > 0)
    p_value = 2 * ndtr(-np.abs(z))
    p_value[(error == 0) & (np.abs(difference) < 1e-12)] = 1.0
    return AucDifferences(first, second, difference, difference - half, difference + half, z, p_value)


def _clustered(
    auc: Floats, away: tuple[Floats, Floats], positive: NDArray[np.bool_], patients: NDArray[np.generic]
) -> Aucs:
    names, index = np.unique(patients, return_inverse=True)
    sides = index[positive], index[~positive]
    sums = [_sums(values, side, len(names)) for values, side in zip(away, sides, strict=True)]
    m, n = (len(side) for side in sides)
    of_positives, of_negatives = (len(np.unique(side)) for side in sides)
    both = sums[0] @ sums[1].T * _correction(len(names))
    covariance = _gram(sums[0], of_positives) / m**2 + _gram(sums[1], of_negatives) / n**2 + (both + both.T) / (m * n)
    return Aucs(auc, covariance, of_positives, of_negatives)


def _sums(values: Floats, group: NDArray[np.intp], groups: int) -> Floats:
    """Sums of (k, n) columns over groups, shape (k, groups)."""
    return np.stack([np.bincount(group, row, minlength=groups) for row in values])


def _gram(values: Floats, count: int) -> Floats:
    return np.asarray(values @ values.T * _correction(count))


def _correction(count: int) -> float:
    """Of a variance with the mean estimated from ``count`` independent ones."""
    return count / (count - 1) if count > 1 else float("nan")


def _newcombe(m: int, n: int, z: float) -> float:
    """The lower limit for an AUC of 1."""
    from scipy.optimize import brentq

    half = (m + n) / 2 - 1

    def short(theta: float) -> float:
        variance = theta * (1 - theta) * (1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)) / (m * n)
        return float(1 - theta - z * np.sqrt(variance))

    return float(brentq(short, 0.0, 1 - 1e-12)) if short(1 - 1e-12) < 0 < short(0.0) else 0.0
