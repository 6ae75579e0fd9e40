"""The AUC of many methods in many resamples of patients, from counts alone.

Slides are sorted once. In a resample, what the negatives below a positive weigh is an entry of the cumulative sum of
counts; whole numbers of 32 bits hold it exactly. No weight per slide and resample is ever stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation.bootstrap import RESAMPLES, Draws

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Sorted:
    """The slides of a method in the order of its scores.

    Attributes:
        positives, negatives: column of the patient of each slide.
        below: for each positive, the number of negatives with a smaller score; ``tied`` counts equal ones too, None
            where there are none.
    """

    positives: NDArray[np.intp]
    negatives: NDArray[np.intp]
    below: NDArray[np.intp]
    tied: NDArray[np.intp] | None

    @classmethod
    def of(cls, positive: NDArray[np.bool_], scores: Floats, column: NDArray[np.intp]) -> _Sorted:
        sides = np.flatnonzero(positive), np.flatnonzero(~positive)
        ours, theirs = (side[np.argsort(scores[side], kind="stable")] for side in sides)
        below = np.searchsorted(scores[theirs], scores[ours], side="left")
        tied = np.searchsorted(scores[theirs], scores[ours], side="right")
        return cls(column[ours], column[theirs], below, tied if (tied > below).any() else None)

    def auc(self, counts: NDArray[np.int32]) -> Floats:
        """Under counts of shape (r, patients), shape (r,)."""
        ours = np.take(counts, self.positives, axis=1)
        sums = np.zeros((len(counts), len(self.negatives) + 1), np.int32)
        np.cumsum(np.take(counts, self.negatives, axis=1), axis=1, out=sums[:, 1:], dtype=np.int32)
        won = _dot(ours, np.take(sums, self.below, axis=1))
        if self.tied is not None:
            won = (won + _dot(ours, np.take(sums, self.tied, axis=1))) / 2
        pairs = ours.sum(axis=1, dtype=np.float64) * sums[:, -1]
        return np.asarray(np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0))


def auc_draws(
    labels: ArrayLike,
    scores: ArrayLike,
    patients: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    stratified: bool = True,
) -> Floats:
    """AUCs in resamples of patients that are the same for all methods, shape (k, resamples); NaN without both classes.

    They are the values of :func:`harness.evaluation.bootstrap.draws` with :func:`harness.evaluation.metrics.roc_auc`.

    Args:
        labels: true where positive, shape (n,).
        scores: larger means more positive, shape (k, n), or (n,) for one method.
        patients: patient of each slide, shape (n,).
        resamples: how many to draw.
        seed: of the draws.
        stratified: draw among patients whose slides have the same classes.
    """
    positive = np.asarray(labels).astype(bool)
    s = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    out = np.full((len(s), resamples), np.nan)
    if positive.all() or not positive.any():
        return out
    how = Draws.of(patients, positive if stratified else None)
    methods = [_Sorted.of(positive, one, how.column) for one in s]
    done = 0
    for counts in how.counts(resamples=resamples, seed=seed):
        for k, method in enumerate(methods):
            out[k, done : done + len(counts)] = method.auc(counts)
        done += len(counts)
    return out


def _dot(counts: NDArray[np.int32], below: NDArray[np.int32]) -> Floats:
    """Row by row sums of products, exact: each product is below 2^53."""
    return np.asarray(np.einsum("rp,rp->r", counts, below, dtype=np.float64, casting="safe"))
