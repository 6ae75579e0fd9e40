"""The local executor: one job after the other on this machine."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from harness.jobs.executors.executor import Executor, Resources
from harness.jobs.isolation.worker import Worker

if TYPE_CHECKING:
    from harness.jobs.job import Job
    from harness.jobs.result import JobResult


class Local(Executor):
    """Runs a job to its end when it is submitted."""

    name = "local"
    reserves = False

    def __init__(self, resources: Resources, options: Any = None) -> None:
        super().__init__(resources, options)
        self.worker = Worker(resources)

    def close(self) -> None:
        """End the worker process."""
        self.worker.close()

    def submit(self, job: Job) -> Future[JobResult]:
        """Run a job."""
        future: Future[JobResult] = Future()
        try:
            future.set_result(self.worker.run(job))
        except Exception as error:  # a method is user code: whatever it raises must not stop the others
            future.set_exception(error)
        return future
