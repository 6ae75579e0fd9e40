"""Scores of predicted numbers, all of them in a weighted form that takes many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.rows import Floats, Rows

REGRESSION_METRICS = ("r2", "mae", "pearson", "spearman")


@dataclass(frozen=True)
class RegressionPredictions(Rows):
    """Test predictions of the units of one study, one row per slide and unit.

    Attributes:
        target: the true number, shape (n,).
        predicted: the predicted one, shape (n,).
        slide: slide ids, shape (n,); only a paired comparison needs them.
    """

    metrics: ClassVar[tuple[str, ...]] = REGRESSION_METRICS
    truth: ClassVar[tuple[str, ...]] = ("target",)
    averaged: ClassVar[tuple[str, ...]] = ()
    target: Floats
    predicted: Floats
    slide: NDArray[Any] | None = None

    def run_scores(self, folds: list[NDArray[np.intp]], weights: Floats) -> dict[str, Floats]:
        """All scores of the pooled predictions: numbers of differently trained folds share a scale."""
        rows = np.concatenate(folds)
        y, p, w = self.target[rows], self.predicted[rows], weights[:, rows]
        return {
            "r2": r2(y, p, w),
            "mae": _over(w @ np.abs(y - p), w.sum(axis=1)),
            "pearson": pearson(y, p, w),
            "spearman": spearman(y, p, w),
        }

    def lacking(self, rows: NDArray[np.intp]) -> tuple[int, ...]:
        """Numbers have no classes."""
        return ()

    def correct(self) -> None:
        """A number is neither right nor wrong."""


def r2(target: ArrayLike, predicted: ArrayLike, weights: Floats) -> Floats:
    """Coefficient of determination, shape (R,): 1 - sum w (y - p)^2 / sum w (y - mean)^2; NaN for equal targets.

    Args:
        target: shape (n,).
        predicted: shape (n,).
        weights: how often each row is drawn, shape (R, n).
    """
    y, p = np.asarray(target, np.float64), np.asarray(predicted, np.float64)
    mean = _over(weights @ y, weights.sum(axis=1))
    spread = (weights * (y - mean[:, None]) ** 2).sum(axis=1)
    return np.asarray(1 - _over(weights @ (y - p) ** 2, spread))


def pearson(first: ArrayLike, second: ArrayLike, weights: Floats) -> Floats:
    """Pearson's correlation, shape (R,); NaN where one of the two does not vary. Columns may differ by resample.

    Args:
        first, second: shape (n,) or (R, n).
        weights: shape (R, n).
    """
    centred = []
    for values in (first, second):
        x = np.broadcast_to(np.asarray(values, np.float64), weights.shape)
        centred.append(x - _over((weights * x).sum(axis=1), weights.sum(axis=1))[:, None])
    a, b = centred
    scale = np.sqrt((weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1))
    return _over((weights * a * b).sum(axis=1), scale)


def spearman(first: ArrayLike, second: ArrayLike, weights: Floats) -> Floats:
    """Spearman's rank correlation, shape (R,): Pearson's of the ranks in each resample, ties at their mean rank."""
    return pearson(_ranks(first, weights), _ranks(second, weights), weights)


def _ranks(values: ArrayLike, weights: Floats) -> Floats:
    """Mean ranks where each value stands as often as its weight says, shape (R, n)."""
    x = np.asarray(values, np.float64)
    _, group = np.unique(x, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group.ravel()[order]) > 0])
    size = np.add.reduceat(weights[:, order], starts, axis=1)
    below = np.cumsum(size, axis=1) - size
    return np.asarray((below + (size + 1) / 2)[:, group.ravel()])


def _over(top: Floats, bottom: Floats) -> Floats:
    """``top / bottom``, NaN where ``bottom`` is zero."""
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 1e-300))
