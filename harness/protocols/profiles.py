"""What stays of a bag when its features are negated, permuted, scaled or normalised: how the values of each row, and of
each column, are distributed.

The standardised values of a row (mean 0, variance 1) are the same multiset whatever the order and the sign of the
columns, and whatever the row was multiplied by or shifted by: a bag that was negated, scaled as a whole or row by row
(L2, layer normalisation), or whose columns were permuted keeps all of them. Columns likewise do not change when every
column has an offset, factor and sign of its own: z-scores and min-max scaling, over the bag or over all bags, and
rows in another order. A multiset is summarised by six moments, so that rows and columns of any length can be compared
as the rows of a bag are (:mod:`harness.protocols.bag_rows`), in cells that are small: exact copies agree to several
digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PROFILE_CELL = 0.04
"""Side of a cell for profiles, see ``CELL`` in :mod:`harness.protocols.bag_rows`; what float16 rounds away is less."""

LEAST = 8
"""Distinct values that a row or column must have: of fewer (binary, one-hot, counts), little is left to tell it by."""

FOUND = 4
"""Rare rows or columns that two bags must share."""

_MOMENTS = 6
_ENOUGH = 64
"""Values of a row that are looked at to see how many are distinct."""
_BLOCK = 1 << 22
_FLAT = 1e-6


def row_profiles(bag: NDArray[Any]) -> NDArray[np.float64]:
    """Moments of the standardised values of each row.

    Args:
        bag: (n, D).

    Returns:
        (m, 6), of the rows with at least :data:`LEAST` distinct values.
    """
    if bag.shape[1] < LEAST or not len(bag):
        return np.empty((0, _MOMENTS))
    bag = bag[(np.diff(np.sort(bag[:, :_ENOUGH], axis=1), axis=1) != 0).sum(axis=1) >= LEAST - 1]
    if not len(bag):
        return np.empty((0, _MOMENTS))
    step = max(1, _BLOCK // bag.shape[1])
    return np.concatenate([_moments(bag[start : start + step]) for start in range(0, len(bag), step)])


def column_profiles(bag: NDArray[Any]) -> NDArray[np.float64]:
    """The same of each column, (m, 6)."""
    return row_profiles(bag.T)


def _moments(rows: NDArray[Any]) -> NDArray[np.float64]:
    """(m, k) to (m, 6): of the standardised values, none of which changes with their sign or order."""
    values = np.asarray(rows, np.float64)
    largest = np.abs(values).max(axis=1, keepdims=True)
    values = values / np.where(largest > 0, largest, 1.0)  # no square is too large or too small to be stored
    values = values - values.mean(axis=1, keepdims=True)
    spread = np.sqrt((values**2).mean(axis=1, keepdims=True))
    values = values / np.where(spread > _FLAT, spread, np.inf)  # a row of one value has no profile
    size, square = np.abs(values), values**2
    return np.stack(
        [
            np.sqrt(size).mean(axis=1),
            size.mean(axis=1),
            np.abs((square * values).mean(axis=1)),
            np.sqrt((square**2).mean(axis=1)),
            np.sqrt(np.abs((square**2 * values).mean(axis=1))),
            size.max(axis=1),
        ],
        axis=1,
    )
