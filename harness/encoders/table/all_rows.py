"""All rows of the table."""

from __future__ import annotations

import functools

from harness.encoders.table import other_rows, transformer_rows, variant_rows
from harness.encoders.table.row import Row

ROWS: tuple[Row, ...] = (*transformer_rows.ROWS, *variant_rows.ROWS, *other_rows.ROWS)


@functools.cache
def row_of(name: str) -> Row | None:
    """The row of exactly this name."""
    return next((row for row in ROWS if row.name == name), None)


def rows_of_repo(repo: str) -> tuple[Row, ...]:
    """Registered rows whose weights are in a repository of the hub, which tells no upper from lower case."""
    return tuple(row for row in ROWS if row.registered and row.weights.repo.casefold() == repo.casefold())
