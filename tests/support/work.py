"""Work for the runner that is a few jobs by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.jobs.executors.executor import Executor
from harness.jobs.job import Job
from harness.jobs.result import JobResult
from harness.jobs.runner import Work, run
from harness.sources.content_check import Sources


class Jobs(Work[str]):
    """Jobs by name; ``outcomes`` has what came of them in the order in which they ended."""

    title, noun = "jobs", "job"

    def __init__(self, folder: Path, jobs: Mapping[str, Job | Callable[[], Job]]) -> None:
        self.place = folder
        self.jobs = dict(jobs)
        self.todo = list(self.jobs)
        self.outcomes: dict[str, JobResult | Exception] = {}
        self.over: set[str] = set()

    def folder(self, key: str) -> Path:
        return self.place / "locks" / key

    def found(self, key: str) -> bool:
        return key in self.over

    def job(self, key: str) -> Job:
        job = self.jobs[key]
        return job() if callable(job) else job

    def slides(self, key: str) -> tuple[str, ...]:
        return (key,)

    def record(self, key: str, outcome: JobResult | Exception) -> None:
        self.outcomes[key] = outcome


def run_jobs(
    executor: Executor, folder: Path, jobs: Mapping[str, Job | Callable[[], Job]], sources: Sources | None = None
) -> dict[str, JobResult | Exception]:
    """What comes of ``jobs``."""
    work = Jobs(folder, jobs)
    run(work, executor, sources or Sources())
    return work.outcomes
