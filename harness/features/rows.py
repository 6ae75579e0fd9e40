"""Rows of features as they are stored: converted, checked number by number, and known by their content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.arrays import all_finite
from harness.core.errors import DataError
from harness.features.formats.owkin import has_addresses
from harness.features.formats.shapes import label_columns
from harness.features.manifest import DType
from harness.features.store import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_ROWS = 32
"""Rows that stand for a slide where bags of a large cohort are compared."""


def as_stored(features: NDArray[np.floating[Any]], dtype: DType, place: str) -> NDArray[np.floating[Any]]:
    """Features in the number type of the store.

    Raises:
        DataError: some are NaN or infinite, or too large for the type.
    """
    rows = _converted(features, dtype)
    if all_finite(rows):
        return rows
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(features)} tiles have features that are not finite (NaN or infinite)",
            place=place,
            fix="make the features of this slide again, or leave it out with --partial",
        )
    largest = float(np.abs(features).max())
    raise DataError(
        f"features up to {largest:.4g} do not fit {dtype}, which ends at {np.finfo(DTYPES[dtype]).max:.0f}",
        place=place,
        fix="store them as they are with --dtype float32",
    )


def _converted(features: NDArray[np.floating[Any]], dtype: DType) -> NDArray[np.floating[Any]]:
    """The same numbers in the number type of the store; those that are too large become infinite."""
    if features.dtype == DTYPES[dtype] or features.dtype != np.float32 or not features.flags.writeable:
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(features, DTYPES[dtype])
    import torch  # five times as fast as NumPy, with the same rounding

    rows: NDArray[np.floating[Any]] = torch.from_numpy(np.ascontiguousarray(features)).half().numpy()
    return rows


def content_of(rows: NDArray[np.floating[Any]], coords: NDArray[np.int64] | None) -> str:
    """Hash of features and positions, in their order."""
    from blake3 import blake3

    digest = blake3(f"{rows.dtype.str} {rows.shape}".encode())
    digest.update(rows.reshape(-1).view(np.uint8).data)
    if coords is not None:
        digest.update(np.ascontiguousarray(coords, "<i8").reshape(-1).view(np.uint8).data)
    return f"blake3:{digest.hexdigest()}"


def sample_of(rows: NDArray[np.floating[Any]]) -> list[int]:
    """The rows of largest norm: the same in whatever order of rows and columns, and most of them in a cropped copy."""
    import torch

    if len(rows) <= SAMPLE_ROWS:
        return list(range(len(rows)))
    norms = torch.linalg.vector_norm(torch.from_numpy(rows), dim=1, dtype=torch.float32).numpy()
    chosen: list[int] = np.sort(np.argpartition(-norms, SAMPLE_ROWS)[:SAMPLE_ROWS]).tolist()
    return chosen


def check_columns(rows: NDArray[np.floating[Any]], place: str) -> None:
    """Refuse rows in which some columns are no features.

    Raises:
        DataError: the first columns are addresses of tiles, or the last ones labels.
    """
    if has_addresses(rows):
        raise DataError(
            "the first three columns look like Owkin's tile addresses, not features",
            place=place,
            fix="cut these columns off; in .npy files they are cut off by themselves",
        )
    if count := label_columns(rows):
        raise DataError(
            f"the last {count} columns look like the label of the slide, as DSMIL's code appends it",
            place=place,
            fix="cut these columns off: a method would read the label from them",
        )
