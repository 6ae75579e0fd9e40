"""Rows of features as they are stored: converted, checked number by number, and known by their content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.arrays import all_finite
from harness.core.checksum import crc32
from harness.core.errors import DataError
from harness.features.formats.owkin import has_addresses
from harness.features.formats.shapes import label_columns
from harness.features.manifest import DType
from harness.features.store import DTYPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_BYTES = 512 << 10
SAMPLE_ROWS = 32
"""Rows that stand for a slide where bags of a large cohort are compared."""


@dataclass(frozen=True)
class StoredRows:
    """Features of a slide as they go to disk, and what is known of them.

    Attributes:
        rows: (n, D) in the number type of the store.
        crc32: of their bytes.
        content: hash of number type, shape, features and positions, in their order.
        sample: numbers of the rows of largest norm: the same in whatever order of rows and columns, and most of them
            in a cropped copy.
    """

    rows: NDArray[np.floating[Any]]
    crc32: int
    content: str
    sample: Sequence[int]


def as_stored(
    features: NDArray[np.floating[Any]], coords: NDArray[np.int64] | None, dtype: DType, place: str
) -> StoredRows:
    """Features in the number type of the store, converted, checked and hashed in one pass.

    The pass goes through blocks that stay in the processor's cache: memory is what bounds it.

    Args:
        features: (n, D), n at least 1.
        coords: (n, 2) positions, None where unknown.
        dtype: the number type of the store.
        place: the file, for errors.

    Raises:
        DataError: some are NaN or infinite, or too large for the type.
    """
    from blake3 import blake3

    convert = features.dtype != DTYPES[dtype] or not features.flags.c_contiguous
    rows = np.empty(features.shape, DTYPES[dtype]) if convert else features
    digest, checksum, norms = blake3(f"{rows.dtype.str} {rows.shape}".encode()), 0, np.empty(len(rows), np.float32)
    step = max(1, BLOCK_BYTES // (features.shape[1] * features.itemsize))
    wide = np.empty((min(step, len(rows)), features.shape[1]), np.float32)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        if convert:
            _convert(features[start : start + step], block)
        norms[start : start + step] = lengths = _norms(block, wide[: len(block)])
        # A number that is not finite makes the norm so, and squares of large ones can do so, too.
        if not np.isfinite(lengths).all() and not all_finite(block):
            raise _not_finite(features, dtype, place)
        data = block.reshape(-1).view(np.uint8).data
        digest.update(data)
        checksum = crc32(data, checksum)
    if coords is not None:
        digest.update(np.ascontiguousarray(coords, "<i8").reshape(-1).view(np.uint8).data)
    return StoredRows(rows, checksum, f"blake3:{digest.hexdigest()}", _largest(norms))


def _not_finite(features: NDArray[np.floating[Any]], dtype: DType, place: str) -> DataError:
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        return DataError(
            f"{bad} of {len(features)} tiles have features that are not finite (NaN or infinite)",
            place=place,
            fix="make the features of this slide again, or leave it out with --partial",
        )
    largest = float(np.abs(features).max())
    return DataError(
        f"features up to {largest:.4g} do not fit {dtype}, which ends at {np.finfo(DTYPES[dtype]).max:.0f}",
        place=place,
        fix="store them as they are with --dtype float32",
    )


def _convert(features: NDArray[np.floating[Any]], into: NDArray[np.floating[Any]]) -> None:
    """The same numbers in another type; those that are too large become infinite."""
    if {features.dtype.type, into.dtype.type} != {np.float16, np.float32} or not _for_torch(features):
        with np.errstate(over="ignore"):
            into[:] = features
        return
    import torch  # five times as fast as NumPy, with the same rounding

    torch.from_numpy(into).copy_(torch.from_numpy(features))


def _for_torch(rows: NDArray[Any]) -> bool:
    """Whether PyTorch takes the array: it knows neither read-only ones nor those that run backwards."""
    return bool(rows.flags.writeable) and min(rows.strides) >= 0


def _norms(rows: NDArray[np.floating[Any]], wide: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean norm of every row of float16 or float32, summed in float32; ``wide`` is room for such rows."""
    import torch

    if rows.dtype == np.float32 and _for_torch(rows):
        wide = rows
    else:
        _convert(rows, wide)
    norms: NDArray[np.float32] = torch.linalg.vector_norm(torch.from_numpy(wide), dim=1).numpy()
    return norms


def _largest(norms: NDArray[np.float32]) -> list[int]:
    if len(norms) <= SAMPLE_ROWS:
        return list(range(len(norms)))
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
