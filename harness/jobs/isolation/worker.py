"""Runs jobs on this machine, each in a fresh process: sends them to a worker process, and reads their results."""

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
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from harness.core import interpreter
from harness.core.errors import MethodError
from harness.core.screen import Screen
from harness.jobs.executors.executor import Resources
from harness.jobs.failures import WorkerDiedError, deserialised
from harness.jobs.isolation.exit_status import exit_status
from harness.jobs.isolation.job_process import INTERRUPTED
from harness.jobs.job import Job
from harness.jobs.result import JobResult

_SIGNAL_S = 0.2
"""Seconds in which a signal to the whole process group reaches this process too, and interrupts it."""


class Worker:
    """Runs one job at a time, each in a fresh process. Use it as a context; it starts with the first job.

    Args:
        resources: threads and environment variables of a job.
    """

    def __init__(self, resources: Resources | None = None) -> None:
        given = resources or Resources()
        counted = {} if given.threads is None else {"OMP_NUM_THREADS": str(given.threads)}
        variables = interpreter.variables({**os.environ, **given.variables})
        self.environment = {**variables, "PYTHONUNBUFFERED": "1", **counted}
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._job_pid: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, job: Job) -> JobResult:
        """Run a job and read its result.

        Raises:
            BenchError: what the job raised, with its traceback as ``__cause__``.
            JobFailedError: the job raised anything else.
            WorkerDiedError: its process died: out of memory, a crash of a library.
            KeyboardInterrupt: it was interrupted.
        """
        shutil.rmtree(job.result_folder, ignore_errors=True)
        failure: dict[str, Any] = {}
        try:
            connection = self._connect()
            connection.send_bytes(pickle.dumps(job))
            code = self._attend(connection, failure)
        except (EOFError, BrokenPipeError, ConnectionError) as error:
            self.close()
            time.sleep(_SIGNAL_S)
            raise _died(job, "its process and the worker process that started it are gone") from error
        except BaseException:
            self.close()
            raise
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if "died" in failure:
            raise _died(job, str(failure["died"]))
        if failure:
            raise deserialised(failure)
        if code != 0:
            raise _died(job, exit_status(code))
        try:
            return JobResult.load(job.result_folder)
        except MethodError as error:  # nothing that its method did, or it would have been reported
            raise WorkerDiedError(error.problem, place=error.place, fix=error.fix) from error

    def close(self) -> None:
        """End the processes; a job under way is stopped, and continues from its checkpoint another time."""
        if self._job_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._job_pid, signal.SIGTERM)
            self._job_pid = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _connect(self) -> Connection:
        if self._connection is None:
            ours, theirs = socket.socketpair()
            with theirs:
                command = interpreter.command("-m", "harness.jobs.isolation.worker_process", str(theirs.fileno()))
                self._process = subprocess.Popen(
                    command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=self.environment
                )
            self._connection = Connection(ours.detach())
            self._connection.recv_bytes()  # ready
        return self._connection

    def _attend(self, connection: Connection, failure: dict[str, Any]) -> int:
        """Show what comes in until the job has ended; its exit code, below 0 for a signal."""
        with Screen() as screen:
            while True:
                message: dict[str, Any] = json.loads(connection.recv_bytes())
                match message["op"]:
                    case "started":
                        self._job_pid = message["pid"]
                    case "failed":
                        failure.update(message)
                    case "ended":
                        self._job_pid = None
                        return int(message["code"])
                    case _:
                        screen.show(message)


def _died(job: Job, how: str) -> WorkerDiedError:
    return WorkerDiedError(
        f"the process that trained this unit died: {how}",
        place=job.name,
        fix="the same command continues from the last checkpoint; if memory ran out, take fewer tiles at a time",
    )
