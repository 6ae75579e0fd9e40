"""``--csv``, ``--json``, ``--latex``, ``--markdown`` and ``--output`` of every command that shows a table."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from harness.cli.options import folder_option
from harness.core import console
from harness.core.atomic import write_text
from harness.core.errors import BenchError, UsageError
from harness.core.folders import writable_folder
from harness.core.table import Column, Table
from harness.core.table_text import WRITERS

_SUFFIXES = {".csv": "csv", ".json": "json", ".tex": "latex", ".md": "markdown"}
_HELP = {
    "csv": "The table as CSV, with all digits.",
    "json": "The table as JSON, with all digits.",
    "latex": "The table as LaTeX, for a paper.",
    "markdown": "The table as Markdown.",
}


def exportable(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that write its tables for programs and papers.

    The command shows them by :func:`harness.core.console.show`, and what it says beside them by ``console.say``.

    Args:
        command: a function for Typer.
    """

    @wraps(command)
    def with_options(*args: Any, output: Path | None = None, **options: Any) -> None:
        form = _form([name for name in WRITERS if options.pop(name)], output)
        if form is None:
            command(*args, **options)
            return
        ended: typer.Exit | BenchError | None = None
        with console.tables_kept() as tables:
            try:
                command(*args, **options)
            except (typer.Exit, BenchError) as exit:  # says by its exit code what its table shows, or fails in part
                ended = exit
        if isinstance(ended, BenchError) and not tables:
            raise ended
        text = WRITERS[form](tables)
        if output is None:
            console.write(text)
        else:
            write_text(output, text)
            console.note(f"written to {output}")
        if ended is not None:
            raise ended

    hints = typing.get_type_hints(command, include_extras=True)
    hints |= {name: Annotated[bool, typer.Option(f"--{name}", help=text)] for name, text in _HELP.items()}
    hints["output"] = Annotated[
        Path | None, folder_option("--output", "File for the table: .csv, .json, .tex or .md (default: the terminal).")
    ]
    defaults: dict[str, Any] = {**dict.fromkeys(_HELP, False), "output": None}
    signature = inspect.signature(command)
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value) for name, value in defaults.items()]
    parameters = [one.replace(annotation=hints[one.name]) for one in (*signature.parameters.values(), *more)]
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = hints
    del with_options.__wrapped__  # Typer would read the options of what it wraps
    return with_options


class _Listed(Protocol):
    """Something that is registered, whole or not."""

    @property
    def name(self) -> str: ...
    @property
    def origin(self) -> str: ...
    @property
    def broken(self) -> str: ...


def show_broken(entries: Iterable[_Listed]) -> None:
    """A table of what cannot be loaded, with its reason; nothing where all can."""
    rows = [{"name": one.name, "from": one.origin, "broken": one.broken} for one in entries if one.broken]
    if rows:
        console.show(Table("Broken", [Column("name"), Column("from"), Column("reason", ("broken",))], rows))


def _form(asked: list[str], output: Path | None) -> str | None:
    """The form that was asked for; None for the terminal's.

    Raises:
        UsageError: several, a file whose ending names none, or one that cannot be written.
    """
    if len(asked) > 1:
        raise UsageError(
            f"a table is written in one form, not {len(asked)}",
            place=" ".join(f"--{name}" for name in asked),
            fix="give one of them, and the command once more for the other",
        )
    if output is None:
        return asked[0] if asked else None
    form = asked[0] if asked else _SUFFIXES.get(output.suffix.lower())
    if form is None:
        raise UsageError(
            f"the ending {output.suffix!r} names no form of a table",
            place=f"--output {output}",
            fix=f"end it in {', '.join(_SUFFIXES)}, or add one of --{', --'.join(_HELP)}",
        )
    writable_folder(output.parent, "--output")
    if output.is_dir():
        raise UsageError("this is a folder", place=f"--output {output}", fix="give the name of a file in it")
    return form
