"""Lines of a label table that name several slides in one cell, ``a.svs;b.svs``: a line per patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.core.errors import DataError
from harness.datasets.table import Row, Table

SEPARATOR = ";"


def one_line_per_slide(table: Table, column: str, *, split: bool) -> Table:
    """The table with a line for each slide; the lines of a cell keep its line number and its other cells.

    Args:
        table: the label table.
        column: that of slides.
        split: whether such cells are to be split.

    Raises:
        DataError: there is such a cell, and it is not to be split.
    """
    joined = [row for row in table if len(_parts(row[column])) > 1]
    if not joined:
        return table
    if not split:
        raise DataError(
            f"{len(joined)} of {len(table)} lines name several slides in one cell: {joined[0][column][:80]!r}",
            place=f"{table.path}, line {joined[0].line}, column {column}",
            fix=f"take each part between {SEPARATOR!r} for a slide with --split-slides, or write a line for each slide",
        )
    notes = (*table.notes, f"{len(joined)} lines with several slides in one cell are taken for a line for each slide.")
    return Table(table.path, table.columns, _split(table, column), notes)


def _split(table: Table, column: str) -> Iterator[Row]:
    for row in table:
        place = row.positions[column]
        for part in _parts(row[column]) or [row[column]]:
            yield replace(row, values=(*row.values[:place], part, *row.values[place + 1 :]))


def _parts(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(SEPARATOR) if part.strip()]
