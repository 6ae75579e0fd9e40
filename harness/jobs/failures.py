"""How a job fails: what it raised, or how its process died, carried between processes as text."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from harness.core import errors
from harness.core.errors import BenchError, MethodError, SystemProblemError


class JobFailedError(Exception):
    """Something that a method raised in its own process, other than an error in three lines.

    Attributes:
        reason: what, in one line.
        trace: its traceback, as text.
        own: whether it is the method's fault, and not the machine's (a full disk, no memory).
    """

    def __init__(self, reason: str, trace: str, *, own: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.trace = trace
        self.own = own


class WorkerDiedError(MethodError):
    """A process that trained ended without a result."""


def is_own_fault(error: Exception) -> bool:
    """Whether a job failed by what it did, rather than by the machine: it would fail again."""
    if isinstance(error, JobFailedError):
        return error.own
    return isinstance(error, MethodError) and not isinstance(error, WorkerDiedError)


def describe(error: Exception) -> tuple[str, str]:
    """Why a job failed, in one line, and the traceback of where it did."""
    remote = error if isinstance(error, JobFailedError) else error.__cause__
    trace = remote.trace if isinstance(remote, JobFailedError) else "".join(traceback.format_exception(error))
    error = (SystemProblemError.of(error) if isinstance(error, OSError) else None) or error
    if isinstance(error, BenchError | JobFailedError):
        return str(error), trace
    return f"{type(error).__name__}: {error}", trace


def serialised(error: Exception) -> dict[str, Any]:
    """An error as text; :func:`deserialised` makes the exception again, from nothing that could be executed."""
    _, trace = describe(error)
    error = (SystemProblemError.of(error) if isinstance(error, OSError) else None) or error
    if isinstance(error, BenchError):
        kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == BenchError.__module__)
        return {"kind": kind, "problem": error.problem, "place": error.place, "fix": error.fix, "traceback": trace}
    if isinstance(error, JobFailedError):
        return {"kind": "", "problem": error.reason, "traceback": trace, "own": error.own}
    own = not isinstance(error, OSError | MemoryError)
    return {"kind": "", "problem": f"{type(error).__name__}: {error}", "traceback": trace, "own": own}


def deserialised(failure: Mapping[str, Any]) -> Exception:
    """The exception of :func:`serialised`, its traceback as ``__cause__``."""
    kind = getattr(errors, failure["kind"], None) if failure["kind"] else None
    cause = JobFailedError(str(failure["problem"]), str(failure["traceback"]), own=failure.get("own") is not False)
    if not (isinstance(kind, type) and issubclass(kind, BenchError)):
        return cause
    error = kind(str(failure["problem"]), place=str(failure["place"]), fix=str(failure["fix"]))
    error.__cause__ = cause
    return error
