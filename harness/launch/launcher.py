"""What a launcher is: it has errands done, somewhere, and brings the answers as they come in."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from harness.core.errors import BenchError, MethodError, SystemProblemError
from harness.launch.workers import WorkerDiedError, WorkFailedError

if TYPE_CHECKING:
    from harness.launch.child import Errand
    from harness.unit.answer import UnitAnswer

Key = TypeVar("Key")


class Launcher(Protocol):
    """Has errands done. It is a context: leaving it ends what it has started. ``run`` may be called more than once."""

    def __enter__(self) -> Self:
        """Get ready."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process that was started."""

    def run(self, tasks: Iterable[tuple[Key, Callable[[], Errand]]]) -> Iterator[tuple[Key, UnitAnswer | Exception]]:
        """Do every errand; one that fails does not stop the others.

        Args:
            tasks: pairs of a name and a function that makes the errand; it is called when the errand's turn has come.

        Yields:
            The name, and the answer or what went wrong, in the order in which they end. What the consumer does with
            one answer happens in the caller's process; stopping early, or an exception there, ends what is under way.
        """


def is_own_fault(error: Exception) -> bool:
    """Whether work failed by what it did, rather than by the machine: it would fail again."""
    if isinstance(error, WorkFailedError):
        return error.own
    return isinstance(error, MethodError) and not isinstance(error, WorkerDiedError)


def describe(error: Exception) -> tuple[str, str]:
    """Why work failed, in one line, and the traceback of where it did."""
    told = error if isinstance(error, WorkFailedError) else error.__cause__
    trace = told.trace if isinstance(told, WorkFailedError) else "".join(traceback.format_exception(error))
    error = (SystemProblemError.of(error) if isinstance(error, OSError) else None) or error
    if isinstance(error, BenchError | WorkFailedError):
        return str(error), trace
    return f"{type(error).__name__}: {error}", trace
