"""Cells that say that a value is missing, in the words of R, pandas, spreadsheets, SAS and cancer registries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import DataError
from harness.datasets.identity import identity
from harness.datasets.table import Row, listed

WORDS = (
    *(
        "NA",
        "N/A",
        "N.A.",
        "#NA",
        "#N/A",
        "<NA>",
        "NaN",
        "-NaN",
        "NaT",
        "None",
        "null",
        "nil",
        "-",
        "--",
        "---",
        "'--",
        ".",
        "?",
    ),
    *(
        "unknown",
        "[unknown]",
        "missing",
        "[missing]",
        "not available",
        "[not available]",
        "not reported",
        "[not reported]",
    ),
    *("#NULL!", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!"),
    *("-99", "-999", "-9999"),
)
"""What stands for a missing value, beside an empty cell. Letter case, spaces and the kind of dash do not count."""

_MISSING = frozenset({"", *map(identity, WORDS)})


def is_missing(text: str) -> bool:
    """Whether a cell says that its value is missing."""
    return identity(text) in _MISSING


@dataclass(frozen=True)
class Missing:
    """Lines that lack a value that is needed.

    Attributes:
        what: what is missing: ``patient``, ``label``.
        column: where.
        cells: (line, text of the cell), in the order of the table.
    """

    what: str
    column: str
    cells: tuple[tuple[int, str], ...]

    @property
    def lines(self) -> tuple[int, ...]:
        """Their line numbers."""
        return tuple(line for line, _ in self.cells)

    def words(self, total: int) -> str:
        """In one sentence: how many, and what stands there."""
        written = listed(dict.fromkeys(repr(text) if text else "an empty cell" for _, text in self.cells), most=3)
        return f"{len(self.cells)} of {total} lines have no {self.what}: {written}"


def missing_in(
    rows: Sequence[Row], columns: Iterable[tuple[str, str]], *, declared: Collection[str] = ()
) -> list[Missing]:
    """What is missing in ``rows``.

    Args:
        rows: lines of a table.
        columns: (what stands there, column) of each value that every line must have.
        declared: labels that are values although they look missing: the names of classes that a card lists.
    """
    found = []
    for what, column in columns:
        values = declared if what == "label" else ()
        cells = ((row.line, row[column]) for row in rows)
        lacking = tuple((line, text) for line, text in cells if text not in values and is_missing(text))
        if lacking:
            found.append(Missing(what, column, lacking))
    return found


def refuse_missing(missing: Sequence[Missing], total: int, path: Path, *, fix: str) -> None:
    """Raise DataError if anything is missing: how often, in which lines, and what can be done."""
    if not missing:
        return
    first = missing[0]
    numbers = f"line{'s' * (len(first.lines) > 1)} {listed(map(str, first.lines))}"
    more = f"; {'; '.join(one.words(total) for one in missing[1:])}" if len(missing) > 1 else ""
    raise DataError(f"{first.words(total)}{more}", place=f"{path}, {numbers}, column {first.column}", fix=fix)
