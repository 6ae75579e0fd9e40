"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.core.errors import UsageError
from harness.core.folders import expanded
from harness.core.options import folder
from harness.core.suggest import unknown
from harness.studies.config import MOST_PROCESSES, StudyConfig


def folder_option(name: str, help: str) -> Any:
    """An option that takes the path of a folder, with ``~`` replaced; an empty text (``--out "$UNSET"``) is none.

    Args:
        name: with its dashes.
        help: the text for ``--help``.
    """
    return typer.Option(name, help=help, parser=lambda text: folder(text, name), metavar="PATH")


_STUDY = StudyConfig.declared()
DataRoot = Annotated[Path | None, folder_option("--data-root", _STUDY["data_root"].help)]
Out = Annotated[Path | None, folder_option("--out", _STUDY["out"].help)]
Cache = Annotated[Path | None, folder_option("--cache", _STUDY["cache"].help)]
Workers = Annotated[int | None, typer.Option("--workers", min=1, max=MOST_PROCESSES, help=_STUDY["workers"].help)]


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
        help=_STUDY["plugins"].help,
    ),
]


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
