"""Whether probabilities are what they say: how often events come true whose probability was about p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.bootstrap import LEVEL, patient_weights
from harness.evaluation.study_scores import Predictions
from harness.evaluation.unit_curves import RESAMPLES

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Calibration:
    """A reliability diagram, one entry for each bin of probability that holds a prediction, shape (b,).

    Attributes:
        predicted: mean probability in the bin.
        observed: share of its events that came true.
        share: the bin's share of all predictions.
        low, high: 95 % interval of ``observed`` over patients; NaN where most resamples leave the bin empty.
        error: expected calibration error, the mean of |observed - predicted| weighted by ``share`` (Guo et al. 2017,
            arXiv 1706.04599, equation 3).
    """

    predicted: Floats
    observed: Floats
    share: Floats
    low: Floats
    high: Floats
    error: float


def study_calibration(data: Predictions, *, bins: int = BINS, resamples: int = RESAMPLES, seed: int = 0) -> Calibration:
    """Calibration of the predictions of all units together.

    With two classes the event is the second one. With more, it is that the most probable class is the true one.

    Args:
        data: test predictions.
        bins: bins of equal width between 0 and 1.
        resamples: patient resamples for the intervals.
        seed: of the resampling.
    """
    label, p = np.asarray(data.label), data.probabilities
    binary = p.shape[1] == 2
    probability = p[:, 1] if binary else p.max(axis=1)
    event = label == 1 if binary else p.argmax(axis=1) == label
    return calibration(probability, event, data.patient, bins=bins, resamples=resamples, seed=seed)


def calibration(
    probability: ArrayLike, event: ArrayLike, patients: ArrayLike, *, bins: int = BINS, resamples: int, seed: int = 0
) -> Calibration:
    """Calibration of probabilities of events.

    Args:
        probability: of each event, shape (n,).
        event: whether it came true, shape (n,).
        patients: whom it is about, shape (n,); resamples draw them.
        bins: bins of equal width between 0 and 1.
        resamples: for the intervals.
        seed: of the resampling.
    """
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(event).astype(np.float64)
    number = np.minimum((p * bins).astype(np.intp), bins - 1)
    inside = (number[:, None] == np.unique(number)).astype(np.float64)  # (n, b)
    count = inside.sum(axis=0)
    predicted, observed, share = p @ inside / count, y @ inside / count, count / len(p)
    drawn = [_ratio((w * y) @ inside, w @ inside) for w in patient_weights(patients, resamples=resamples, seed=seed)]
    low, high = _limits(np.concatenate(drawn)) if drawn else (np.full(len(count), np.nan),) * 2
    error = float(np.sum(share * np.abs(observed - predicted)))
    return Calibration(predicted, observed, share, low, high, error)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))


def _limits(drawn: Floats) -> tuple[Floats, Floats]:
    """Percentiles of each column of (R, b), NaN left out; NaN where that leaves less than half."""
    low, high = np.full((2, drawn.shape[1]), np.nan)
    for k, column in enumerate(drawn.T):
        defined = column[np.isfinite(column)]
        if 2 * len(defined) >= len(column):
            low[k], high[k] = np.percentile(defined, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return low, high
