"""A table: rows of values with full precision, and columns that say how a reader is shown them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""Name of a value → the value; None where it is not known. Names that no column shows are for programs only."""


def cell_text(value: Any) -> str:
    """A value as a reader is shown it where its column says nothing else."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell_text, value))
    return str(value)


@dataclass(frozen=True)
class Column:
    """A column as a reader is shown it.

    Attributes:
        title: its heading.
        keys: names of the values that it shows; empty for one with the title's name (``split SHA`` is ``split_sha``).
        text: the values of ``keys`` → what the cell says.
        right: whether it is aligned on the right, as numbers are.
    """

    title: str
    keys: tuple[str, ...] = ()
    text: Callable[..., str] = cell_text
    right: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the values that it shows."""
        return self.keys or (re.sub(r"\W+", "_", self.title.lower()).strip("_"),)

    def cell(self, row: Row) -> str:
        """What the cell of a row says; empty where the row has none of the values."""
        return self.text(*map(row.get, self.names)) if any(name in row for name in self.names) else ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: what it is of.
        columns: how it is shown.
        rows: what it holds.
        caption: what a reader has to know to read it; empty for nothing.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    caption: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all values: those of the columns first, in their order."""
        shown = [name for column in self.columns for name in column.names]
        return tuple(dict.fromkeys([*shown, *(name for row in self.rows for name in row)]))

    def cells(self) -> list[list[str]]:
        """What every cell says, row by row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]
