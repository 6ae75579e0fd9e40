"""Tables in files, read and written strictly: every cell is text, and a wrong table says which line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.atomic import replacing
from harness.core.errors import DataError
from harness.datasets.sheet import open_sheet


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        line: line number in the file; the first is 1.
        positions: column → its place in ``values``, the same for all rows of a table.
        values: the cells as text, without surrounding spaces. An empty cell is the empty string, and the word "None" is
            a word.
    """

    line: int
    positions: Mapping[str, int]
    values: tuple[str, ...]

    def __getitem__(self, column: str) -> str:
        return self.values[self.positions[column]]

    @property
    def cells(self) -> dict[str, str]:
        """Column → text."""
        return dict(zip(self.positions, self.values, strict=True))


class Table(list[Row]):
    """The rows of a table.

    Attributes:
        path: the file.
        columns: names of the columns.
        notes: what had to be assumed to read the file, one sentence each.
    """

    def __init__(self, path: Path, columns: Sequence[str], rows: Iterable[Row], notes: Sequence[str] = ()) -> None:
        super().__init__(rows)
        self.path, self.columns, self.notes = path, tuple(columns), tuple(notes)

    def cells(self, column: str) -> list[str]:
        """A column."""
        return [row[column] for row in self]


def read_table(path: Path, required: Sequence[str], *, index: str = "", legacy: bool = False) -> Table:
    """Rows of a table in a text file or an Excel workbook.

    UTF-8, or UTF-16 with a byte order mark; cells separated by commas, semicolons, tabs or bars, whichever parts the
    header into the required columns (or as a first line ``sep=;`` says). Blank lines, and empty columns without a name,
    are left out.

    Args:
        path: the file.
        required: columns that must be there; others are read too.
        index: name for a first column that has none, as pandas and R write it; empty leaves that column out.
        legacy: read text that is not UTF-8 as Windows-1252, with a note, instead of refusing it.

    Raises:
        DataError: no regular file, too large, not text, a missing or repeated column (the nearest names are given), a
            line with more or fewer cells than columns, or no line at all.
    """
    sheet = open_sheet(path, required, index=index, legacy=legacy)
    positions = {name: position for position, name in enumerate(sheet.columns)}
    rows = [Row(line, positions, tuple(cells)) for line, cells in sheet.rows]
    if not rows:
        named = f"the columns {', '.join(required)}" if required else "its columns"
        raise DataError("the table has no lines", place=str(path), fix=f"fill in {named}")
    return Table(path, sheet.columns, rows, sheet.notes)


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file atomically. Lines end in a bare newline, so that the bytes are the same on every system."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """The first names of a list, and how many more there are: ``a, b, c and 7 more``."""
    every = list(names)
    shown = ", ".join(every[:most])
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown
