"""Corrections of p-values for a family of tests.

Holm's keeps the chance of any false finding below the level, whatever the dependence: for claims about single pairs.
Benjamini and Hochberg's keeps the expected share of false ones among the findings below it: for screening many.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def holm(p_values: ArrayLike) -> Floats:
    """p-values corrected for their number so that one false finding among all has the level's chance (Holm 1979).

    The smallest is multiplied by their number m, the next by m - 1 and so on; none is smaller than one before it. NaN
    counts as a test without a finding: 1.

    Args:
        p_values: of the family, shape (m,).
    """
    p = _known(p_values)
    order = np.argsort(p, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    corrected = np.empty(len(p))
    corrected[order] = stepped
    return corrected


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """p-values corrected so that at most the level's share of the findings is false (Benjamini and Hochberg 1995).

    The k-th smallest of m is multiplied by m / k; none is larger than one after it. It holds for independent tests and
    for positively dependent ones. NaN counts as a test without a finding: 1.

    Args:
        p_values: of the family, shape (m,).
    """
    from scipy.stats import false_discovery_control

    p = _known(p_values)
    return np.asarray(false_discovery_control(p, method="bh")) if len(p) else p


def _known(p_values: ArrayLike) -> Floats:
    return np.nan_to_num(np.asarray(p_values, dtype=np.float64), nan=1.0)
