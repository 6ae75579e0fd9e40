"""Hyper-parameters: one declaration gives default, check, command-line type, documentation and search space."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, dataclass_transform

from harness.errors import UsageError
from harness.suggest import unknown

Source = Literal["paper", "code", "ours"]


@dataclass(frozen=True)
class Field:
    """What is known about one hyper-parameter beside its default.

    Attributes:
        low, high: search range (inclusive), None when it is not tuned.
        log: whether the range is searched on a logarithmic scale.
        choices: the allowed values; with ``tuned`` the search space (of numbers, others may still be set).
        tuned: whether a tuner may change it.
        source: where the default comes from: the paper, the published code, or our own choice.
        help: one line on what it does, with its unit.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] | None = None
    tuned: bool = False
    source: Source = "ours"
    help: str = ""


def tunable(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    choices: tuple[Any, ...] | None = None,
    source: Source = "ours",
    help: str = "",
) -> Any:
    """A hyper-parameter that a tuner may change: its default and its search range (or choices)."""
    if (low is None) != (high is None) or (low is None) == (choices is None):
        raise TypeError("tunable() takes either low and high, or choices")
    field = Field(low, high, log, choices, True, source, help)
    return dataclasses.field(default=default, metadata={"bench": field})


def fixed(default: Any, *, choices: tuple[Any, ...] | None = None, source: Source = "ours", help: str = "") -> Any:
    """A hyper-parameter that a user may set but a tuner leaves alone."""
    return dataclasses.field(default=default, metadata={"bench": Field(choices=choices, source=source, help=help)})


def redeclared(owner: type[Params], name: str, default: Any, *, source: Source = "ours", help: str = "") -> Any:
    """The hyper-parameter ``name`` of a base class with another default.

    Its choices, range and help stay what the base class says, so that they are written once.

    Args:
        owner: the class that declares it.
        name: its name there.
        default: the new default.
        source: where the new default comes from.
        help: another help line; empty keeps the old one.
    """
    known: Field = owner.__dataclass_fields__[name].metadata["bench"]
    field = dataclasses.replace(known, source=source, help=help or known.help)
    return dataclasses.field(default=default, metadata={"bench": field})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(tunable, fixed, redeclared))
class Params:
    """Base of every method's hyper-parameters. A subclass only lists annotated fields.

    Example:
        class Params(harness.Params):
            lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, help="learning rate")
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def describe(cls) -> dict[str, tuple[Any, Field, Any]]:
        """Name → (type, what is known about it, default), in the order of declaration."""
        hints = typing.get_type_hints(cls)
        return {
            field.name: (hints[field.name], field.metadata.get("bench", Field()), field.default)
            for field in dataclasses.fields(cls)
        }

    @classmethod
    def build(cls, values: Mapping[str, Any], *, place: str) -> typing.Self:
        """Parameters from a mapping whose values may still be text, checked.

        Args:
            values: name → value; a missing name keeps its default.
            place: where the values come from, for the error.

        Raises:
            UsageError: unknown name, wrong type, or a value that is not among the choices.
        """
        known = cls.describe()
        clean = {}
        for name, value in values.items():
            if name not in known:
                raise unknown("hyper-parameter", name, known, place=place, listing="bench methods show METHOD")
            hint, field, _ = known[name]
            clean[name] = _convert(value, hint, field, f"{place}: {name}")
        params = cls(**clean)
        params.check(place)
        return params

    def check(self, place: str) -> None:
        """Raise UsageError where values do not go together. Override to add rules."""

    def as_dict(self) -> dict[str, Any]:
        """The values, JSON-able."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _convert(value: Any, hint: Any, field: Field, place: str) -> Any:
    """``value`` as the type ``hint``, or a UsageError that says what is expected."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    if type(None) in options and (value is None or str(value).lower() in {"none", "null"}):
        return None
    for option in options:
        if option is not type(None):
            converted = _as_type(value, option)
            if converted is not _NO:
                return _chosen(converted, field, place)
    names = " or ".join("none" if option is type(None) else _type_name(option) for option in options)
    raise UsageError(f"{value!r} is not a valid value", place=place, fix=f"give a value of type {names}")


_NO = object()
_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def _as_type(value: Any, kind: Any) -> Any:
    """``value`` converted without loss to ``kind``, or ``_NO``."""
    if typing.get_origin(kind) is tuple:
        return _as_tuple(value, typing.get_args(kind)[0])
    if kind is bool:
        return value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower(), _NO)
    if isinstance(value, bool):
        return _NO
    if kind in (int, float):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            return _NO
        # Infinity and NaN have no place in the canonical JSON that a unit is hashed from.
        if not math.isfinite(number) or (kind is int and not number.is_integer()):
            return _NO
        return kind(number)
    return value if isinstance(value, kind) else _NO


def _as_tuple(value: Any, kind: Any) -> Any:
    """A list, or a single value, as a tuple of ``kind`` (``tuple[int, ...]``), or ``_NO``."""
    items = [_as_type(item, kind) for item in (value if isinstance(value, list | tuple) else [value])]
    return _NO if any(item is _NO for item in items) else tuple(items)


def _type_name(kind: Any) -> str:
    return str(kind) if typing.get_args(kind) else str(kind.__name__)


def _chosen(value: Any, field: Field, place: str) -> Any:
    # Numbers to search among do not bound what a user may set; words name the ways there are.
    searched = field.tuned and isinstance(value, int | float) and not isinstance(value, bool)
    if field.choices is not None and not searched and value not in field.choices:
        raise unknown("value", str(value), map(str, field.choices), place=place, listing="bench methods show METHOD")
    return value
