"""Reading units through the index: what has changed since is read from its files, the rest is not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.errors import DataError
from harness.results.evidence_files import read_record
from harness.results.index.code import plugins_digest
from harness.results.index.database import Database, UnitRow
from harness.results.index.record_text import RecordTexts
from harness.results.index.state import UnitState, state_of
from harness.results.record import Record
from harness.results.staging import RECORD
from harness.verification.facts import UnitFacts


@dataclass(frozen=True)
class ReadUnit:
    """A unit's folder as it was found.

    Attributes:
        folder: the folder.
        files: names of its files.
        record: its record; None where there is none, or it cannot be read.
        problem: why it cannot be read; empty where it can, or is not there.
    """

    folder: Path
    files: frozenset[str]
    record: Record | None = None
    problem: str = ""


@dataclass(frozen=True)
class Known:
    """A unit as this process knows it.

    Attributes:
        state: of its files when they were read.
        row: what the index has of it.
        record: its record.
        facts: of its verification; None where they are not known yet.
        plugins: with which plugins the facts hold.
    """

    state: UnitState
    row: UnitRow
    record: Record
    facts: UnitFacts | None = None
    plugins: str = ""


class UnitIndex:
    """The units of one runs folder, read from their files where these have changed, else from the index.

    Args:
        database: the index; without it (it cannot be written) files are read once per process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Known] = {}

    def read(self, folders: Iterable[Path]) -> list[ReadUnit]:
        """Look at some units; folders that are missing are left out."""
        seen = time.time_ns()
        found: list[ReadUnit] = []
        unknown: dict[Path, UnitState] = {}
        for folder in folders:
            try:
                state = state_of(folder)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                problem = f"the folder cannot be read: {error.strerror}"
                found.append(ReadUnit(folder, frozenset(), problem=problem))
                continue
            known = self._known.get(folder.name)
            if RECORD not in state.names:
                found.append(ReadUnit(folder, state.names))
            elif known is not None and state.is_that_of(known.row.state, known.row.seen):
                found.append(ReadUnit(folder, state.names, known.record))
            else:
                unknown[folder] = state
        return [*found, *self._read_unknown(unknown, seen)]

    def _read_unknown(self, states: dict[Path, UnitState], seen: int) -> list[ReadUnit]:
        rows = self._database.units([folder.name for folder in states])
        texts = RecordTexts(self._database, [row.record for row in rows.values()])
        found, fresh = [], []
        for folder, state in states.items():
            row = rows.get(folder.name)
            trusted = row is not None and state.is_that_of(row.state, row.seen)
            record = texts.record(row.record) if trusted and row is not None else None
            if row is not None and record is not None:
                self._known[folder.name] = Known(state, row, record, _facts(row.facts), row.plugins)
                found.append(ReadUnit(folder, state.names, record))
                continue
            try:
                record = read_record(folder)
            except DataError as error:
                self._known.pop(folder.name, None)
                found.append(ReadUnit(folder, state.names, problem=error.problem))
                continue
            row = UnitRow(folder.name, state.text, seen, texts.text(record), "", "")
            self._known[folder.name] = Known(state, row, record)
            found.append(ReadUnit(folder, state.names, record))
            fresh.append(row)
        texts.keep()
        self._database.keep(fresh)
        return found

    def facts(self, units: Sequence[tuple[Path, Record]], check: Callable[[Record], UnitFacts]) -> dict[str, UnitFacts]:
        """What the checks of each unit by itself come to, by unit: of its files as they were when it was read.

        Args:
            units: folders and records, as :meth:`read` found them.
            check: reads and checks a unit that has not been checked yet.
        """
        if not units:
            return {}
        plugins = plugins_digest()
        if strange := [folder for folder, _ in units if folder.name not in self._known]:
            self.read(strange)
        found, fresh = {}, []
        for folder, record in units:
            known = self._known.get(folder.name)
            same = known is not None and (known.record is record or known.record == record)
            if known is not None and same and known.facts is not None and known.plugins == plugins:
                found[record.unit_id] = known.facts
                continue
            facts = found[record.unit_id] = check(record)
            # Not kept: of files that have changed since the record was read, or that the state does not know.
            if known is not None and same and _unchanged(folder, known) and record.files.keys() <= known.state.names:
                row = known.row._replace(facts=json.dumps(facts.as_dict()), plugins=plugins)
                self._known[folder.name] = replace(known, row=row, facts=facts, plugins=plugins)
                fresh.append(row)
        self._database.keep(fresh)
        return found


def _unchanged(folder: Path, known: Known) -> bool:
    try:
        return state_of(folder).text == known.state.text
    except OSError:
        return False


def _facts(text: str) -> UnitFacts | None:
    try:
        return UnitFacts.from_dict(json.loads(text)) if text else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
