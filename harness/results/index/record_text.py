"""Records as the index keeps them: what many of them share is kept, and parsed, once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.hashing import sha256_text
from harness.results.index.database import Database
from harness.results.record import Record

_SHARED = ("config", "environment")


class RecordTexts:
    """Records to text, and back.

    Args:
        database: the index.
        texts: that are going to be read.
    """

    def __init__(self, database: Database, texts: Sequence[str]) -> None:
        self._database = database
        self._values: dict[str, Any] = {}
        self._new: dict[str, str] = {}
        self._digests: dict[int, tuple[str, Any]] = {}
        self._parsed = {text: value for text in texts if isinstance(value := _parsed(text), dict)}
        wanted = {str(value.get(name)) for value in self._parsed.values() for name in _SHARED}
        for digest, text in database.texts(wanted).items():
            if sha256_text(text) == digest:
                self._values[digest] = _parsed(text)

    def record(self, text: str) -> Record | None:
        """The record that a text stands for; None where it is damaged."""
        value = self._parsed.get(text)
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
