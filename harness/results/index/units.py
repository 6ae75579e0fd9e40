"""Reading units through the index: what has changed since is read from its files, the rest is not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import DataError
from harness.core.hashing import sha256_text
from harness.results.evidence_files import read_record
from harness.results.index.code import plugins_digest
from harness.results.index.database import Database, UnitRow
from harness.results.index.state import UnitState, state_of
from harness.results.record import Record
from harness.results.staging import RECORD
from harness.verification.facts import UnitFacts

_SHARED = ("config", "environment")
"""Fields of a record that are alike in many of them; each value is kept, and parsed, once."""


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


def read_units(database: Database, folders: Iterable[Path]) -> list[ReadUnit]:
    """Read the records of some units.

    Args:
        database: the index of their runs folder.
        folders: of the units; those that are missing are left out.
    """
    seen = time.time_ns()
    states, locked = {}, []
    for folder in folders:
        try:
            states[folder] = state_of(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            locked.append(ReadUnit(folder, frozenset(), problem=f"the folder cannot be read: {error.strerror}"))
    rows = database.units([folder.name for folder in states])
    known = {name: row for name, row in rows.items() if row.record}
    shared = _Shared(database, known.values())
    found, fresh = locked, []
    for folder, state in states.items():
        row = known.get(folder.name)
        record = shared.record(row) if row is not None and state.is_that_of(row.state, row.seen) else None
        if record is not None:
            found.append(ReadUnit(folder, state.names, record))
            continue
        if RECORD not in state.names:
            found.append(ReadUnit(folder, state.names))
            continue
        try:
            record = read_record(folder)
        except DataError as error:
            found.append(ReadUnit(folder, state.names, problem=error.problem))
            continue
        found.append(ReadUnit(folder, state.names, record))
        fresh.append(UnitRow(folder.name, state.text, seen, shared.text(record), "", ""))
    shared.keep()
    database.keep(fresh)
    return found


def facts_of_units(
    database: Database, units: Sequence[tuple[Path, Record]], read: Callable[[Record], UnitFacts]
) -> dict[str, UnitFacts]:
    """What the checks of each unit by itself come to, by unit.

    Args:
        database: the index of their runs folder.
        units: folders and records.
        read: reads and checks a unit whose files have changed since it was last checked.
    """
    plugins = plugins_digest()
    rows = database.units([folder.name for folder, _ in units])
    texts = _Shared(database, ())
    found, fresh = {}, []
    for folder, record in units:
        row, state = rows.get(folder.name), _state(folder)
        if row is None or state is None or state.text != row.state or row.record != texts.text(record):
            found[record.unit_id] = read(record)
            continue
        trusted = state.is_that_of(row.state, row.seen) and row.plugins == plugins
        if trusted and (known := _facts(row.facts)) is not None:
            found[record.unit_id] = known
            continue
        facts = found[record.unit_id] = read(record)
        # What was read from a file that the state does not know could change unseen.
        if record.files.keys() <= state.names:
            fresh.append(row._replace(facts=json.dumps(facts.as_dict()), plugins=plugins))
    database.keep(fresh)
    return found


class _Shared:
    """Records as text, and back."""

    def __init__(self, database: Database, rows: Iterable[UnitRow]) -> None:
        self._database = database
        self._values: dict[str, Any] = {}
        self._new: dict[str, str] = {}
        self._digests: dict[int, tuple[str, Any]] = {}
        self._parsed = {row.name: value for row in rows if isinstance(value := _parsed(row.record), dict)}
        wanted = {str(value.get(name)) for value in self._parsed.values() for name in _SHARED}
        for digest, text in database.texts(wanted).items():
            if sha256_text(text) == digest:
                self._values[digest] = _parsed(text)

    def record(self, row: UnitRow) -> Record | None:
        """The record of a row; None where the row is damaged."""
        value = self._parsed.get(row.name)
        if value is None or any(value.get(name) not in self._values for name in _SHARED):
            return None
        try:
            parts = {name: self._values[value[name]] for name in _SHARED}
            return Record(**{**value, **parts, "classes": tuple(value["classes"])})
        except (TypeError, KeyError):
            return None

    def text(self, record: Record) -> str:
        """The record as the index keeps it."""
        values: dict[str, Any] = dict(vars(record))
        for name in _SHARED:
            values[name] = self._digest(values[name])
        return json.dumps(values)

    def keep(self) -> None:
        """Keep the shared parts of records that are new."""
        self._database.keep_texts(self._new)

    def _digest(self, part: Mapping[str, Any]) -> str:
        if (known := self._digests.get(id(part))) is not None:
            return known[0]
        text = json.dumps(part)
        digest = sha256_text(text)
        self._new[digest] = text
        self._digests[id(part)] = digest, part  # keeps the object, and with it its id
        return digest


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _facts(text: str) -> UnitFacts | None:
    try:
        return UnitFacts.from_dict(json.loads(text)) if text else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _state(folder: Path) -> UnitState | None:
    try:
        return state_of(folder)
    except OSError:
        return None
