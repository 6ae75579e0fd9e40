"""What units, trials and trainings of selection-bias studies have in common as work for the runner."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

from harness.jobs.runner import Work
from harness.studies.planned_unit import PlannedUnit, PreparedUnit, prepare

if TYPE_CHECKING:
    from harness.jobs.job import Job
    from harness.jobs.result import JobResult
    from harness.results.store import RunStore
    from harness.sources.inputs import Inputs
    from harness.studies.resolve import ResolvedStudy

Key = TypeVar("Key", bound=Hashable)


class StudyWork(Work[Key]):
    """Work whose pieces are planned units.

    Args:
        resolved: the study, its data looked at.
        inputs: the opened dataset.
        store: the runs folder.
        device: where jobs run.
    """

    def __init__(self, resolved: ResolvedStudy, inputs: Inputs, store: RunStore, device: str) -> None:
        super().__init__()
        self.resolved = resolved
        self.inputs = inputs
        self.store = store
        self.device = device
        self._prepared: dict[Key, PreparedUnit] = {}

    @abstractmethod
    def plan(self, key: Key) -> PlannedUnit:
        """The unit of a key."""

    @abstractmethod
    def store_result(self, key: Key, outcome: JobResult | Exception, prepared: PreparedUnit | None) -> None:
        """Store what came of it. ``prepared`` is None where the job could not be made."""

    def job(self, key: Key) -> Job:
        """The job of a key."""
        self._prepared[key] = prepared = prepare(self.plan(key), self.inputs, self.store.hidden)
        prepared.job.workdir.mkdir(parents=True, exist_ok=True)  # what does not exist cannot be made visible
        return prepared.job

    def slides(self, key: Key) -> Sequence[str]:
        """The slides that its job reads."""
        return self._prepared[key].unit.slides

    def record(self, key: Key, outcome: JobResult | Exception) -> None:
        """Store what came of it."""
        self.store_result(key, outcome, self._prepared.pop(key, None))
