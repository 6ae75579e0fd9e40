"""Settings that are options: one declaration is the field, the word on the command line, the key in a file, the check.

A model of options is a frozen pydantic model whose fields carry an :class:`Option`::

    class Settings(Options):
        workers: Annotated[int | None, Option("workers", count(4096), "Processes for reading.", reads=int)] = None

``Settings.of({"workers": 4})`` reads a configuration file or the command line; ``Settings(workers=4)`` is the same from
Python. Both give the same errors, which name the option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from harness.core.errors import UsageError, shown
from harness.core.folders import expanded
from harness.core.suggest import unknown

LARGEST_SEED = 2**63 - 1
"""The largest seed that every table and every random generator takes."""
MOST_NUMBERS = 10_000

Reader = Callable[[Any, str], Any]
"""Reads the value of an option, given with its name for errors: text from the command line, YAML from a file."""


@dataclass(frozen=True)
class Option:
    """How a field is given.

    Attributes:
        name: its key in a configuration file; on the command line with dashes.
        read: reads and checks a value that is not None.
        help: what ``--help`` says.
        reads: what the parser of the command line makes of the word: ``str``, ``int`` or ``float``; ``bool`` for a pair
            of words, ``--NAME`` and ``--no-NAME``.
        repeatable: whether the command line takes it several times.
        complete: what the shell offers for it: ``methods``, ``datasets`` ...; empty for nothing.
    """

    name: str
    read: Reader
    help: str
    reads: type = str
    repeatable: bool = False
    complete: str = ""

    @property
    def flag(self) -> str:
        """As on the command line."""
        return flag(self.name)

    @property
    def flags(self) -> str:
        """All words for it on the command line, parted by a slash."""
        return f"{self.flag}/{flag('no_' + self.name)}" if self.reads is bool else self.flag

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The field's own schema behind :attr:`read`."""
        return core_schema.no_info_before_validator_function(
            lambda value: None if value is None else self.read(value, self.flag), handler(source)
        )


class Options(BaseModel):
    """A group of settings.

    Attributes:
        panel: the heading of its options in ``--help``; None for none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    panel: ClassVar[str | None] = None

    @classmethod
    def declared(cls) -> dict[str, Option]:
        """Field → its option, in the order of ``--help``."""
        found = {name: [one for one in field.metadata if isinstance(one, Option)] for name, field in _fields(cls)}
        return {name: options[0] for name, options in found.items() if options}

    @classmethod
    def given(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Field → value, of those ``options`` (by their names) that belong to this group and were given."""
        names = {field: option.name for field, option in cls.declared().items()}
        return {field: options[name] for field, name in names.items() if options.get(name) is not None}

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """The group from options by their names; others are left alone.

        Raises:
            UsageError: a value is of the wrong kind or out of range.
        """
        return cls(**cls.given(options))


def _fields(model: type[BaseModel]) -> Iterable[tuple[str, Any]]:
    return model.model_fields.items()


def flag(name: str) -> str:
    """``tune_budget`` as ``--tune-budget``."""
    return "--" + name.replace("_", "-")


def word(value: Any, option: str) -> str:
    """A name."""
    if isinstance(value, str) and value.strip() and "\0" not in value:
        return value
    raise UsageError(f"{shown(value)} is not a name", place=option, fix=f"give one word, or leave {option} out")


def words(value: Any, option: str) -> tuple[str, ...]:
    """One name, or a list of them."""
    return tuple(word(one, option) for one in (value if isinstance(value, list | tuple) else [value]))


def folder(value: Any, option: str) -> Path:
    """The path of a folder, with ``~`` replaced; an empty text (``--out "$UNSET"``) is none."""
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise UsageError(f"{shown(value)} is not a path", place=option, fix="give the path of a folder")
    if not str(value).strip():
        raise UsageError("the path is empty", place=option, fix=f"give {option} a folder, or leave it out")
    return expanded(value)


def count(most: int, what: str = "a whole number") -> Reader:
    """A whole number from 1 to ``most``."""

    def read(value: Any, option: str) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most:
            return value
        raise UsageError(f"{shown(value)} is not {what}", place=option, fix=f"give a number from 1 to {most:,}")

    return read


def yes_or_no(value: Any, option: str) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise UsageError(f"{shown(value)} is neither true nor false", place=option, fix="write true or false")


def one_of(known: Sequence[str], kind: str, listing: str = "bench run --help") -> Reader:
    """One of a few words; another is answered with the nearest."""

    def read(value: Any, option: str) -> str:
        name = word(value, option)
        if name not in known:
            raise unknown(kind, name, known, place=option, listing=listing)
        return name

    return read


_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")


def numbers(value: Any, option: str) -> tuple[int, ...]:
    """Whole numbers and ranges: ``["0-2", "5,7"]`` gives ``(0, 1, 2, 5, 7)``, each once, in the order given.

    Raises:
        UsageError: something else than numbers and rising ranges.
    """
    found: dict[int, None] = {}
    for text in value if isinstance(value, list | tuple) else [value]:
        for part in str(text).split(","):
            match = _RANGE.fullmatch(part.strip())
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if not first <= last < first + MOST_NUMBERS or last > LARGEST_SEED:
                raise UsageError(
                    f"{shown(part)} is not a number from 0 to {LARGEST_SEED}, or a range of at most {MOST_NUMBERS:,}",
                    place=option,
                    fix=f"write {option} 3, {option} 0-4 or {option} 0,2",
                )
            found.update(dict.fromkeys(range(first, last + 1)))
        if len(found) > MOST_NUMBERS:
            raise UsageError(f"more than {MOST_NUMBERS:,} numbers", place=option, fix="give fewer in one command")
    if not found:
        raise UsageError("no number is given", place=option, fix=f"write {option} 3, or leave {option} out")
    return tuple(found)


def assignments(texts: Iterable[str], *, place: str = "--set") -> dict[str, Any]:
    """``key=value`` pairs with YAML values: ``lr=1e-3``, ``flag=true``, ``patience=none``, ``input.mpp=[0.5, 2]``.

    Raises:
        UsageError: no ``=``, no key, a key that is repeated with another value, or a value that is no YAML.
    """
    from harness.core.plain_yaml import YamlError, parse_yaml

    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"{shown(text)} is not key=value", place=place, fix=f"write {place} lr=1e-3")
        try:
            read = parse_yaml(value)
        except YamlError as error:
            raise UsageError(
                f"{shown(value)} cannot be read as a value: {error.problem}",
                place=f"{place} {key}",
                fix="write a number, a word or a list",
            ) from error
        if values.setdefault(key, read) != read:
            raise UsageError(
                f"{key} is set twice: {shown(values[key])} and {shown(read)}", place=place, fix="set it once"
            )
    return values


def settings(value: Any, option: str) -> dict[str, Any]:
    """``key=value`` words, or a mapping in a configuration file."""
    if isinstance(value, Mapping):
        return {str(name): one for name, one in value.items()}
    return assignments(map(str, value if isinstance(value, list | tuple) else [value]), place=option)
