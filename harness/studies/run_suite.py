"""Running a suite: the units of several studies as one piece of work, with one progress, through one executor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core import console
from harness.core.errors import BenchError
from harness.jobs.executors.settings import make_executor
from harness.jobs.runner import Work, run
from harness.results.store import EXECUTORS
from harness.sources.content_check import Sources
from harness.studies.run import Opened, StudyRun, begin

if TYPE_CHECKING:
    from pathlib import Path

    from harness.jobs.job import Job
    from harness.jobs.result import JobResult
    from harness.studies.config import StudyConfig
    from harness.studies.resolve import ResolvedStudy
    from harness.studies.result import StudyResult

Key = tuple[int, str]
"""Number of the study, and id of the unit."""


@dataclass(frozen=True)
class SuiteResult:
    """What a suite came to.

    Attributes:
        studies: results of the studies that could be run, in the order of the suite.
        refused: name of a study → why its data could not be opened, or its splits leak.
    """

    studies: tuple[StudyResult, ...]
    refused: dict[str, BenchError]


def run_suite(studies: Sequence[tuple[ResolvedStudy, StudyConfig]]) -> SuiteResult:
    """Run what is not done of several studies, and summarise all of them.

    A study whose data cannot be opened stops no other. Studies on the same input share what was opened.

    Args:
        studies: resolved, with options that differ in nothing but what is run.

    Raises:
        BenchError: no study at all can be opened.
    """
    opened: Opened = {}
    begun: list[StudyRun] = []
    refused: dict[str, BenchError] = {}
    with console.progress("opening", len(studies)) as bar:
        for resolved, config in studies:
            try:
                begun.append(begin(resolved, config, opened))
            except BenchError as error:
                name = f"{resolved.method_card.name} on {resolved.dataset.name}"
                console.warn(f"{name}: {error.problem} ({error.place}; fix: {error.fix})")
                refused[name] = error
            bar.advance()
    if not begun:
        raise next(iter(refused.values()))
    for one in begun:  # one view in MLflow
        one.units.publisher = begun[0].units.publisher
    if any(one.units.todo for one in begun):
        study, config = begun[0].study, studies[0][1]
        folder = study.store.root / EXECUTORS
        with make_executor(config.launch, study.device, config.devices, folder=folder) as executor:
            for one in begun:
                one.tune(executor)
            run(SuiteUnits(begun), executor, Sources())
    return SuiteResult(tuple(one.result() for one in begun), refused)


class SuiteUnits(Work[Key]):
    """The units of several studies."""

    def __init__(self, studies: Sequence[StudyRun]) -> None:
        super().__init__()
        self.studies = [one.units for one in studies]
        self.sources = [one.study.inputs.sources for one in studies]
        self.todo = [(number, name) for number, units in enumerate(self.studies) for name in units.todo]
        self.title = console.count(len(studies), "study")
        self.total = sum(units.total for units in self.studies)
        self.done = sum(units.done for units in self.studies)

    def folder(self, key: Key) -> Path:
        """Where the evidence of a unit goes."""
        return self.studies[key[0]].folder(key[1])

    def found(self, key: Key) -> bool:
        """Whether another process has ended it."""
        return self.studies[key[0]].found(key[1])

    def job(self, key: Key) -> Job:
        """The job of a unit."""
        return self.studies[key[0]].job(key[1])

    def slides(self, key: Key) -> Sequence[str]:
        """The slides that its job reads."""
        return self.studies[key[0]].slides(key[1])

    def confirmed(self, key: Key, outcome: JobResult | Exception, sources: Sources) -> JobResult | Exception:
        """Each study has files of its own."""
        return super().confirmed(key, outcome, self.sources[key[0]])

    def record(self, key: Key, outcome: JobResult | Exception) -> None:
        """Store what came of it."""
        self.studies[key[0]].record(key[1], outcome)

    def status(self, key: Key) -> str | None:
        """The study that it is of."""
        return self.studies[key[0]].title
