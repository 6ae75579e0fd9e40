"""Further scores of classification in weighted form, as in :mod:`harness.evaluation.metrics`: (R, n) weights, R values.

Brier score, calibration error, average precision, sensitivity at a specificity, net benefit, and agreement on grades.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.metrics import confusion

Floats = NDArray[np.float64]
BINS = 10
_ROUNDING = 1e-12
"""Of shares that are compared with a limit."""


def brier(labels: ArrayLike, probabilities: ArrayLike, weights: Floats) -> Floats:
    """Brier score, shape (R,): the mean squared error of the probability (Brier, Monthly Weather Review 1950;78:1).

    With two classes that of the second; beyond, the squared errors are summed over the classes, as in the paper.

    Args:
        labels: true classes, shape (n,).
        probabilities: shape (n, C).
        weights: shape (R, n).
    """
    y, p = np.asarray(labels, np.intp), np.asarray(probabilities, np.float64)
    wrong = (p - np.eye(p.shape[1])[y]) ** 2
    return _ratio(weights @ (wrong[:, 1] if p.shape[1] == 2 else wrong.sum(axis=1)), weights.sum(axis=1))


def events(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """What is calibrated, (n,) each: probabilities, and whether the event came true.

    With two classes the event is the second one. With more, it is that the most probable class is the true one.
    """
    y, p = np.asarray(labels), np.asarray(probabilities, np.float64)
    return (p[:, 1], y == 1) if p.shape[1] == 2 else (p.max(axis=1), p.argmax(axis=1) == y)


def equal_mass_bins(probability: ArrayLike, bins: int = BINS) -> NDArray[np.intp]:
    """Bin of each probability, shape (n,): as nearly as possible equally many in each, and equal ones together."""
    p = np.asarray(probability, np.float64)
    edges = np.quantile(p, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.asarray(np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)[1], np.intp)


def calibration_error(probability: ArrayLike, event: ArrayLike, weights: Floats, *, bins: int = BINS) -> Floats:
    """Expected calibration error over bins of equal mass, shape (R,).

    The mean over bins of |share of events that came true - mean probability|, weighted by their size: equation 3 of Guo
    et al. 2017 (arXiv 1706.04599) with the bins of Nguyen and O'Connor 2015 (arXiv 1508.05154), which are never nearly
    empty. It is above 0 by chance even for true probabilities, the more so the fewer the slides.

    Args:
        probability: of each event, shape (n,).
        event: whether it came true, shape (n,).
        weights: shape (R, n). The bins are those of all n.
        bins: how many.
    """
    p, y = np.asarray(probability, np.float64), np.asarray(event).astype(np.float64)
    number = equal_mass_bins(p, bins)
    inside = (number[:, None] == np.arange(number.max() + 1)).astype(np.float64)
    off = (weights * (y - p)) @ inside
    return _ratio(np.abs(off).sum(axis=1), weights.sum(axis=1))


def average_precision(positive: ArrayLike, scores: ArrayLike, weights: Floats) -> Floats:
    """Average precision, shape (R,): the precision at each threshold, by the recall that it adds.

    NaN without a positive.

    Args:
        positive: true where positive, shape (n,).
        scores: larger means more positive, shape (n,).
        weights: shape (R, n).
    """
    hits, alarms = _called(positive, scores, weights)
    called = hits + alarms
    precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
    return _ratio((np.diff(hits, axis=1, prepend=0.0) * precision).sum(axis=1), hits[:, -1])


def sensitivity_at(positive: ArrayLike, scores: ArrayLike, weights: Floats, *, specificity: float) -> Floats:
    """The largest sensitivity of a threshold with at least this specificity, shape (R,); NaN without both classes.

    Nothing is interpolated: it is reached by a threshold. A threshold above all scores has sensitivity 0.

    Args:
        positive: true where positive, shape (n,).
        scores: larger means more positive, shape (n,).
        weights: shape (R, n).
        specificity: between 0 and 1.
    """
    hits, alarms = _called(positive, scores, weights)
    total = alarms[:, -1:]
    allowed = alarms <= (1 - specificity + _ROUNDING) * total
    best = np.where(allowed, hits, 0.0).max(axis=1)
    return np.where(total[:, 0] > 0, _ratio(best, hits[:, -1]), np.nan)


def net_benefit(positive: ArrayLike, probability: ArrayLike, thresholds: ArrayLike, weights: Floats) -> Floats:
    """Net benefit of treating whoever has at least the threshold's probability, shape (R, t): a decision curve.

    True positives minus false positives times threshold / (1 - threshold), per slide (Vickers and Elkin, Medical
    Decision Making 2006;26:565). Treating all has that of probabilities of one; treating nobody has 0.

    Args:
        positive: shape (n,).
        probability: of being positive, shape (n,).
        thresholds: each at least 0 and below 1, shape (t,).
        weights: shape (R, n).

    Raises:
        ValueError: a threshold is outside.
    """
    y, p = np.asarray(positive).astype(bool), np.asarray(probability, np.float64)
    t = np.atleast_1d(np.asarray(thresholds, np.float64))
    if not ((t >= 0) & (t < 1)).all():
        raise ValueError("thresholds of a decision curve are at least 0 and below 1")
    treated = p[:, None] >= t
    hits, alarms = weights @ (treated & y[:, None]), weights @ (treated & ~y[:, None])
    return _ratio(hits - alarms * (t / (1 - t)), weights.sum(axis=1)[:, None])


def quadratic_kappa(labels: ArrayLike, predicted: ArrayLike, n_classes: int, weights: Floats) -> Floats:
    """Cohen's kappa with quadratic weights, shape (R,), for classes in an order, such as grades.

    One minus the squared distance of prediction and truth over that expected by chance (Cohen, Psychological Bulletin
    1968;70:213). NaN where chance alone gives no distance.

    Args:
        labels, predicted: classes 0..C-1, shape (n,).
        n_classes: C.
        weights: shape (R, n).
    """
    matrices = confusion(labels, predicted, n_classes, weights)
    grade = np.arange(n_classes)
    apart = (grade[:, None] - grade) ** 2.0
    seen = (matrices * apart).sum(axis=(1, 2)) * matrices.sum(axis=(1, 2))
    expected = np.einsum("ri,rj,ij->r", matrices.sum(axis=2), matrices.sum(axis=1), apart)
    return 1 - _ratio(seen, expected)


def _called(positive: ArrayLike, scores: ArrayLike, weights: Floats) -> tuple[Floats, Floats]:
    """Weight of the positives and the negatives at or above each of the m different scores, highest first, (R, m)."""
    y, s = np.asarray(positive).astype(bool), np.asarray(scores, np.float64)
    order = np.argsort(-s, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(s[order]) < 0, True])
    w = weights[:, order]
    return np.cumsum(w * y[order], axis=1)[:, last], np.cumsum(w * ~y[order], axis=1)[:, last]


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """``top / bottom``, NaN where ``bottom`` is zero."""
    shape = np.broadcast(top, bottom).shape
    return np.asarray(np.divide(top, bottom, out=np.full(shape, np.nan), where=bottom > 0))
