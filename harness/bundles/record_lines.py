"""The records of a study as lines of JSON: what all of them say stands once, in the first line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.errors import DataError
from harness.core.hashing import canonical_json
from harness.core.reading import parse_json

_DEPTH = 2
"""How deep equal fields are looked for: those of a record, and those of its specification, scores ..."""

Value = Mapping[str, Any]


def record_lines(records: Sequence[Value]) -> str:
    """Records as text: a line of what they share, then a line of each one's own.

    Args:
        records: JSON values, at least one.
    """
    shared = _shared(records, _DEPTH)
    lines = [shared, *(_without(record, shared) for record in records)]
    return "".join(f"{canonical_json(line)}\n" for line in lines)


def read_record_lines(text: str, place: str) -> list[dict[str, Any]]:
    """The records that :func:`record_lines` wrote.

    Raises:
        DataError: it is another text: not JSON, without a record, or written in another way.
    """
    problem = "it is not written as bench leaderboard submit writes it"
    values = []
    for number, line in enumerate(text.split("\n")[:-1], start=1):
        try:
            value = parse_json(line)
        except ValueError as error:
            raise _wrong(f"line {number} is no JSON: {error}", place) from None
        if not isinstance(value, dict):
            raise _wrong(f"line {number} is no record", place)
        values.append(value)
    if len(values) < 2:
        raise _wrong("there is no record in it", place)
    records = [_merged(values[0], own) for own in values[1:]]
    try:
        written = record_lines(records)
    except (ValueError, RecursionError):  # NaN, surrogates
        raise _wrong(problem, place) from None
    if written != text:
        raise _wrong(problem, place)
    return records


def _shared(values: Sequence[Value], depth: int) -> dict[str, Any]:
    first, *others = values
    found: dict[str, Any] = {}
    for name, value in first.items():
        if all(name in one and _same(one[name], value) for one in others):
            found[name] = value
        elif depth > 1 and all(isinstance(one.get(name), dict) for one in values):
            found[name] = _shared([one[name] for one in values], depth - 1)
    return {name: value for name, value in found.items() if value != {} or first[name] == {}}


def _same(a: Any, b: Any) -> bool:
    """Whether two values are written alike: 1, 1.0 and true are equal in Python, and not the same text."""
    return a == b and canonical_json(a) == canonical_json(b)


def _without(value: Value, shared: Value) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for name, one in value.items():
        if name not in shared:
            own[name] = one
        elif not _same(one, shared[name]):
            own[name] = _without(one, shared[name])
    return own


def _merged(shared: Value, own: Value) -> dict[str, Any]:
    both = {
        name for name in shared.keys() & own.keys() if isinstance(shared[name], dict) and isinstance(own[name], dict)
    }
    return {**shared, **own, **{name: _merged(shared[name], own[name]) for name in both}}


def _wrong(problem: str, place: str) -> DataError:
    return DataError(
        f"the bundle is refused: {problem}", place=place, fix="pack it again: bench leaderboard submit STUDY"
    )
