"""What is true of some slides: the columns of the label table that a task predicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from numpy.typing import NDArray

Column = Literal["class", "count", "number", "optional"]
"""What a column holds: the number of one of the predicted columns, a whole number from 0 on, a finite number, or a
number that may be missing."""

_DECIMAL_COMMA = re.compile(r"[+-]?(0,\d+|\d+,(\d{1,2}|\d{4,}))", re.ASCII)


def with_point(text: str) -> str:
    """A number with a decimal point where it has a comma that cannot part thousands; any other text as it is."""
    return text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text


@dataclass(frozen=True)
class Truth:
    """Labels of some slides.

    Attributes:
        patients: patient of each slide, n.
        columns: values by the column of the label table, (n,) each: int64 or float64.
    """

    patients: tuple[str, ...]
    columns: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.patients)

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]
