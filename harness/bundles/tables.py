"""The predictions and curves of a study's units as text: a line for each row, with numbers that read back exactly."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.errors import DataError
from harness.results.predictions import UnitPredictions
from harness.tasks.truth import Truth

if TYPE_CHECKING:
    import pandas as pd

    from harness.results.record import Record
    from harness.tasks.task import Task

UNIT = ("repeat", "fold", "seed")
Place = tuple[int, int, int]
"""Repeat, fold and seed."""


def place_of(spec: Mapping[str, Any]) -> Place:
    """Where a unit stands in its study."""
    return spec["repeat"], spec["fold"], spec["seed"]


def predictions_text(frame: pd.DataFrame, classes: Sequence[str], task: type[Task]) -> str:
    """Test predictions of all units as CSV: unit, slide, patient, truth, probabilities, decision."""
    columns = [*UNIT, "slide", "patient", *task.truth, *(f"p_{name}" for name in classes), *task.decision]
    values = [frame[name].tolist() if name in frame else [None] * len(frame) for name in columns]
    return rows_text(columns, zip(*values, strict=True))


def rows_text(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """CSV with lines that end in a line feed; floats as their shortest exact form, what is undefined is empty."""
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return sink.getvalue()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def read_table(text: str, place: str) -> list[dict[str, str]]:
    """Rows of a CSV text by column.

    Raises:
        DataError: it is no CSV, or a line has another number of cells than the header.
    """
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (csv.Error, ValueError) as error:
        raise _wrong(f"it is no table: {error}", place) from None
    if len(set(header)) != len(header):
        raise _wrong("a column stands twice", place)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise _wrong(f"line {number} has {len(row)} cells, the header {len(header)}", place)
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_units(text: str, records: Sequence[Record], task: type[Task], place: str) -> dict[Place, UnitPredictions]:
    """Test predictions by unit, from what :func:`predictions_text` wrote.

    Raises:
        DataError: a cell is not what its column holds, or the rows are of other units than the records.
    """
    rows: dict[Place, list[dict[str, str]]] = {}
    for row in read_table(text, place):
        try:
            rows.setdefault((int(row["repeat"]), int(row["fold"]), int(row["seed"])), []).append(row)
        except (KeyError, ValueError):
            raise _wrong("a row does not say which unit it is of", place) from None
    wanted = {place_of(record.spec) for record in records}
    if rows.keys() != wanted:
        repeat, fold, seed = min(rows.keys() ^ wanted)
        other = "records" if (repeat, fold, seed) in rows else "predictions"
        raise _wrong(f"r{repeat}f{fold} of seed {seed} is not in the {other}", place)
    try:
        return {at: _unit(at, found, task(tuple(records[0].classes))) for at, found in rows.items()}
    except (KeyError, ValueError, OverflowError) as error:
        raise _wrong(f"a cell is not what its column holds: {error}", place) from None


def _unit(at: Place, rows: Sequence[Mapping[str, str]], task: Task) -> UnitPredictions:
    repeat, fold, seed = at

    def column(name: str, kind: str) -> Any:
        cells = [row[name] for row in rows]
        if kind in ("class", "count"):
            return np.array([int(cell) for cell in cells], dtype=np.int64)
        return np.array([float(cell) if cell else math.nan for cell in cells], dtype=np.float64)

    return UnitPredictions(
        task=task,
        repeat=repeat,
        fold=fold,
        seed=seed,
        slides=[row["slide"] for row in rows],
        truth=Truth(
            tuple(row["patient"] for row in rows), {name: column(name, kind) for name, kind in task.truth.items()}
        ),
        probabilities=np.stack([column(f"p_{name}", "number") for name in task.columns], axis=1),
        decision={name: column(name, kind) for name, kind in task.decision.items()},
    )


def _wrong(problem: str, place: str) -> DataError:
    return DataError(
        f"the bundle is refused: {problem}", place=place, fix="pack it again: bench leaderboard submit STUDY"
    )
