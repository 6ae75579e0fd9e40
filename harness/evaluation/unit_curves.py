"""Curves of a study: the mean over its units at equal places of the horizontal axis, with a band over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.bootstrap import LEVEL, patient_weights
from harness.evaluation.rows import Rows

Floats = NDArray[np.float64]
Curve = Callable[[NDArray[np.intp], Floats], "Floats | None"]
"""Rows of a unit, and the weight of each → heights on a grid; None where it is undefined."""

GRID: Floats = np.linspace(0.0, 1.0, 201)
"""Where curves over a rate are averaged."""
RESAMPLES = 200
"""Enough for the eye; intervals of scores come from the full bootstrap."""


def units_of(data: Rows) -> list[NDArray[np.intp]]:
    """Row numbers of each unit."""
    return [rows for folds in data.runs() for rows in folds]


def mean_curve(curve: Curve, units: Sequence[NDArray[np.intp]], weights: Floats) -> Floats | None:
    """Mean over the units in which the curve is defined; None if there is none.

    Args:
        curve: of one unit.
        units: row numbers of each.
        weights: of all rows, shape (n,).
    """
    found = [one for rows in units if (one := curve(rows, weights[rows])) is not None]
    return np.mean(found, axis=0) if found else None


def band(data: Rows, curve: Curve, *, resamples: int = RESAMPLES, seed: int = 0) -> tuple[Floats, Floats] | None:
    """95 % band of the mean curve over patients; None with fewer than two patients, or without resamples.

    Args:
        data: test predictions.
        curve: of one unit.
        resamples: patient resamples.
        seed: of the resampling.
    """
    if not resamples or len(np.unique(data.patient)) < 2:
        return None
    units = units_of(data)
    blocks = patient_weights(data.patient, resamples=resamples, seed=seed, strata=data.strata())
    drawn = [one for block in blocks for w in block if (one := mean_curve(curve, units, w)) is not None]
    if not drawn:
        return None
    low, high = np.percentile(np.stack(drawn), [50 * (1 - LEVEL), 50 * (1 + LEVEL)], axis=0)
    return low, high
