"""Precision-recall curves of a study: the mean over folds that belongs to its average precision, with a band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.study_scores import Predictions
from harness.evaluation.unit_curves import GRID, RESAMPLES, band, mean_curve, units_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PrecisionRecall:
    """A precision-recall curve.

    Attributes:
        recall, precision: recall ascending, shape (m,).
        average_precision: the area under the steps; of several units the mean of theirs.
        prevalence: share of positives, which is the precision of a guess.
        low, high: 95 % band of the precision, shape (m,); None where there is none.
    """

    recall: Floats
    precision: Floats
    average_precision: float
    prevalence: float
    low: Floats | None = None
    high: Floats | None = None


def precision_recall(positive: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """Recall and precision at every threshold, from the highest on.

    Args:
        positive: true where positive, shape (n,).
        scores: larger means more positive, shape (n,).
        weights: of the slides, shape (n,).

    Returns:
        Recall, ascending to 1, and precision, shape (m,) for m different scores with a weight.

    Raises:
        ValueError: no positive has a weight.
    """
    y = np.asarray(positive).astype(bool)
    s = np.asarray(scores, dtype=np.float64)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, dtype=np.float64)
    y, s, w = y[w > 0], s[w > 0], w[w > 0]
    order = np.argsort(-s, kind="stable")
    last = np.r_[np.diff(s[order]) < 0, True][: len(s)]
    hits, called = np.cumsum(w[order] * y[order])[last], np.cumsum(w[order])[last]
    if not len(hits) or not hits[-1]:
        raise ValueError("a precision-recall curve needs a positive")
    return hits / hits[-1], hits / called


def average_precision(recall: Floats, precision: Floats) -> float:
    """Area under the steps: the precision at each threshold, by the recall that it adds; nothing is interpolated."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def study_precision_recall(
    data: Predictions, positive_class: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> PrecisionRecall | None:
    """Precision-recall curve of one class against the rest, averaged over units at equal recall.

    None where no unit has both classes.

    Args:
        data: test predictions.
        positive_class: the class that counts as positive.
        resamples: patient resamples for the band; 0 gives none.
        seed: of the resampling.
    """
    positive, scores = np.asarray(data.label) == positive_class, data.probabilities[:, positive_class]

    def both(rows: NDArray[np.intp], weights: Floats) -> bool:
        return bool((weights * positive[rows]).any() and (weights * ~positive[rows]).any())

    def on_grid(rows: NDArray[np.intp], weights: Floats) -> Floats | None:
        if not both(rows, weights):
            return None
        recall, precision = precision_recall(positive[rows], scores[rows], weights)
        return precision[np.minimum(np.searchsorted(recall, GRID - 1e-12), len(recall) - 1)]

    one, units = np.ones(len(positive)), units_of(data)
    mean = mean_curve(on_grid, units, one)
    if mean is None:
        return None
    defined = [rows for rows in units if both(rows, one[rows])]
    areas = [average_precision(*precision_recall(positive[rows], scores[rows])) for rows in defined]
    low, high = band(data, on_grid, resamples=resamples, seed=seed) or (None, None)
    prevalence = float(np.mean([positive[rows].mean() for rows in defined]))
    return PrecisionRecall(GRID, mean, float(np.mean(areas)), prevalence, low, high)
