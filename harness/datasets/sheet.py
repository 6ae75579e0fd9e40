"""From a file to the header of its table and the lines below it, whatever the file is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.core.reading import read_bytes
from harness.datasets import csv_text
from harness.datasets.identity import did_you_mean, visible
from harness.datasets.records import Records
from harness.datasets.workbook import is_workbook, sheet_records


@dataclass(frozen=True)
class Sheet:
    """The header of a table, and the lines below it that hold anything.

    Attributes:
        columns: names of the columns, without those that have no name.
        rows: (line number, cells), as many cells as columns.
        notes: what had to be assumed to read the file, one sentence each.
    """

    columns: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]
    notes: tuple[str, ...] = ()


def open_sheet(path: Path, required: Sequence[str], *, index: str = "", legacy: bool = False) -> Sheet:
    """Read a table and find its header.

    Args:
        path: a text file, or an Excel workbook.
        required: columns that must be there.
        index: name for a first column that has none, as pandas and R write it; empty leaves that column out.
        legacy: read text that is not UTF-8 as Windows-1252, with a note, instead of refusing it.

    Raises:
        DataError: it is no regular file, too large, no table, or has not the columns that are required; or it is a
            workbook, and openpyxl is not installed.
    """
    content = _content(path)
    tables: Mapping[str, Records]
    notes: tuple[str, ...] = ()
    if is_workbook(content):
        tables = {"": sheet_records(content, path)}
    else:
        tables, notes = csv_text.readings(content, path, legacy=legacy)
    sign, line, names = _choose(tables, required, path)
    if index and names and not names[0] and index not in names:
        names = [index, *names[1:]]
    _check_columns(names, path, line, required, sign)
    positions = [position for position, name in enumerate(names) if name]
    rows = _body(tables[sign], sign, path, line, names, positions)
    return Sheet(tuple(names[position] for position in positions), rows, notes)


def _content(path: Path) -> bytes:
    try:
        return read_bytes(path, limit=csv_text.LARGEST_FILE)
    except FileNotFoundError as reason:
        raise DataError("the table does not exist", place=str(path), fix="check the path") from reason
    except OSError as reason:
        raise DataError(
            f"the table cannot be read: {reason.strerror}", place=str(path), fix="give the path of a CSV file"
        ) from reason


def _choose(tables: Mapping[str, Records], required: Sequence[str], path: Path) -> tuple[str, int, list[str]]:
    """The delimiter that parts the header into the required columns, else into most; the header's line and names."""
    headers, problems = {}, []
    for sign, records in tables.items():
        try:
            line, cells = next(records(), (1, []))
            headers[sign] = line, [visible(cell) for cell in cells]
        except DataError as problem:  # a quoted cell of one delimiter is no cell of another
            problems.append(problem)
    # No two can fit, unless there is a single column: then any of them will do.
    fitting = [sign for sign in headers if set(required) <= set(headers[sign][1])]
    widest = max(headers, key=lambda sign: len(headers[sign][1]), default="")
    if not fitting and problems and (not widest or len(headers[widest][1]) < 2):
        raise problems[0]
    sign = fitting[0] if fitting and required else widest
    return sign, *headers[sign]


def _body(
    records: Records, sign: str, path: Path, header: int, names: Sequence[str], positions: Sequence[int]
) -> Iterator[tuple[int, list[str]]]:
    width = max(positions, default=-1) + 1
    # R and pandas write the numbers of the rows into a first column without a name.
    unnamed = [position for position in range(1, width) if not names[position]]
    for line, cells in records():
        if line <= header:
            continue
        beyond = next((cell for cell in cells[width:] if cell.strip()), None)
        if len(cells) < width and not sign:  # a workbook leaves out what is empty at the end of a row
            cells = [*cells, *[""] * (width - len(cells))]
        if len(cells) < width or beyond is not None:
            separated = f" (cells are separated by {sign})" if sign else ""
            raise DataError(
                f"{len(cells)} cells where the header has {width} columns",
                place=f"{path}, line {line}",
                fix=f"give each line one cell per column{separated}, and quote cells that hold one",
            )
        if lost := next((cells[position] for position in unnamed if cells[position].strip()), None):
            raise DataError(
                f"a cell stands in a column without a name: {lost.strip()[:40]!r}",
                place=f"{path}, line {line}",
                fix="name the column in the header, or empty it",
            )
        yield line, [cells[position].strip() for position in positions]


def _check_columns(names: Sequence[str], path: Path, line: int, required: Sequence[str], sign: str) -> None:
    repeated = [name for name, count in Counter(names).items() if name and count > 1]
    if repeated:
        raise DataError(
            f"column {repeated[0]!r} stands twice", place=f"{path}, line {line}", fix="keep one column of each name"
        )
    columns = [name for name in names if name]
    missing = [name for name in required if name not in set(columns)]
    if not missing:
        return
    shown = columns[:20]
    found = f"the columns are: {', '.join(shown) or '(none)'}{f' and {len(columns) - 20} more' * (len(columns) > 20)}"
    found += f" (separated by {sign})" if len(columns) > 1 and sign else ""
    hints = "".join(did_you_mean(name, columns) for name in missing[:5])
    raise DataError(
        f"the table has no column {' and no column '.join(map(repr, missing))}",
        place=f"{path}, line {line}",
        fix=f"{hints}{found}",
    )
