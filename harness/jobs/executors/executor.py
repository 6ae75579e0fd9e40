"""What an executor is: the place where jobs run. A plugin adds one by deriving a class from :class:`Executor`."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict

from harness.core.errors import BenchError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.jobs.job import Job
    from harness.jobs.result import JobResult

_POLL_S = 0.02


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What every job gets.

    Attributes:
        threads: threads that a job computes with; None for what the environment says. On a CPU the last bits of a
            result depend on it, so every executor has to give a job this number.
        cpus: cores to reserve for a job.
        gpus: GPUs to reserve for a job; 0.25 for a quarter of one, 0 for none.
        parallel: jobs that run at once; None leaves it to the executor.
        variables: environment variables of a job's process, beside those of this one.
        folder: for files of the executor's own. It is on the disk of the runs folder, and jobs cannot see it.
    """

    threads: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    parallel: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


class ExecutorOptions(BaseModel):
    """Options of an executor, given as ``--launcher-option NAME=VALUE``. Derive a class from it to declare them."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ExecutorLostError(BenchError):
    """The executor itself is gone, so no job can go on. The command ends; the same command continues."""

    exit_code = 1


class Submitted(Protocol):
    """A job that was submitted. :class:`concurrent.futures.Future` is one."""

    def done(self) -> bool:
        """Whether it has ended."""

    def result(self) -> JobResult:
        """Its result once it has ended; raises what the job raised, or WorkerDiedError."""

    def cancel(self) -> object:
        """Stop it: nobody waits for it any more."""


class Executor(ABC):
    """Runs jobs. It is a context: leaving it ends every process that it has started.

    Where a job runs must not change its result. An executor has each job run by a :class:`harness.api.Worker`, in a
    fresh process that no label of a test slide reaches, with ``resources.threads`` threads.

    Args:
        resources: what every job gets.
        options: its own options, an instance of ``Options``.

    Attributes:
        name: the word behind ``--launcher``.
        Options: its options.
        reserves: whether it reserves resources for jobs and runs several at once; otherwise ``--parallel`` and
            ``--gpus-per-unit`` are refused.
        attempts: how often a job is started before the death of its worker counts as a failure. What a job raises
            counts at once.
    """

    name: ClassVar[str]
    Options: ClassVar[type[ExecutorOptions]] = ExecutorOptions
    reserves: ClassVar[bool] = True
    attempts: ClassVar[int] = 1

    def __init__(self, resources: Resources, options: Any) -> None:
        self.resources = resources
        self.options = options

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:  # noqa: B027  # many have nothing to end
        """End what was started. May be called more than once."""

    def room(self) -> int:
        """Jobs that may be under way at once, at least 1."""
        return self.resources.parallel or 1

    @abstractmethod
    def submit(self, job: Job) -> Submitted:
        """Start a job, or run it to its end.

        Raises:
            ExecutorLostError: no job can be started any more.
        """

    def submit_many(self, jobs: Sequence[Job]) -> Sequence[Submitted]:
        """Start several jobs. Override it where that is cheaper than starting one after the other."""
        return [self.submit(job) for job in jobs]

    def wait(self, submitted: Sequence[Submitted], seconds: float) -> Sequence[Submitted]:
        """Those that have ended, as soon as there is one, or none after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not (ended := [one for one in submitted if one.done()]) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        return ended
