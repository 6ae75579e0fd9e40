"""Microns per pixel of each slide's level 0, where the label table has a column of them."""

from __future__ import annotations

from harness.core.errors import DataError
from harness.datasets.missing import is_missing
from harness.datasets.new_labels import LabelledSlide, NewDataset
from harness.tasks.truth import with_point

LEAST, MOST = 0.01, 1000.0


def level0_mpp(row: LabelledSlide, column: str, options: NewDataset) -> float | None:
    """What the table says of one slide; None where it has no such column or the cell is empty.

    Raises:
        DataError: the cell holds no resolution.
    """
    text = row.extra.get(column, "")
    if not column or is_missing(text):
        return None
    try:
        value = float(with_point(text))
    except ValueError:
        value = 0.0
    if not LEAST <= value <= MOST:
        raise DataError(
            f"{text[:40]!r} is no resolution in microns per pixel",
            place=f"{options.labels}, line {row.line}, column {column}",
            fix="correct the cell or leave it empty; a column of something else needs another name",
        )
    return value
