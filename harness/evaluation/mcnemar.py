"""McNemar's test: whether two methods are right equally often, from the slides on which only one of them is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

EXACT_UP_TO = 100
"""Sum of the patients' differences up to which the p-value is exact."""


@dataclass(frozen=True)
class McNemar:
    """The test of two methods on the same slides.

    Attributes:
        first_only, second_only: slides that only the first, and only the second, gets right.
        difference: of the accuracies, first minus second.
        p_value: two-sided; 1 where the two never disagree.
        exact: whether it is exact or the normal approximation.
    """

    first_only: int
    second_only: int
    difference: float
    p_value: float
    exact: bool


def mcnemar(first: ArrayLike, second: ArrayLike, patients: ArrayLike | None = None) -> McNemar:
    """Test whether two methods are right equally often (McNemar, Psychometrika 1947;12:153).

    If they are, each slide on which they disagree is as likely to favour either one. Slides of a patient go together:
    it is the patient's difference, the slides that only the first gets right minus those that only the second does,
    that has either sign with equal chance. The p-value is exact, by the distribution of the sum of the patients'
    differences under all signs, or the normal approximation beyond :data:`EXACT_UP_TO` of them. With one slide per
    patient that is the exact binomial test and, beyond, McNemar's chi-squared without correction for continuity.

    Args:
        first, second: whether each method is right, shape (n,).
        patients: patient of each slide, shape (n,); None for one slide each.
    """
    a, b = np.asarray(first).astype(bool), np.asarray(second).astype(bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"McNemar's test pairs the same slides, at least one: got shapes {a.shape} and {b.shape}")
    each = a.astype(np.int64) - b.astype(np.int64)
    if patients is not None:
        names, index = np.unique(np.asarray(patients), return_inverse=True)
        summed = np.bincount(index, each, minlength=len(names)).astype(np.int64)
    else:
        summed = each
    sizes, total = np.abs(summed[summed != 0]), abs(int(summed.sum()))
    exact = int(sizes.sum()) <= EXACT_UP_TO
    p_value = _exact(sizes, total) if exact else float(2 * ndtr(-total / np.sqrt((sizes**2).sum())))
    return McNemar(int((each > 0).sum()), int((each < 0).sum()), float(each.mean()), min(1.0, p_value), exact)


def _exact(sizes: NDArray[np.int64], total: int) -> float:
    """Chance that the sum of ``sizes`` under random signs is at least ``total`` away from zero."""
    reach = int(sizes.sum())
    chances = np.zeros(2 * reach + 1)
    chances[reach] = 1.0
    for size in sizes:
        chances = (np.roll(chances, size) + np.roll(chances, -size)) / 2
    away = np.abs(np.arange(-reach, reach + 1))
    return float(chances[away >= total].sum())
