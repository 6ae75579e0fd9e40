"""What the readers of text files and of workbooks have in common: records of cells, and how many there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.core.errors import DataError

MOST_COLUMNS = 5_000
MOST_CELLS = 2_000_000

Records = Callable[[], Iterator[tuple[int, list[str]]]]
"""Gives, as often as it is called, (line number, cells) of every line of a table that is not blank."""


def check_size(columns: int, cells: int, place: str) -> None:
    """Refuse a table that would fill the memory.

    Args:
        columns: cells of this line.
        cells: cells of all lines up to this one.
        place: file and line, for the error.

    Raises:
        DataError: there are more than a table of labels has.
    """
    if columns > MOST_COLUMNS or cells > MOST_CELLS:
        limit = f"{MOST_COLUMNS:,} columns" if columns > MOST_COLUMNS else f"{MOST_CELLS:,} cells"
        raise DataError(
            f"the table has more than {limit}",
            place=place,
            fix="leave out what the label table does not need; features do not belong into it",
        )
