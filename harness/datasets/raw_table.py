"""Tables of which not even the columns are known beforehand: every column counts, the one without a name too."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.core.reading import MEBIBYTE, read_text
from harness.datasets.csv_text import DELIMITERS

_LARGEST = 64 * MEBIBYTE
_MOST_COLUMNS = 5_000


@dataclass(frozen=True)
class RawTable:
    """A table.

    Attributes:
        path: where it was read.
        columns: names; the first may be empty, as pandas writes it.
        rows: cells without surrounding spaces, as many as there are columns.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]

    def cells(self, column: str) -> list[str]:
        """A column."""
        position = self.columns.index(column)
        return [row[position] for row in self.rows]


def read_raw(path: Path) -> RawTable:
    """Read a table separated by commas, semicolons, tabs or bars, whichever gives most columns in its first line.

    Raises:
        DataError: it cannot be read, is no text, or has no lines.
    """
    try:
        text = read_text(path, limit=_LARGEST)
    except (OSError, UnicodeDecodeError) as reason:
        problem = getattr(reason, "strerror", None) or "it is no text in UTF-8"
        raise DataError(f"the table cannot be read: {problem}", place=str(path), fix="save it as UTF-8") from reason
    lines = [line for line in text.splitlines() if line.strip()]
    sign = max(DELIMITERS, key=lambda one: lines[0].count(one)) if lines else ","
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=sign)]
    except csv.Error as reason:
        raise DataError(f"the table cannot be read: {reason}", place=str(path), fix="close every quote") from reason
    if len(rows) < 2 or len(rows[0]) > _MOST_COLUMNS:
        raise DataError("the table has no lines, or too many columns", place=str(path), fix="correct the file")
    columns = tuple(rows[0])
    width = len(columns)
    return RawTable(path, columns, [[*row, *[""] * width][:width] for row in rows[1:] if any(row)])
