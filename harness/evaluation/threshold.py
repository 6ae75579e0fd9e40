"""The decision threshold, chosen on validation predictions, and the class that follows from it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEUTRAL = 0.5


def choose_threshold(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """The threshold with the best balanced accuracy, which is that of the largest Youden index (Cancer 1950; 3:32).

    A slide is called positive when its probability of class 1 is at least the threshold. Balanced accuracy only
    changes at the probabilities that occur, so each stretch between two of them is one candidate: 0.5 if the stretch
    holds it, else its middle. Of equally good candidates the nearest to 0.5 is taken (the lower one of two at the
    same distance). With one class only there is nothing to choose and the threshold is 0.5.

    Args:
        labels: 0 or 1, shape (n,).
        probabilities: of class 1, shape (n,).
    """
    positive = np.asarray(labels).astype(bool)
    p = np.asarray(probabilities, dtype=np.float64)
    if not positive.any() or positive.all():
        return NEUTRAL
    values = np.unique(p)
    # A threshold in stretch k, (edges[k], edges[k + 1]], calls what lies above edges[k] positive.
    edges = np.r_[min(0.0, values[0]), values, max(1.0, np.nextafter(values[-1], np.inf))]
    firsts = np.r_[values, np.inf]
    missed = np.searchsorted(np.sort(p[positive]), firsts) / positive.sum()
    spared = np.searchsorted(np.sort(p[~positive]), firsts) / (~positive).sum()
    balanced = (1 - missed + spared) / 2
    candidates = np.array([_inside(low, high) for low, high in pairwise(edges)])
    best = candidates[balanced >= balanced.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - NEUTRAL))])


def predicted_classes(probabilities: ArrayLike, threshold: float | None) -> NDArray[np.intp]:
    """Predicted classes, shape (n,).

    Args:
        probabilities: shape (n, C).
        threshold: on the probability of class 1 where C is 2; None takes the most probable class (the first of
            equals).
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if threshold is None:
        return np.asarray(p.argmax(axis=1), dtype=np.intp)
    if p.shape[1] != 2:
        raise ValueError(f"a threshold decides between two classes, not {p.shape[1]}")
    return np.asarray(p[:, 1] >= threshold, dtype=np.intp)


def _inside(low: float, high: float) -> float:
    """A threshold in (low, high]: 0.5 if it is there, else the middle."""
    if low < NEUTRAL <= high:
        return NEUTRAL
    middle = (low + high) / 2
    return middle if low < middle else high
