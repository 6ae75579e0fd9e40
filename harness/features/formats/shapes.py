"""Arrays as they stand in feature files → rows of features and of coordinates. What is ambiguous is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOATS = (np.float16, np.float32)
_MOST_CLASSES, _FEW_ROWS = 16, 3


def feature_rows(values: NDArray[Any], place: str) -> NDArray[np.floating[Any]]:
    """Features as (n, D), float16 or float32.

    A single leading axis of length 1 is dropped, as are trailing ones, (n, D, 1, 1). A bag without tiles may have the
    shape (0,). float64 becomes float32.

    Raises:
        DataError: another shape, or no floating-point numbers.
    """
    shape = values.shape
    if values.size == 0 and values.ndim <= 2:
        width = shape[1] if values.ndim == 2 else 0
        return np.empty((0, width), np.float32)
    if values.ndim == 4 and shape[2:] == (1, 1):
        values = values.reshape(shape[:2])
    elif values.ndim == 3 and shape[0] == 1:
        values = values[0]
    if values.ndim != 2:
        raise DataError(
            f"the features have shape {_shape(shape)}{_meaning(shape)}, wanted (tiles, width)",
            place=place,
            fix="make features with one row per tile, or leave the slide out with --partial",
        )
    if values.dtype.kind != "f" or values.dtype.itemsize > 8:
        raise DataError(
            f"the features are numbers of type {values.dtype}, wanted floating-point numbers",
            place=place,
            fix="check that this file holds features and not coordinates or labels",
        )
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    return values if values.dtype.type in _FLOATS else _narrowed(values)


def _narrowed(values: NDArray[Any]) -> NDArray[np.floating[Any]]:
    with np.errstate(over="ignore"):  # what does not fit is found to be infinite later, and named
        return values.astype(np.float32)


def label_columns(rows: NDArray[np.floating[Any]]) -> int:
    """How many of the last columns hold a one-hot label, the same in every row; 0 for features as they should be.

    DSMIL's code appends the label of the slide to each row. A network would read it off without complaint.
    """
    if len(rows) < _FEW_ROWS or rows.shape[1] <= _MOST_CLASSES:
        return 0
    tail = rows[:, -_MOST_CLASSES:]
    constant = (tail == tail[0]).all(axis=0) & ((tail[0] == 0) | (tail[0] == 1))
    count = int(np.argmin(constant[::-1])) if not constant.all() else _MOST_CLASSES
    return count if count > 1 and tail[0, _MOST_CLASSES - count :].sum() == 1 else 0


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def _meaning(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return " (one vector for the whole slide)"
    if len(shape) == 3:
        return " (regions of tiles, or several bags)"
    return ""


def corners(
    values: NDArray[Any] | None, count: int, *, columns: int = 2
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Coordinates as (n, 2) whole numbers, if they belong to ``count`` rows of features.

    Args:
        values: (n, 2), (1, n, 2), or (n, ``columns``) whose first two are x and y; None where there are none.
        count: rows of features.
        columns: columns that the format has.

    Returns:
        The coordinates, or None with a note that says why they are left out.
    """
    if values is None:
        return None, ()
    if values.ndim == 3 and values.shape[0] == 1:
        values = values[0]
    if values.size == 0 and count == 0:
        return np.empty((0, 2), np.int64), ()
    if values.ndim != 2 or values.shape[1] not in {2, columns} or values.dtype.kind not in "iuf":
        return None, (f"coordinates of shape {_shape(values.shape)} are left out",)
    if len(values) != count:
        return None, (f"{len(values):,} coordinates for {count:,} rows of features: coordinates are left out",)
    values = values[:, :2]
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            return None, ("coordinates that are not finite are left out",)
        values = np.rint(values)
    return values.astype(np.int64), ()
