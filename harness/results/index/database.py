"""The index as an SQLite file in the cache; it may be removed at any time, and is made again where it is damaged.

It does not lie in the runs folder: one that somebody sends must not bring along what its own files are said to hold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from harness.core.hashing import sha256_text
from harness.core.resources import cache_root
from harness.results.index.code import code_digest

T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS units (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, seen INTEGER NOT NULL, record TEXT NOT NULL, facts TEXT NOT NULL,
    plugins TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS texts (digest TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scores (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_BUSY_S = 5.0
_AT_ONCE = 500
_UNUSABLE = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA})


class UnitRow(NamedTuple):
    """What the index has of a unit.

    Attributes:
        name: of its folder.
        state: see :class:`harness.results.index.state.UnitState`.
        seen: when the state was looked at, before the files were read; ns since 1970.
        record: the record as JSON.
        facts: of its verification as JSON; empty where they are not known.
        plugins: see :func:`harness.results.index.code.plugins_digest`; the facts hold with these alone.
    """

    name: str
    state: str
    seen: int
    record: str
    facts: str
    plugins: str


class Database:
    """The index of one runs folder. Where it cannot be read or written, all goes on without it.

    A connection lives for one call, so that a process may be forked in between.

    Args:
        root: the runs folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def path(self) -> Path:
        """The file."""
        return cache_root() / "index" / f"{sha256_text(str(self._root.resolve()))[:24]}.sqlite"

    def units(self, names: Collection[str]) -> dict[str, UnitRow]:
        """What is known of units, by name of the folder."""

        def read(database: sqlite3.Connection) -> dict[str, UnitRow]:
            query = "SELECT name, state, seen, record, facts, plugins FROM units"
            if len(names) > _AT_ONCE:
                return {row[0]: UnitRow(*row) for row in database.execute(query) if row[0] in wanted}
            marks = ",".join("?" * len(names))
            return {row[0]: UnitRow(*row) for row in database.execute(f"{query} WHERE name IN ({marks})", list(names))}

        wanted = set(names)
        return self._attempt(read, {}) if names else {}

    def keep(self, rows: Iterable[UnitRow]) -> None:
        """Keep what was read of some units."""
        every = list(rows)
        if every:
            self._attempt(
                lambda db: _done(db.executemany("INSERT OR REPLACE INTO units VALUES (?,?,?,?,?,?)", every)), 0
            )

    def texts(self, digests: Collection[str]) -> dict[str, str]:
        """Parts of records that many of them share, by digest."""

        def read(database: sqlite3.Connection) -> dict[str, str]:
            found: dict[str, str] = {}
            for digest in digests:
                if row := database.execute("SELECT value FROM texts WHERE digest = ?", (digest,)).fetchone():
                    found[digest] = str(row[0])
            return found

        return self._attempt(read, {}) if digests else {}

    def keep_texts(self, texts: dict[str, str]) -> None:
        """Keep shared parts of records."""
        if texts:
            rows = list(texts.items())
            self._attempt(lambda db: _done(db.executemany("INSERT OR REPLACE INTO texts VALUES (?,?)", rows)), 0)

    def scores(self) -> dict[str, str]:
        """All scores that are kept, by what they were computed from."""
        return self._attempt(lambda db: dict(db.execute("SELECT key, value FROM scores").fetchall()), {})

    def keep_scores(self, key: str, value: str) -> None:
        """Keep scores by what they were computed from."""
        row = (key, value)
        self._attempt(lambda db: _done(db.execute("INSERT OR REPLACE INTO scores VALUES (?,?)", row)), 0)

    def _attempt(self, action: Callable[[sqlite3.Connection], T], default: T) -> T:
        path = self.path
        for _ in range(2):
            try:
                with closing(_connect(path)) as database, database:
                    return action(database)
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_NOTADB) & 0xFF not in _UNUSABLE:
                    return default  # locked for long, read-only, a full disk
                for name in (path, path.with_name(f"{path.name}-journal")):
                    with suppress(OSError):
                        name.unlink(missing_ok=True)
            except OSError:
                return default
        return default


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=_BUSY_S)
    try:
        database.execute("PRAGMA synchronous = OFF")  # what a power cut damages is made again
        if _written_by(database) != code_digest():
            database.executescript(_TABLES)
            for table in ("units", "texts", "scores"):
                database.execute(f"DELETE FROM {table}")
            database.execute("INSERT OR REPLACE INTO about VALUES ('code', ?)", (code_digest(),))
            database.commit()
    except BaseException:
        database.close()
        raise
    return database


def _written_by(database: sqlite3.Connection) -> str:
    """The code that wrote the index; empty for a new one."""
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'about'").fetchone() is None:
        return ""
    row = database.execute("SELECT value FROM about WHERE name = 'code'").fetchone()
    return "" if row is None else str(row[0])


def _done(_: object) -> int:
    return 1
