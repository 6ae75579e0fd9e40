"""The Ray executor: jobs as tasks of a Ray cluster, on this machine or on many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator

from harness.accounting.environment import usable_cores
from harness.jobs.executors.executor import Executor, ExecutorLostError, ExecutorOptions, Resources, Submitted
from harness.jobs.executors.ray_cluster import Cluster
from harness.jobs.executors.remote import Call, lost, result_of, run_call

if TYPE_CHECKING:
    from harness.jobs.job import Job
    from harness.jobs.result import JobResult


class RayOptions(ExecutorOptions):
    """Options of the Ray executor."""

    address: str | None = Field(None, description="A cluster that is up: auto or HOST:PORT.")

    @field_validator("address")
    @classmethod
    def _no_client(cls, address: str | None) -> str | None:
        if address is not None and address.startswith("ray://"):
            raise ValueError(
                "Ray's client protocol keeps the files of a run away from its units; the command has to be given on a "
                "node of the cluster, with --address auto"
            )
        return address


class Ray(Executor):
    """Runs jobs in Ray tasks.

    A Ray worker trains nothing itself: it has each job run by a :class:`harness.jobs.isolation.worker.Worker`, as the
    local executor does, with the same number of threads and so to the same bits.
    """

    name = "ray"
    Options = RayOptions
    attempts = 3

    def __init__(self, resources: Resources, options: RayOptions) -> None:
        super().__init__(resources, options)
        self._cluster = Cluster(options.address, resources, cores=usable_cores())

    def __enter__(self) -> Self:
        self._cluster.__enter__()
        self._ray = self._cluster.ray
        # Starting a job again is the runner's matter, where attempts are counted and noted.
        self._run = self._ray.remote(
            max_retries=0,
            scheduling_strategy="SPREAD",
            num_cpus=self.resources.cpus,
            num_gpus=self.resources.gpus,
        )(run_call)
        return self

    def close(self) -> None:
        """Disconnect; a Ray of our own ends."""
        self._cluster.close()

    def room(self) -> int:
        """As many as the cluster has room for at the moment."""
        return self._cluster.room()

    def submit(self, job: Job) -> RayTask:
        """Start a job as a task."""
        return RayTask(self._ray, self._run.remote(Call.of(job, self.resources)), job)

    def wait(self, submitted: Sequence[Submitted], seconds: float) -> Sequence[Submitted]:
        """One call of Ray for all."""
        by_ref = {task.ref: task for task in submitted if isinstance(task, RayTask)}
        ready, _ = self._ray.wait(list(by_ref), num_returns=1, timeout=seconds)
        return [by_ref[ref] for ref in ready]


@dataclass(eq=False)
class RayTask:
    """A job as a Ray task."""

    ray: Any
    ref: Any
    job: Job

    def done(self) -> bool:
        """Whether it has ended."""
        return bool(self.ray.wait([self.ref], timeout=0)[0])

    def result(self) -> JobResult:
        """Its result."""
        from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError

        try:
            outcome = self.ray.get(self.ref)
        except LocalRayletDiedError as error:
            raise ExecutorLostError(
                "Ray on this machine has ended amid the run",
                place="--launcher ray",
                fix="the same command continues; if it happens again, look at the memory, and at Ray's log by --debug",
            ) from error
        except RayTaskError:  # what it raised outside the job: it could not even be started
            raise
        except RayError as error:
            raise lost(self.job, f"its worker is lost ({_first_line(error)})") from error
        return result_of(outcome, self.job)

    def cancel(self) -> None:
        """End it, and its processes."""
        self.ray.cancel(self.ref, force=True)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
