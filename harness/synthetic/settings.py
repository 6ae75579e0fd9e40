"""Settings of a drawing, from a card's mapping to a dataclass, checked."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.core.errors import UsageError, shown
from harness.core.suggest import unknown

Settings = TypeVar("Settings")
_LARGEST = {"seed": 2**63 - 1}


def build(kind: type[Settings], name: str, values: Mapping[str, Any]) -> Settings:
    """``kind`` with ``values``.

    Args:
        kind: a dataclass with fields of plain types.
        name: name of the drawing, for errors.
        values: field → value; an entry ``name`` is ignored.

    Raises:
        UsageError: an unknown or missing setting, or one of the wrong type.
    """
    hints = typing.get_type_hints(kind)
    place = f"drawing {name}"
    given = {key: value for key, value in values.items() if key != "name"}
    for key, value in given.items():
        if key not in hints:
            raise unknown("setting", key, hints, place=place, listing="the documentation")
        wanted = typing.get_origin(hints[key]) or hints[key]
        if wanted is float and type(value) is int:
            given[key] = float(value)
        elif wanted is tuple and isinstance(value, list):
            given[key] = tuple(value)
        elif type(value) is not wanted and wanted in (int, float, str, bool, tuple):
            raise UsageError(
                f"{shown(value)} is not a valid value",
                place=f"{place}, {key}",
                fix=f"give a value of type {wanted.__name__}",
            )
        if wanted in (int, float) and not (0 if key == "seed" else 1e-3) <= value <= _LARGEST.get(key, 2**16):
            raise UsageError(f"{shown(value)} is out of range", place=f"{place}, {key}", fix="give a usual value")
    assert dataclasses.is_dataclass(kind)
    required = [field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING]
    if lacking := [key for key in required if key not in given]:
        raise UsageError(
            f"setting {lacking[0]!r} is missing",
            place=place,
            fix=f"add --{lacking[0].replace('_', '-')}, or {lacking[0]} in a card",
        )
    return kind(**given)
