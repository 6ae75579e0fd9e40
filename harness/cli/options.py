"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.core.errors import UsageError, shown
from harness.core.folders import expanded
from harness.core.suggest import unknown


def folder_option(name: str, help: str) -> Any:
    """An option that takes the path of a folder, with ``~`` replaced; an empty text (``--out "$UNSET"``) is none.

    Args:
        name: with its dashes.
        help: the text for ``--help``.
    """

    def read(text: str) -> Path:
        if not text.strip():
            raise UsageError("the path is empty", place=name, fix=f"give {name} a folder, or leave it out")
        return expanded(text)

    return typer.Option(name, help=help, parser=read, metavar="PATH")


DataRoot = Annotated[
    Path | None,
    folder_option("--data-root", "Folder with the dataset's files (default: $BENCH_DATA/DATASET if it exists)."),
]
Out = Annotated[Path | None, folder_option("--out", "Runs folder (default: runs).")]
Cache = Annotated[
    Path | None, folder_option("--cache", "Folder for prepared data (default: $BENCH_CACHE or ~/.cache/wsibench).")
]
MOST_PROCESSES = 4096
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, max=MOST_PROCESSES, help="Processes for reading (default: number of cores)."),
]
LARGEST_SEED = 2**63 - 1
"""The largest seed that every table and every random generator takes."""


def _use(specs: list[str] | None) -> list[str] | None:
    """Load plugins as soon as they are read from the command line."""
    if specs:
        from harness.api.registry import use_plugin

        for spec in specs:
            use_plugin(spec)
    return specs


Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        callback=_use,
        help="A .py file, package.module or package.module:Class with a method, task, source, metric, ... Repeatable.",
    ),
]

_RANGE = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?")
MOST_NUMBERS = 10_000


def numbers(texts: Iterable[Any], *, place: str) -> tuple[int, ...]:
    """Whole numbers and ranges: ``["0-2", "5,7"]`` gives ``(0, 1, 2, 5, 7)``, each once, in the order given.

    Raises:
        UsageError: something else than numbers and rising ranges.
    """
    found: dict[int, None] = {}
    for text in texts:
        for part in str(text).split(","):
            match = _RANGE.fullmatch(part.strip())
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if not first <= last < first + MOST_NUMBERS or last > LARGEST_SEED:
                raise UsageError(
                    f"{shown(part)} is not a number from 0 to {LARGEST_SEED}, or a range of at most {MOST_NUMBERS:,}",
                    place=place,
                    fix=f"write {place} 3, {place} 0-4 or {place} 0,2",
                )
            found.update(dict.fromkeys(range(first, last + 1)))
        if len(found) > MOST_NUMBERS:
            raise UsageError(f"more than {MOST_NUMBERS:,} numbers", place=place, fix="give fewer in one command")
    if not found:
        raise UsageError("no number is given", place=place, fix=f"write {place} 3, or leave {place} out")
    return tuple(found)


def finite(value: float | None) -> float | None:
    """``value`` of an option; limits alone let NaN pass."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number that can be used")
    return value


def finite_all(values: list[float] | None) -> list[float] | None:
    """As :func:`finite`, for an option that may be repeated."""
    for value in values or ():
        finite(value)
    return values


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


def config_file(path: Path, known: Sequence[str]) -> dict[str, Any]:
    """The options in a YAML file: its keys are option names, with ``-`` or ``_``; ``set`` holds a mapping.

    Returns:
        Option names with ``_`` → values, not yet checked.

    Raises:
        UsageError: the file is missing or is no mapping, or a key is no option.
    """
    from harness.core.plain_yaml import YamlError, read_yaml

    place = f"--config {path}"
    try:
        content = read_yaml(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UsageError(f"the file cannot be read: {reason}", place=place, fix="give a YAML file") from error
    except YamlError as error:
        raise UsageError(
            f"the file is not valid YAML: {error.problem}", place=error.at(place), fix="correct this line"
        ) from error
    if not isinstance(content, Mapping):
        raise UsageError("the file holds no options", place=place, fix="write lines like `method: abmil`")
    options = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise unknown("option", key, known, place=place, listing="bench run --help")
        if name in options:
            raise UsageError(f"the option {name!r} stands twice", place=place, fix="keep one of them")
        options[name] = value
    if not isinstance(options.get("set", {}), Mapping):
        raise UsageError(
            "`set` is not a mapping", place=place, fix="write `set:` and below it, indented, lines like `lr: 1e-3`"
        )
    return options


def data_root_of(dataset: str, given: Path | None) -> Path | None:
    """The data root of a dataset: the one given, else ``$BENCH_DATA/<dataset>`` where that is a folder."""
    if given is not None or not (base := os.environ.get("BENCH_DATA")):
        return given
    folder = expanded(base) / dataset
    return folder if folder.is_dir() else None


def one_of(value: str, known: Sequence[str], *, kind: str, option: str) -> str:
    """``value`` if it is among ``known``; otherwise an error with the nearest one."""
    if value not in known:
        raise unknown(kind, value, known, place=option, listing="bench run --help")
    return value


def device_name(text: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``; whether the device is there is seen when it is used."""
    return text if re.fullmatch(r"cuda:[0-9]{1,4}", text) else one_of(text, DEVICES, kind="device", option="--device")


DEVICES = ("auto", "cpu", "cuda", "cuda:N")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
INPUTS = ("features", "tiles")
