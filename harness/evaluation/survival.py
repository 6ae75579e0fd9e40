"""Survival predictions: Harrell's C-index, and the scores of a study whose patients were followed over time.

A prediction is a distribution over K intervals of time and "later": shape (n, K + 1), rows sum to one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.rows import Rows, mean_of_defined

Floats = NDArray[np.float64]

SURVIVAL_METRICS = ("c_index",)
"""Names of all scores of survival predictions."""

_CELLS = 1 << 22
"""Pairs held at once; about 32 MB."""
_SMALLEST = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class SurvivalPredictions(Rows):
    """Test predictions of the units of one study, one row per slide and unit.

    Attributes:
        time: until the event or the end of follow-up, shape (n,); the same for all slides of a patient.
        event: 1 where the event was seen, 0 where follow-up ended before it, shape (n,).
        risk: larger means an earlier event, shape (n,).
        slide: slide ids, shape (n,); only a paired comparison needs them.
    """

    metrics: ClassVar[tuple[str, ...]] = SURVIVAL_METRICS
    truth: ClassVar[tuple[str, ...]] = ("time", "event")
    averaged: ClassVar[tuple[str, ...]] = SURVIVAL_METRICS
    time: NDArray[Any]
    event: NDArray[Any]
    risk: Floats
    slide: NDArray[Any] | None = None

    def strata(self) -> NDArray[Any]:
        """Whether the event was seen."""
        return np.asarray(self.event)

    def run_scores(self, folds: list[NDArray[np.intp]], weights: Floats) -> dict[str, Floats]:
        """The C-index over patients, averaged over folds: risks of differently trained folds do not compare.

        The risk of a patient is the mean over the patient's slides.
        """
        return {"c_index": mean_of_defined([self._fold(rows, weights) for rows in folds])}

    def lacking(self, rows: NDArray[np.intp]) -> tuple[int, ...]:
        """Survival has no classes."""
        return ()

    def correct(self) -> None:
        """A risk is neither right nor wrong."""

    def _fold(self, rows: NDArray[np.intp], weights: Floats) -> Floats:
        first, risk = patients_of(self.patient[rows], self.risk[rows])
        one = rows[first]  # a drawn patient brings all slides along: their weights are equal
        return c_index(self.time[one], self.event[one], risk, weights[:, one])


def patients_of(patient: ArrayLike, risk: ArrayLike) -> tuple[NDArray[np.intp], Floats]:
    """The number of the first slide of each patient, and the mean risk over the patient's slides, shape (p,) each."""
    _, first, index = np.unique(np.asarray(patient), return_index=True, return_inverse=True)
    return first, np.bincount(index, np.asarray(risk)) / np.bincount(index)


def risk_of(probabilities: ArrayLike) -> Floats:
    """Risk of an early event, shape (n,): minus the sum over the K intervals of the probability to outlive each.

    It is the risk of the published discrete-time models, -sum_t S_t (ABMILX 2025, arXiv 2506.02408, code), and thus
    minus the expected number of intervals that are outlived.

    Args:
        probabilities: of an event in each interval, and later, shape (n, K + 1).
    """
    outlived = 1 - np.cumsum(np.asarray(probabilities, dtype=np.float64)[:, :-1], axis=1)
    return np.asarray(-outlived.sum(axis=1))


def c_index(times: ArrayLike, events: ArrayLike, risks: ArrayLike, weights: Floats | None = None) -> Floats:
    """Harrell's concordance index, shape (R,): how often the patient with the higher risk has the event first.

    Harrell et al. 1982, JAMA 247:2543. A pair counts when it is known who had the event
    first: one has it at a time at which the other is still followed. Somebody censored at that very time was followed
    for at least as long, so that pair counts too; two events at the same time do not. Of a pair that counts, equal
    risks are worth one half. Without any such pair the index is undefined (NaN).

    Args:
        times: until event or censoring, shape (n,).
        events: true where the event was seen, shape (n,).
        risks: larger means an earlier event, shape (n,).
        weights: how often each counts, shape (R, n), or None for weight one (R = 1). A patient that is drawn twice
            makes no pair with itself.
    """
    t = np.asarray(times, dtype=np.float64)
    seen = np.asarray(events).astype(bool)
    r = np.asarray(risks, dtype=np.float64)
    w = np.ones((1, len(t))) if weights is None else weights
    pairs, won = np.zeros(len(w)), np.zeros(len(w))
    first = np.flatnonzero(seen)
    block = max(1, _CELLS // max(1, len(t)))
    for start in range(0, len(first), block):
        i = first[start : start + block]
        counts = (t[i, None] < t) | ((t[i, None] == t) & ~seen)
        worth = counts * ((r[i, None] > r) + 0.5 * (r[i, None] == r))
        pairs += (w[:, i] * (w @ counts.T.astype(np.float64))).sum(axis=1)
        won += (w[:, i] * (w @ worth.T)).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(w), np.nan), where=pairs > 0))


def interval_log_loss(intervals: ArrayLike, events: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-likelihood of what was seen (natural logarithm): the loss of training, of a prediction.

    With an event in interval k it is -log p_k. Censored in interval k it is -log of the probability of an event after
    that interval.

    Args:
        intervals: interval of the event or of censoring, 0..K-1, shape (n,).
        events: true where the event was seen, shape (n,).
        probabilities: shape (n, K + 1).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    k = np.asarray(intervals, dtype=np.intp)
    row = np.arange(len(k))
    # Summed from the far end, so that a small rest is not the difference of two large numbers.
    beyond = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]
    seen = np.where(np.asarray(events).astype(bool), p[row, k], beyond[row, k + 1])
    return float(-np.log(np.clip(seen, _SMALLEST, 1.0)).mean())
