"""Hyper-parameters: one declaration gives default, check, command-line type, documentation and search space."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, dataclass_transform

from harness.api.effect import Conditions
from harness.core.errors import UsageError, shown
from harness.core.suggest import unknown

Source = Literal["paper", "code", "ours"]


@dataclass(frozen=True)
class Field:
    """What is known about one hyper-parameter beside its default.

    Attributes:
        low, high: search range (inclusive), None when it is not tuned.
        log: whether the range is searched on a logarithmic scale.
        choices: the allowed values; with ``tuned`` the search space (of numbers, others may still be set).
        tuned: whether a tuner may change it.
        ge, gt, le, lt: what it must be at least, above, at most and below, whoever sets it; of a tuple every item. None
            for no such limit.
        source: where the default comes from: the paper, the published code, or our own choice.
        help: one line on what it does, with its unit.
        more: further choices, which plugins may bring.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] | None = None
    tuned: bool = False
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    source: Source = "ours"
    help: str = ""
    more: Callable[[], Collection[Any]] | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The limits that there are, by their names."""
        return {name: limit for name in _LIMITS if (limit := getattr(self, name)) is not None}

    def broken_limit(self, value: Any) -> str:
        """What ``value`` has to be and is not, as ``above 0 and at most 1``; empty where it is within the limits."""
        items = value if isinstance(value, tuple) else (value,)
        numbers = [item for item in items if isinstance(item, int | float)]
        if all(_LIMITS[name][1](number, limit) for name, limit in self.limits.items() for number in numbers):
            return ""
        return " and ".join(f"{_LIMITS[name][0]} {limit:g}" for name, limit in self.limits.items())


_LIMITS = {
    "ge": ("at least", operator.ge),
    "gt": ("above", operator.gt),
    "le": ("at most", operator.le),
    "lt": ("below", operator.lt),
}


def tunable(
    default: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    log: bool = False,
    choices: tuple[Any, ...] | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    source: Source = "ours",
    help: str = "",
) -> Any:
    """A hyper-parameter that a tuner may change: its default and its search range (or choices).

    ``ge``, ``gt``, ``le`` and ``lt`` are the limits of what makes sense at all; the search range lies within them.
    """
    if (low is None) != (high is None) or (low is None) == (choices is None):
        raise TypeError("tunable() takes either low and high, or choices")
    field = Field(low, high, log, choices, True, ge, gt, le, lt, source, help)
    if limit := field.broken_limit((low, high, *(choices or ()))):
        raise TypeError(f"the search range of tunable() has to be {limit}")
    return dataclasses.field(default=default, metadata={"bench": field})


def fixed(
    default: Any,
    *,
    choices: tuple[Any, ...] | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    source: Source = "ours",
    help: str = "",
    more: Callable[[], Collection[Any]] | None = None,
) -> Any:
    """A hyper-parameter that a user may set, within the limits, but a tuner leaves alone."""
    field = Field(choices=choices, ge=ge, gt=gt, le=le, lt=lt, source=source, help=help, more=more)
    return dataclasses.field(default=default, metadata={"bench": field})


def redeclared(owner: type[Params], name: str, default: Any, *, source: Source = "ours", help: str = "") -> Any:
    """The hyper-parameter ``name`` of a base class with another default.

    Its choices, range, limits and help stay what the base class says, so that they are written once.

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

    Attributes:
        only_with: conditions under which a value is read (see :mod:`harness.api.effect`). Setting one that is not
            read is refused.

    Example:
        class Params(harness.Params):
            lr: float = tunable(2e-4, low=1e-5, high=1e-3, log=True, help="learning rate")
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    only_with: ClassVar[Conditions] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, field in vars(cls).items():
            if isinstance(field, dataclasses.Field):
                field.metadata = types.MappingProxyType({"bench": _limited(cls, name, field)})
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
            UsageError: unknown name, wrong type, or a value that is not among the choices or within the limits.
        """
        known = cls.describe()
        clean = {}
        for name, value in values.items():
            if name not in known:
                raise unknown("hyper-parameter", name, known, place=place, listing="bench methods show METHOD")
            hint, field, _ = known[name]
            clean[name] = _convert(value, hint, field, f"{place}: {name}")
            if limit := field.broken_limit(clean[name]):
                raise UsageError(
                    f"{name} must be {limit}, not {shown(value)}",
                    place=f"{place}: {name}",
                    fix="change the value with --set name=value",
                )
        params = cls(**clean)
        params.check(place)
        return params

    def check(self, place: str) -> None:
        """Raise UsageError where values do not go together. Override to add rules."""

    def as_dict(self) -> dict[str, Any]:
        """The values, JSON-able."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _limited(cls: type[Params], name: str, field: dataclasses.Field[Any]) -> Field:
    """What ``field`` declares; without limits of its own it keeps those of the same name in a base class."""
    known: Field = field.metadata.get("bench", Field())
    fields = [vars(base).get("__dataclass_fields__", {}) for base in cls.__mro__[1:]]
    earlier = next((one[name].metadata.get("bench", Field()) for one in fields if name in one), Field())
    return known if known.limits else dataclasses.replace(known, **earlier.limits)


def _convert(value: Any, hint: Any, field: Field, place: str) -> Any:
    """``value`` as the type ``hint``, or a UsageError that says what is expected."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    options = typing.get_args(hint) if is_union else (hint,)
    if type(None) in options and (value is None or _word(value) in {"none", "null"}):
        return None
    for option in options:
        if option is not type(None):
            converted = _as_type(value, option)
            if converted is not _NO:
                return _chosen(converted, field, place)
    names = " or ".join("none" if option is type(None) else _type_name(option) for option in options)
    raise UsageError(f"{shown(value)} is not a valid value", place=place, fix=f"give a value of type {names}")


_NO = object()
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER = 100
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
        return value if isinstance(value, bool) else _BOOLEANS.get(_word(value), _NO)
    if isinstance(value, bool):
        return _NO
    if kind in (int, float):
        return _as_number(value, kind)
    return value if isinstance(value, kind) else _NO


def _as_number(value: Any, kind: type[int] | type[float]) -> Any:
    """A number, or its decimal text, as ``kind``; ``_NO`` for anything else, and for what 64 bits cannot hold."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            return _NO
        value = int(text) if text.lstrip("+-").isdigit() else float(text)
    if not isinstance(value, int | float):
        return _NO
    if isinstance(value, int) and abs(value) >= 2**63:
        return _NO
    # Infinity and NaN have no place in the canonical JSON that a unit is hashed from.
    if not math.isfinite(value) or (kind is int and not (float(value).is_integer() and abs(value) < 2**63)):
        return _NO
    return kind(value)


def _word(value: Any) -> str:
    return value.lower() if isinstance(value, str) else str(value) if isinstance(value, int) and abs(value) < 2 else ""


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
        known = (*field.choices, *(field.more() if field.more else ()))
        if value not in known:
            raise unknown("value", str(value), map(str, known), place=place, listing="bench methods show METHOD")
    return value
