"""Scores of slide predictions, all of them in a weighted form that takes many resamples at once.

Weights count how often a slide is drawn. ``weights`` of shape (R, n) gives R scores; without weights each slide
counts once and the result is a number. A score that needs something the slides do not offer (an AUC with one class
only, the sensitivity without a positive) is NaN, never a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

METRICS = ("auc", "accuracy", "balanced_accuracy", "f1", "sensitivity", "specificity", "log_loss")
"""Names of all scores, in the order in which they are shown."""

LOWER_IS_BETTER = frozenset({"log_loss"})
"""Scores of which a smaller value is better."""

_SMALLEST = float(np.finfo(np.float64).eps)
_CACHED = 1 << 16
"""Weights that are worked on at once: what a processor's cache holds."""


def score(labels: ArrayLike, probabilities: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """All scores of some predictions.

    Args:
        labels: true classes, integers in 0..C-1, shape (n,).
        probabilities: class probabilities, shape (n, C).
        predicted: predicted classes, shape (n,).

    Returns:
        A value for each name in :data:`METRICS`; NaN where the score is undefined.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    values = {
        "auc": macro_auc(labels, p),
        **confusion_scores(confusion(labels, predicted, p.shape[1])),
        "log_loss": log_loss(labels, p),
    }
    return {name: float(values[name][0]) for name in METRICS}


def roc_auc(labels: ArrayLike, scores: ArrayLike, weights: Floats | None = None) -> Floats:
    """Area under the ROC curve of a binary problem, shape (R,); ties count one half.

    It is the probability that a positive is scored above a negative (Hanley and McNeil 1982,
    doi:10.1148/radiology.143.1.7063747), computed in O(R n) after one sort, from cumulative sums of weights.

    Args:
        labels: true where positive, shape (n,).
        scores: larger means more positive, shape (n,).
        weights: shape (R, n), or None for weight one (R = 1).
    """
    positive = np.asarray(labels).astype(bool)
    s = np.asarray(scores, dtype=np.float64)
    w = _weights(weights, len(s))
    if not positive.any() or positive.all():
        return np.full(len(w), np.nan)
    negatives = np.flatnonzero(~positive)[np.argsort(s[~positive], kind="stable")]
    positives = np.flatnonzero(positive)[np.argsort(s[positive], kind="stable")]
    below = np.searchsorted(s[negatives], s[positives], side="left")
    tied = np.searchsorted(s[negatives], s[positives], side="right")
    won, pairs = np.empty(len(w)), np.empty(len(w))
    rows = max(1, _CACHED // len(s))
    for start in range(0, len(w), rows):
        part = w[start : start + rows]
        pos = np.take(part, positives, axis=1)
        sums = np.zeros((len(part), len(negatives) + 1))
        np.cumsum(np.take(part, negatives, axis=1), axis=1, out=sums[:, 1:])
        beaten = np.take(sums, below, axis=1)
        if (tied > below).any():
            beaten = (beaten + np.take(sums, tied, axis=1)) / 2
        won[start : start + rows] = np.einsum("rp,rp->r", pos, beaten)
        pairs[start : start + rows] = pos.sum(axis=1) * sums[:, -1]
    return _ratio(won, pairs)


def macro_auc(labels: ArrayLike, probabilities: ArrayLike, weights: Floats | None = None) -> Floats:
    """AUC of class 1 with two classes, else the mean of the one-versus-rest AUCs, shape (R,).

    The mean is undefined when a class is absent: averages over different classes do not compare.
    """
    y = np.asarray(labels)
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape[1] == 2:
        return roc_auc(y == 1, p[:, 1], weights)
    areas: Floats = np.stack([roc_auc(y == k, p[:, k], weights) for k in range(p.shape[1])])
    return np.asarray(areas.mean(axis=0))


def log_loss(labels: ArrayLike, probabilities: ArrayLike, weights: Floats | None = None) -> Floats:
    """Mean negative log-probability of the true class (natural logarithm), shape (R,)."""
    y = np.asarray(labels, dtype=np.intp)
    p = np.asarray(probabilities, dtype=np.float64)
    w = _weights(weights, len(y))
    loss = -np.log(np.clip(p[np.arange(len(y)), y], _SMALLEST, 1.0))
    return _ratio(w @ loss, w.sum(axis=1))


def confusion(labels: ArrayLike, predicted: ArrayLike, n_classes: int, weights: Floats | None = None) -> Floats:
    """Confusion matrices, shape (R, C, C): [r, i, j] is the weight of class i predicted as class j."""
    y = np.asarray(labels, dtype=np.intp)
    cell = y * n_classes + np.asarray(predicted, dtype=np.intp)
    one_hot: Floats = np.zeros((len(y), n_classes**2))
    one_hot[np.arange(len(y)), cell] = 1.0
    w = _weights(weights, len(y))
    return np.asarray((w @ one_hot).reshape(len(w), n_classes, n_classes))


def confusion_scores(matrices: Floats) -> dict[str, Floats]:
    """Scores that follow from confusion matrices of shape (R, C, C).

    With two classes, F1, sensitivity and specificity are those of class 1. Beyond two they are the mean over the
    classes, each against the rest; so sensitivity then equals balanced accuracy.
    """
    total = matrices.sum(axis=(1, 2))
    true = matrices.sum(axis=2)
    called = matrices.sum(axis=1)
    hit = np.diagonal(matrices, axis1=1, axis2=2)
    recall = _ratio(hit, true)
    specificity = _ratio(total[:, None] - true - called + hit, total[:, None] - true)
    f1 = _ratio(2 * hit, true + called)
    chosen: Any = (slice(None), slice(1, 2) if matrices.shape[1] == 2 else slice(None))
    return {
        "accuracy": _ratio(hit.sum(axis=1), total),
        "balanced_accuracy": recall.mean(axis=1),
        "f1": f1[chosen].mean(axis=1),
        "sensitivity": recall[chosen].mean(axis=1),
        "specificity": specificity[chosen].mean(axis=1),
    }


def _weights(weights: Floats | None, n: int) -> Floats:
    return np.ones((1, n)) if weights is None else weights


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """``top / bottom``, NaN where ``bottom`` is zero."""
    empty = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=empty, where=bottom > 0))
