"""The one place that writes to the terminal: messages, tables, progress and errors.

It is not :mod:`logging`: what is said goes beside live progress bars, comes from worker processes through
:func:`relay_to`, and is what a command answers.
"""

from __future__ import annotations

import io
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape as without_markup
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from harness.core.errors import BenchError
from harness.core.table import Table as Values
from harness.core.visible_text import visible as visible_text

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def write_out_what_cannot_be_encoded() -> None:
    """From now on, characters that the encoding of the terminal or pipe lacks are written as ``\\u5207``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="backslashreplace")


def visible(text: str, *, lines: bool = True) -> str:
    """``text`` with everything written out that the terminal would obey or could not show."""
    return visible_text(text, lines=lines, encoding=out.encoding)


def escape(text: str, *, lines: bool = True) -> str:
    """``text`` so that neither Rich's markup nor the terminal obeys anything in it."""
    return without_markup(visible(text, lines=lines))


_debugging = False


def debug(on: bool) -> None:
    """Say whether the user wants to see what is otherwise kept off the terminal."""
    global _debugging
    _debugging = on


def debugging() -> bool:
    """Whether the user wants to see what is otherwise kept off the terminal: ``--debug``."""
    return _debugging


_relay: Callable[[dict[str, Any]], None] | None = None
"""Where a process without a terminal of its own sends what it has to say; see :func:`relay_to`."""


def relay_to(send: Callable[[dict[str, Any]], None]) -> None:
    """From now on send what this process has to say as messages to the process that has the terminal.

    What prints a message there is :class:`Screen`.
    """
    global _relay
    _relay = send


_kept: list[Values] | None = None
"""Where tables go that are not shown here; see :func:`tables_kept`."""


@contextmanager
def tables_kept() -> Iterator[list[Values]]:
    """Within the block, tables are kept in the list instead of shown, and what is said beside them goes to stderr."""
    global _kept
    _kept, before = [], _kept
    try:
        yield _kept
    finally:
        _kept = before


def keeping() -> bool:
    """Whether tables are kept."""
    return _kept is not None


def say(text: str = "", *, style: str | None = None) -> None:
    """A line of output, taken literally (no markup); a note while tables are kept."""
    if _kept is not None:
        if text:
            note(text)
        return
    out.print(escape(text), style=style)


def write(text: str) -> None:
    """``text`` as it is, for programs to read."""
    out.file.write(text)


def note(text: str) -> None:
    """A line about what is going on, on standard error, so that output stays clean to pipe."""
    if _relay is not None:
        _relay({"op": "note", "text": text})
        return
    err.print(escape(text), style="dim")


def warn(text: str) -> None:
    """A warning, on standard error."""
    if _relay is not None:
        _relay({"op": "warn", "text": text})
        return
    err.print(f"warning: {escape(text)}", style="yellow")


def error(problem: BenchError) -> None:
    """An error in three lines: problem, place, fix."""
    err.print(f"[bold red]error:[/] {escape(problem.problem, lines=False)}")
    err.print(f"[bold]   at:[/] {escape(problem.place, lines=False)}")
    err.print(f"[bold]  fix:[/] {escape(problem.fix, lines=False)}")


def flush() -> None:
    """Write out what is still held back."""
    for stream in (out.file, err.file):
        stream.flush()


