"""The near end of a nursery: sends it errands, shows what they report, and brings their answers."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from harness.core import console, errors, interpreter
from harness.core.errors import BenchError, MethodError
from harness.launch.child import INTERRUPTED, Errand
from harness.launch.ending import ending
from harness.unit.answer import UnitAnswer

_SIGNAL_S = 0.2
"""Seconds in which a signal to the whole process group reaches this process too, and interrupts it."""


class WorkFailedError(Exception):
    """Something that a method raised in its own process.

    Attributes:
        reason: what, in one line.
        trace: its traceback, as text.
        own: whether it is the method's doing, and not the machine's (a full disk, no memory).
    """

    def __init__(self, reason: str, trace: str, *, own: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.trace = trace
        self.own = own


class WorkerDiedError(MethodError):
    """A process that trained ended without an answer."""


class Worker:
    """Does one errand at a time, each in a fresh process. Use it as a context; it starts with the first errand.

    Args:
        threads: threads that an errand computes with; None for what the environment says. Sums depend on it: the same
            number gives the same bits, whoever starts the worker.
        environment: environment variables of its processes; None for ours.
    """

    def __init__(self, *, threads: int | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._environment = _environment(os.environ if environment is None else environment, threads)
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._child: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def do(self, errand: Errand) -> UnitAnswer:
        """Do an errand and bring its answer.

        Raises:
            BenchError: what the work raised, with its traceback as ``__cause__``.
            WorkFailedError: the work raised anything else.
            WorkerDiedError: its process died: out of memory, a crash of a library.
            KeyboardInterrupt: it was interrupted.
        """
        shutil.rmtree(errand.answer, ignore_errors=True)
        failure: dict[str, Any] = {}
        try:
            line = self._connect()
            line.send_bytes(pickle.dumps(errand))
            code = self._attend(line, failure)
        except (EOFError, BrokenPipeError, ConnectionError) as error:
            self.close()
            time.sleep(_SIGNAL_S)
            raise _died(errand, "its process and the one that made it are gone") from error
        except BaseException:
            self.close()
            raise
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if "died" in failure:
            raise _died(errand, str(failure["died"]))
        if failure:
            raise raised(failure)
        if code != 0:
            raise _died(errand, ending(code))
        try:
            return UnitAnswer.load(errand.answer)
        except MethodError as error:  # nothing that its method did, or it would have been told
            raise WorkerDiedError(error.problem, place=error.place, fix=error.fix) from error

    def close(self) -> None:
        """End the processes; work under way is stopped, and continues from its checkpoint another time."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGTERM)
            self._child = None
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _connect(self) -> Connection:
        if self._line is None:
            ours, theirs = socket.socketpair()
            with theirs:
                command = interpreter.command("-m", "harness.launch.nursery", str(theirs.fileno()))
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=self._environment
                )
            self._line = Connection(ours.detach())
            self._line.recv_bytes()  # ready
        return self._line

    def _attend(self, line: Connection, failure: dict[str, Any]) -> int:
        """Show what comes in until the work has ended; its exit code, below 0 for a signal."""
        with console.Screen() as screen:
            while True:
                message = json.loads(line.recv_bytes())
                match message["op"]:
                    case "started":
                        self._child = message["pid"]
                    case "failed":
                        failure.update(message)
                    case "ended":
                        self._child = None
                        return int(message["code"])
                    case _:
                        screen.show(message)


def _environment(given: Mapping[str, str], threads: int | None) -> dict[str, str]:
    counted = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**interpreter.variables(given), "PYTHONUNBUFFERED": "1", **counted}


def raised(failure: Mapping[str, Any]) -> Exception:
    """The exception that the work told of."""
    kind = getattr(errors, failure["kind"], None) if failure["kind"] else None
    cause = WorkFailedError(str(failure["problem"]), str(failure["traceback"]), own=failure.get("own") is not False)
    if not (isinstance(kind, type) and issubclass(kind, BenchError)):
        return cause
    error = kind(str(failure["problem"]), place=str(failure["place"]), fix=str(failure["fix"]))
    error.__cause__ = cause
    return error


def _died(errand: Errand, how: str) -> WorkerDiedError:
    return WorkerDiedError(
        f"the process that trained this unit died: {how}",
        place=errand.order.unit_id,
        fix="the same command continues from the last checkpoint; if memory ran out, take fewer tiles at a time",
    )
