"""Tables of a runs folder as CSV: the curve of a unit, the trials of a study."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import DataError
from harness.core.reading import read_bytes
from harness.core.table_text import csv_cell


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table as text; empty where there is none.

    Raises:
        DataError: it is no regular file, or no CSV.
    """
    try:
        text = read_bytes(path).decode("utf-8", errors="replace")
        reader = csv.reader(io.StringIO(text, newline=""))
        header = next(reader, [])
        return [dict(zip(header, row, strict=False)) for row in reader if row]
    except FileNotFoundError:
        return []
    except (OSError, csv.Error) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise DataError(
            f"damaged: the table cannot be read: {problem}", place=str(path), fix="remove it; the same command goes on"
        ) from error


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table with a column for every name in any of ``rows``; no file without rows."""
    if not rows:
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([csv_cell(name) for name in columns])
        writer.writerows([csv_cell(row.get(name, "")) for name in columns] for row in rows)
