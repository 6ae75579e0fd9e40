"""CSV tables, read and written strictly: every cell is text, and a wrong table says which line."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.atomic import replacing
from harness.errors import DataError
from harness.suggest import nearest


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        line: line number in the file, from 1 (the header).
        cells: column → text, without surrounding spaces. An empty cell is the empty string, and the word "None" is
            a word.
    """

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def read_table(path: Path, required: Sequence[str]) -> list[Row]:
    """Rows of a CSV file (UTF-8, with or without a byte order mark; commas).

    Args:
        path: the file.
        required: columns that must be there; others are kept too.

    Raises:
        DataError: no such file, not text, a missing or repeated column (the nearest names are given), a line with
            more cells than columns, or no line at all.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader]
    except FileNotFoundError as reason:
        raise DataError("the table does not exist", place=str(path), fix="check the path") from reason
    except (UnicodeDecodeError, csv.Error) as reason:
        raise DataError(
            f"the table cannot be read: {reason}", place=str(path), fix="save it as a CSV file in UTF-8"
        ) from reason
    except OSError as reason:
        raise DataError(
            f"the table cannot be read: {reason.strerror}", place=str(path), fix="check the path"
        ) from reason
    return _rows(lines, path, required)


def _rows(lines: Sequence[tuple[int, list[str]]], path: Path, required: Sequence[str]) -> list[Row]:
    columns = [name.strip() for name in lines[0][1]] if lines else []
    _check_columns(columns, path, required)
    rows = []
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            raise DataError(
                f"{len(cells)} cells where the header has {len(columns)} columns",
                place=f"{path}, line {number}",
                fix="give each line one cell per column, and quote cells that hold a comma",
            )
        values = (cell.strip() for cell in cells)
        rows.append(Row(number, dict(zip(columns, values, strict=True))))
    if not rows:
        raise DataError("the table has no lines", place=str(path), fix=f"fill in the columns {', '.join(required)}")
    return rows


def _check_columns(columns: Sequence[str], path: Path, required: Sequence[str]) -> None:
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise DataError(
            f"column {repeated[0]!r} stands twice", place=f"{path}, line 1", fix="keep one column of each name"
        )
    missing = [name for name in required if name not in columns]
    if not missing:
        return
    hints = [f"{near[0]!r} for {name!r}" for name in missing if (near := nearest(name, columns, count=1))]
    found = f"the columns are: {', '.join(columns) or '(none)'}"
    raise DataError(
        f"the table has no column {' and no column '.join(map(repr, missing))}",
        place=f"{path}, line 1",
        fix=f"did you mean {', '.join(hints)}? {found}" if hints else found,
    )


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