def count(number: int, noun: str) -> str:
    """``1 unit``, ``2 units``, ``2 studies``."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {noun if number == 1 else many}"


def trace(problem: BaseException) -> None:
    """The traceback of an error, on standard error."""
    err.print(escape("".join(traceback.format_exception(problem)).rstrip()), style="dim")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str | None = None) -> None:
    """A table; cells are taken literally. Columns whose name starts with ``>`` are right-aligned."""
    view = Table(title=escape(title), caption=escape(caption) if caption else None, title_justify="left")
    for column in columns:
        right = column.startswith(">")
        view.add_column(escape(column.removeprefix(">")), justify="right" if right else "left", overflow="fold")
    for row in rows:
        view.add_row(*(escape(cell) for cell in row))
    if out.is_terminal:
        out.print(view)
        return
    pipe = Console(file=out.file, highlight=False, emoji=False)
    pipe.width = max(pipe.width, _PIPED_WIDTH)
    pipe.print(view)


def show(values: Values) -> None:
    """A table of values, as its columns say; kept while tables are kept."""
    if _kept is not None:
        _kept.append(values)
        return
    columns = [f"{'>' * column.right}{column.title}" for column in values.columns]
    table(values.title, columns, values.cells(), caption=values.caption or None)


_PIPED_WIDTH = 160
"""Columns where there is no terminal: what is piped or logged is not folded to the 80 that Rich would assume."""

LINE_SECONDS = 20.0
"""Where there is no terminal, progress is a line at most this often."""


class Bar(Protocol):
    """A progress bar in use."""

    def advance(self, steps: float = 1, *, status: str | None = None) -> None:
        """Move by ``steps``; ``status`` replaces the text behind the bar."""


@dataclass
class LiveBar:
    """A progress bar of this process; without a terminal (a log file, CI), a line now and then."""

    progress: Progress
    task: TaskID
    label: str = ""
    total: float | None = None
    done: float = 0.0
    status: str = ""
    shown: float = field(default_factory=time.monotonic)

    def advance(self, steps: float = 1, *, status: str | None = None) -> None:
        """Move by ``steps``; ``status`` replaces the text behind the bar."""
        self.done += steps
        self.status = self.status if status is None else status
        if self.progress.disable:
            self._tell()
        elif status is None:
            self.progress.advance(self.task, steps)
        else:
            self.progress.update(self.task, advance=steps, status=visible(status, lines=False))

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self.shown >= LINE_SECONDS:
            self.shown = now
            of = "" if self.total is None else f" of {self.total:g}"
            note(f"{self.label}: {self.done:g}{of} {self.status}".rstrip())


@contextmanager
def progress(label: str, total: float | None, *, status: str = "") -> Iterator[Bar]:
    """A progress bar on standard error; a line every 20 seconds where there is no terminal.

    Bars nest: an inner call adds a line to the live display that is already up.
    """
    if _relay is not None:
        with _relayed(_relay, label, total, status) as bar:
            yield bar
        return
    global _live
    outermost = _live is None
    if _live is None:
        _live = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            console=err,
            disable=not err.is_terminal,
        )
        _live.start()
    live = _live
    task = live.add_task(visible(label, lines=False), total=total, status=visible(status, lines=False))
    try:
        yield LiveBar(live, task, label, total)
    finally:
        if outermost:
            live.stop()
            _live = None
        else:
            live.remove_task(task)


_live: Progress | None = None

RELAY_SECONDS = 0.1
"""A relayed bar tells of its progress at most this often."""


@dataclass
class RelayedBar:
    """A progress bar of a process without a terminal: it is shown by the process that has one."""

    send: Callable[[dict[str, Any]], None]
    depth: int
    steps: float = 0.0
    shown: float = field(default_factory=time.monotonic)

    def advance(self, steps: float = 1, *, status: str | None = None) -> None:
        """Move by ``steps``; ``status`` replaces the text behind the bar."""
        self.steps += steps
        if status is not None or time.monotonic() - self.shown >= RELAY_SECONDS:
            self.send({"op": "step", "bar": self.depth, "steps": self.steps, "status": status})
            self.steps, self.shown = 0.0, time.monotonic()


@contextmanager
def _relayed(
    send: Callable[[dict[str, Any]], None], label: str, total: float | None, status: str
) -> Iterator[RelayedBar]:
    global _depth
    send({"op": "open", "label": label, "total": total, "status": status})
    _depth += 1
    try:
        yield RelayedBar(send, _depth - 1)
    finally:
        _depth -= 1
        send({"op": "close"})


_depth = 0  # bars that this process has open
