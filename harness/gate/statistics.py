"""Whether runs of tonight belong to the runs of a band: pure functions of numbers, NumPy and SciPy alone.

Every comparison is a t-test of the mean of m new values against n old ones with the spread of the old ones, the test
behind a prediction interval (Hahn and Meeker, Statistical Intervals, 1991, chapter 4)::

    t = (mean(new) - mean(old)) / (s(old) * sqrt(1/m + 1/n)),        n - 1 degrees of freedom

One seed of every reference is run first; a measure is *suspicious* where its p-value is below :data:`SCREEN`. What is
suspicious is run again with fresh, independent seeds. The second seed has to *confirm*: to deviate to the same side
with a p-value below that of :data:`LOOKS`. So have the means of two and of four fresh seeds; the rest is cleared. Of
what is left, :data:`FRESH` fresh seeds decide: red is what is significant by Holm's procedure over *all* measures of
the night, those that were cleared with p = 1. The first seed has no part in that test, since it raised the suspicion.

The chance of any false red in a night is at most :data:`LEVEL`. Had the fresh seeds of every reference been run, Holm's
procedure on their p-values would keep that level, however measures of a run depend on each other. Clearing a measure
only raises its p-value to 1, and Holm's procedure rejects no more when p-values rise.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

Floats = NDArray[np.float64]
Side = Literal["either", "above"]
"""Which deviations count: of a score both, since a leak looks like a better method; of a cost only more of it."""

SCREEN = 0.3
LOOKS = {1: 0.3, 2: 0.1, 4: 0.02}
"""Number of fresh seeds → the p-value that their mean has to stay below."""
FRESH = 10
LEVEL = 0.001
"""Chance of a false red in a night over all scores; the costs have as much of their own."""


def t_values(band: Floats, values: Floats, *, least_spread: ArrayLike = 0.0) -> Floats:
    """How far new means are from those of bands, in standard errors.

    Args:
        band: shape (..., n), the values of the band.
        values: shape (..., m), the new values.
        least_spread: a spread below which a band's is not believed, such as the resolution of the score.

    Returns:
        Shape (...).
    """
    n, m = band.shape[-1], values.shape[-1]
    spread = np.maximum(band.std(axis=-1, ddof=1), least_spread)
    off = deviation(band, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = off / (spread * np.sqrt(1 / m + 1 / n))
    return np.asarray(np.where(off == 0, 0.0, t), dtype=np.float64)


def deviation(band: Floats, values: Floats) -> Floats:
    """Mean of the new values less that of the band's, shape (...); see :func:`t_values`."""
    return np.asarray(values.mean(axis=-1) - band.mean(axis=-1), dtype=np.float64)


def p_values(band: Floats, values: Floats, *, side: Side = "either", least_spread: ArrayLike = 0.0) -> Floats:
    """How likely a deviation of this size is by the seeds alone, shape (...); see :func:`t_values`."""
    t = t_values(band, values, least_spread=least_spread)
    freedom = band.shape[-1] - 1
    p = 2 * stdtr(freedom, -np.abs(t)) if side == "either" else stdtr(freedom, -t)
    return np.asarray(p, dtype=np.float64)


def suspected(
    band: Floats,
    first: Floats,
    fresh: Floats,
    *,
    side: Side = "either",
    least_spread: ArrayLike = 0.0,
    least: ArrayLike = 0.0,
) -> NDArray[np.bool_]:
    """Whether what has been run so far keeps up the suspicion.

    Args:
        band: shape (..., n).
        first: the value of the first seed, shape (...).
        fresh: the values of the fresh seeds, shape (..., m) with m in :data:`LOOKS`, 0 or :data:`FRESH`.
        side: which deviations count.
        least_spread: see :func:`t_values`.
        least: a deviation that is no harm, however certain it is.

    Returns:
        Shape (...).
    """
    alone = first[..., None]
    values, limit = (alone, SCREEN) if fresh.shape[-1] == 0 else (fresh, LOOKS.get(fresh.shape[-1], 1.0))
    off = deviation(band, values)
    same_side = np.sign(off) == np.sign(deviation(band, alone))
    p = p_values(band, values, side=side, least_spread=least_spread)
    return np.asarray((p < limit) & same_side & (np.abs(off) > least), dtype=np.bool_)


def holm(p: ArrayLike) -> Floats:
    """p-values corrected for their number, shape (..., k) (Holm, Scand. J. Statist. 6, 1979)."""
    found = np.asarray(p, dtype=np.float64)
    order = np.argsort(found, axis=-1)
    k = found.shape[-1]
    raised = np.take_along_axis(found, order, axis=-1) * np.arange(k, 0, -1)
    corrected = np.minimum(np.maximum.accumulate(raised, axis=-1), 1.0)
    back = np.empty_like(found)
    np.put_along_axis(back, order, corrected, axis=-1)
    return back
