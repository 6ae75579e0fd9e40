"""The SLURM executor: jobs as tasks of SLURM arrays, submitted with submitit."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field

from harness.core import console, interpreter
from harness.core.errors import UsageError
from harness.core.filelock import try_lock
from harness.jobs.executors.executor import Executor, ExecutorOptions, Resources
from harness.jobs.executors.remote import Call, lost, result_of, run_call
from harness.jobs.executors.scratch import Scratch

if TYPE_CHECKING:
    from harness.jobs.job import Job
    from harness.jobs.result import JobResult

_MOST_QUEUED = 256
_LOOK_S = 2.0
_PREFIX = "slurm-"


class SlurmOptions(ExecutorOptions):
    """Options of the SLURM executor."""

    minutes: int = Field(24 * 60, ge=1, description="Time limit of a job; one that meets it is submitted again.")
    memory_gb: float | None = Field(None, gt=0, description="Main memory of a job.")
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    sbatch: dict[str, str | int] = Field(default_factory=dict, description="Further parameters of sbatch.")
    cluster: Literal["slurm", "local"] = Field("slurm", description="local: processes of this machine, to try it out.")


class Slurm(Executor):
    """Runs jobs in SLURM jobs.

    As with Ray, a :class:`harness.jobs.isolation.worker.Worker` on the node runs each job. A SLURM job ends when the
    command that submitted it does, so that the same command can continue.
    """

    name = "slurm"
    Options = SlurmOptions
    attempts = 3

    def __init__(self, resources: Resources, options: SlurmOptions) -> None:
        super().__init__(resources, options)
        if resources.gpus != int(resources.gpus):
            raise UsageError(
                "SLURM gives a job whole GPUs only",
                place=f"--gpus-per-unit {resources.gpus:g}",
                fix="leave --gpus-per-unit out, or use --launcher ray",
            )
        self._submitit = _submitit()
        self._scratch: Scratch | None = None
        self._some_lost = False

    def __enter__(self) -> Self:
        assert self.resources.folder is not None
        self.resources.folder.mkdir(parents=True, exist_ok=True)
        self._scratch = Scratch(self.resources.folder.absolute(), _PREFIX)
        interpreter.isolate_children()
        try:
            self._queue = self._submitit.AutoExecutor(folder=self._scratch.folder, cluster=self.options.cluster)
        except RuntimeError as error:
            self.close()
            raise UsageError(
                "SLURM is not found on this machine",
                place="--launcher slurm",
                fix="give the command on a login node of the cluster, or leave --launcher out",
            ) from error
        self._queue.update_parameters(**self._parameters())
        return self

    def close(self) -> None:
        """End the jobs that are under way, and remove their files unless one of them was lost."""
        if self._scratch is not None:
            self._scratch.close(keep=self._some_lost)
            with suppress(OSError):
                self._scratch.folder.parent.rmdir()
            self._scratch = None

    def room(self) -> int:
        """SLURM has a queue of its own."""
        return self.resources.parallel or _MOST_QUEUED

    def submit(self, job: Job) -> SlurmJob:
        """Submit a job."""
        (submitted,) = self.submit_many([job])
        return submitted

    def submit_many(self, jobs: Sequence[Job]) -> list[SlurmJob]:
        """Submit jobs as one array."""
        assert self._scratch is not None
        with self._queue.batch():
            entries = [
                self._queue.submit(_run_while_owned, Call.of(job, self.resources), str(self._scratch.owner))
                for job in jobs
            ]
        return [SlurmJob(self, entry, job) for entry, job in zip(entries, jobs, strict=True)]

    def lost(self, job: Job, how: str) -> Exception:
        """The error for a job that left nothing behind; the files of SLURM stay, for their logs."""
        self._some_lost = True
        return lost(job, how)

    def _parameters(self) -> dict[str, Any]:
        options, resources = self.options, self.resources
        found = {
            "name": "wsibench",
            "timeout_min": options.minutes,
            "cpus_per_task": resources.cpus,
            "gpus_per_node": int(resources.gpus) or None,
            "mem_gb": options.memory_gb,
            "slurm_array_parallelism": resources.parallel or _MOST_QUEUED,
            "slurm_additional_parameters": options.sbatch or None,
            **{f"slurm_{name}": getattr(options, name) for name in ("partition", "account", "qos", "constraint")},
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(eq=False)
class SlurmJob:
    """A job in SLURM's queue."""

    executor: Slurm
    entry: Any
    job: Job

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self.entry.done())

    def result(self) -> JobResult:
        """Its result."""
        try:
            outcome = self.entry.result()
        except self.executor._submitit.core.utils.UncompletedJobError as error:
            how = f"its SLURM job {self.entry.job_id} ended without a result"
            raise self.executor.lost(self.job, f"{how}; log: {self.entry.paths.stderr}") from error
        for path in (self.entry.paths.submitted_pickle, self.entry.paths.result_pickle):
            with suppress(OSError):
                path.unlink()
        return result_of(outcome, self.job)

    def cancel(self) -> None:
        """Take it out of the queue, or end it."""
        self.entry.cancel(check=False)


def _run_while_owned(call: Call, owner: str) -> dict[str, Any]:
    """Run a job in a SLURM job, which ends as soon as nobody holds the lock of ``owner``."""
    threading.Thread(target=_end_without, args=(Path(owner),), daemon=True).start()
    return run_call(call)


def _end_without(owner: Path) -> None:
    with suppress(FileNotFoundError), owner.open("rb") as file:
        while (free := try_lock(file)) is False:
            time.sleep(_LOOK_S)
        if free is None:  # this disk has no locks, so nothing can be told from them
            return
    os._exit(1)


def _submitit() -> Any:
    """The package, asked to keep quiet."""
    try:
        import submitit
    except ImportError as error:
        raise UsageError(
            "submitit is not installed", place="--launcher slurm", fix="pip install 'wsibench[slurm]'"
        ) from error
    if not console.debugging():
        logging.getLogger("submitit").setLevel(logging.ERROR)
    return submitit
