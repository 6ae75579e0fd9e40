"""ROC curves of a study: the mean over folds that belongs to its AUC, with a band over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.bootstrap import LEVEL, patient_weights
from harness.evaluation.study_scores import Predictions

Floats = NDArray[np.float64]
_GRID = 201
_RESAMPLES = 200
"""Enough for the eye; the interval of the AUC itself comes from the full bootstrap."""


@dataclass(frozen=True)
class Roc:
    """A ROC curve.

    Attributes:
        fpr, tpr: false and true positive rate, ascending, shape (m,).
        low, high: 95 % band of the true positive rate, shape (m,); None where there is none.
    """

    fpr: Floats
    tpr: Floats
    low: Floats | None = None
    high: Floats | None = None


def roc_curve(positive: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> tuple[Floats, Floats]:
    """False and true positive rate at every threshold, from (0, 0) to (1, 1).

    Args:
        positive: true where positive, shape (n,).
        scores: larger means more positive, shape (n,).
        weights: of the slides, shape (n,).

    Raises:
        ValueError: one of the two classes has no weight.
    """
    y = np.asarray(positive).astype(bool)
    s = np.asarray(scores, dtype=np.float64)
    w = np.ones(len(s)) if weights is None else np.asarray(weights, dtype=np.float64)
    order = np.argsort(-s, kind="stable")
    last = np.r_[np.diff(s[order]) < 0, True]
    hits = np.cumsum(w[order] * y[order])[last]
    alarms = np.cumsum(w[order] * ~y[order])[last]
    if not hits[-1] or not alarms[-1]:
        raise ValueError("a ROC curve needs both classes")
    return np.r_[0.0, alarms / alarms[-1]], np.r_[0.0, hits / hits[-1]]


def study_roc(data: Predictions, positive_class: int, *, resamples: int = _RESAMPLES, seed: int = 0) -> Roc | None:
    """ROC curve of one class against the rest, averaged over units at equal false positive rate.

    A single unit keeps its steps; the average of several is drawn on a fixed grid. The area under it is the mean of
    the units' areas (up to the grid). None where no unit has both classes.

    Args:
        data: test predictions.
        positive_class: the class that counts as positive.
        resamples: patient resamples for the band; 0 gives none.
        seed: of the resampling.
    """
    units = [rows for folds in data.runs() for rows in folds]
    positive = np.asarray(data.label) == positive_class
    scores = data.probabilities[:, positive_class]
    one = np.ones(len(positive))
    grid = np.linspace(0.0, 1.0, _GRID)
    if len(units) == 1:
        if positive.all() or not positive.any():
            return None
        fpr, tpr = roc_curve(positive, scores)
    else:
        mean = _mean_curve(positive, scores, units, one, grid)
        if mean is None:
            return None
        fpr, tpr = np.r_[0.0, grid], np.r_[0.0, mean]
    if not resamples or len(np.unique(data.patient)) < 2:
        return Roc(fpr, tpr)
    blocks = patient_weights(data.patient, resamples=resamples, seed=seed)
    curves = [_mean_curve(positive, scores, units, w, grid) for block in blocks for w in block]
    drawn = np.stack([curve for curve in curves if curve is not None])
    low, high = np.percentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    return Roc(fpr, tpr, np.interp(fpr, grid, low), np.interp(fpr, grid, high))


def _mean_curve(
    positive: NDArray[np.bool_], scores: Floats, units: list[NDArray[np.intp]], weights: Floats, grid: Floats
) -> Floats | None:
    """True positive rate on ``grid``, averaged over the units that hold both classes; None if none does."""
    curves = []
    for rows in units:
        w = weights[rows]
        if (w * positive[rows]).any() and (w * ~positive[rows]).any():
            curves.append(_on_grid(*roc_curve(positive[rows], scores[rows], w), grid))
    return np.mean(curves, axis=0) if curves else None


def _on_grid(fpr: Floats, tpr: Floats, grid: Floats) -> Floats:
    """The curve at the grid's false positive rates; at a vertical step its upper end."""
    left = np.searchsorted(fpr, grid, side="right") - 1
    right = np.minimum(left + 1, len(fpr) - 1)
    run = fpr[right] - fpr[left]
    share = np.divide(grid - fpr[left], run, out=np.zeros(len(grid)), where=run > 0)
    return np.asarray(tpr[left] + share * (tpr[right] - tpr[left]))
