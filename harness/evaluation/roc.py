"""ROC curves of a study: the mean over folds that belongs to its AUC, with a band over patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.study_scores import Predictions
from harness.evaluation.unit_curves import GRID, RESAMPLES, band, mean_curve, units_of

Floats = NDArray[np.float64]


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
    # Not scikit-learn's: a band draws some hundred curves, and its checks of the input take most of the time.
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


def study_roc(data: Predictions, positive_class: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Roc | None:
    """ROC curve of one class against the rest, averaged over units at equal false positive rate.

    A single unit keeps its steps; the average of several is drawn on a fixed grid. The area under it is the mean of
    the units' areas (up to the grid). None where no unit has both classes.

    Args:
        data: test predictions.
        positive_class: the class that counts as positive.
        resamples: patient resamples for the band; 0 gives none.
        seed: of the resampling.
    """
    units = units_of(data)
    positive = np.asarray(data.label) == positive_class
    scores = data.probabilities[:, positive_class]

    def on_grid(rows: NDArray[np.intp], weights: Floats) -> Floats | None:
        if not ((weights * positive[rows]).any() and (weights * ~positive[rows]).any()):
            return None
        return _on_grid(*roc_curve(positive[rows], scores[rows], weights), GRID)

    if len(units) == 1:
        if positive.all() or not positive.any():
            return None
        fpr, tpr = roc_curve(positive, scores)
    else:
        mean = mean_curve(on_grid, units, np.ones(len(positive)))
        if mean is None:
            return None
        fpr, tpr = np.r_[0.0, GRID], np.r_[0.0, mean]
    limits = band(data, on_grid, resamples=resamples, seed=seed)
    return Roc(fpr, tpr, *(np.interp(fpr, GRID, one) for one in limits or ()))


def _on_grid(fpr: Floats, tpr: Floats, grid: Floats) -> Floats:
    """The curve at the grid's false positive rates; at a vertical step its upper end."""
    left = np.searchsorted(fpr, grid, side="right") - 1
    right = np.minimum(left + 1, len(fpr) - 1)
    run = fpr[right] - fpr[left]
    share = np.divide(grid - fpr[left], run, out=np.zeros(len(grid)), where=run > 0)
    return np.asarray(tpr[left] + share * (tpr[right] - tpr[left]))
