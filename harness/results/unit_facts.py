"""The checks of units by themselves, from their files or, where these have not changed, from the index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from harness.core.errors import BenchError, DataError
from harness.results.evidence_files import hash_of
from harness.results.names import is_inside
from harness.results.predictions import PREDICTIONS, as_predictions, read_predictions
from harness.tasks.registry import task_of
from harness.verification.expected import Row, rows_of
from harness.verification.facts import UnitFacts, check_files, facts_of
from harness.verification.finding import Finding
from harness.verification.unit import check_record

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.store import RunStore


def known_facts(store: RunStore, records: Sequence[Record]) -> dict[str, UnitFacts]:
    """Facts of units by id; files are read where they have changed since they were last read."""
    units = [(store.unit_folder(record.unit_id), record) for record in records]
    return store.units.facts(units, lambda record: read_facts(store, record))


def read_facts(store: RunStore, record: Record) -> UnitFacts:
    """Read every file of a unit that its record names, and check the unit by itself."""
    folder = store.unit_folder(record.unit_id)
    files: dict[str, str | None] = {}
    for name in {*record.files, PREDICTIONS}:
        # A name that leads elsewhere is not looked at: no record of ours has one.
        files[name] = hash_of(folder / name) if is_inside(name) else None
    try:
        task = task_of(record.config)
        frame = read_predictions(folder / PREDICTIONS, task)
        rows = as_predictions(frame, record.classes, task)
        return facts_of(record, files, frame, rows, task)
    except (BenchError, ValueError, IndexError) as error:
        problem = error.problem if isinstance(error, BenchError) else str(error)
        found: Iterable[Finding] = (*check_files(record, files), *check_record(record))
        unreadable = Finding.of("unreadable", f"{record.unit_id}, {PREDICTIONS}", problem)
        return UnitFacts(findings=(*found, unreadable), content=files[PREDICTIONS] or "")


def read_rows_of(store: RunStore, record: Record) -> list[Row] | None:
    """The rows of a unit's predictions, sorted, as its table has them; None where they cannot be read any more."""
    task = task_of(record.config)
    names = ("slide", "patient", *task.truth)
    try:
        frame = read_predictions(store.unit_folder(record.unit_id) / PREDICTIONS, task)
    except DataError:
        return None
    return rows_of({name: frame[name].tolist() for name in names}, tuple(task.truth))
