"""The one loop that runs jobs: units, trials, and the trainings of selection-bias studies."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Hashable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from harness.core import console
from harness.jobs.executors.executor import ExecutorLostError
from harness.jobs.failures import WorkerDiedError
from harness.jobs.locks import FolderLocks

if TYPE_CHECKING:
    from pathlib import Path

    from harness.jobs.executors.executor import Executor, Submitted
    from harness.jobs.job import Job
    from harness.jobs.result import JobResult
    from harness.sources.content_check import Sources

_WAIT_S = 1.0
_LOCKED_S = 0.5

Key = TypeVar("Key", bound=Hashable)


class Work(ABC, Generic[Key]):
    """What a study wants to have run, by keys of its own.

    Attributes:
        title: what the progress bar says.
        noun: what a piece of it is called.
        total, done: how many pieces there are, and how many are done already.
        todo: what is pending. What is found or recorded is taken out of it.
    """

    title = ""
    noun = "unit"
    total = 0
    done = 0

    def __init__(self) -> None:
        self.todo: list[Key] = []

    def pending(self) -> Sequence[Key]:
        """What is to be run; empty at the end. Results may bring more of it."""
        return self.todo

    @abstractmethod
    def folder(self, key: Key) -> Path:
        """Where the files of a piece go; it is locked while the piece is run."""

    @abstractmethod
    def found(self, key: Key) -> bool:
        """Whether its result is there, of another process or an earlier run; it is taken into account then."""

    @abstractmethod
    def job(self, key: Key) -> Job:
        """The job; whatever this raises is recorded as the outcome."""

    @abstractmethod
    def slides(self, key: Key) -> Sequence[str]:
        """The slides that the job reads, by their own ids."""

    @abstractmethod
    def record(self, key: Key, outcome: JobResult | Exception) -> None:
        """Store what came of it."""

    def confirmed(self, key: Key, outcome: JobResult | Exception, sources: Sources) -> JobResult | Exception:
        """What came of a piece, if the files that it reads did not change meanwhile; else an error that says so."""
        return sources.confirmed(outcome, self.slides(key))

    def status(self, key: Key) -> str | None:
        """What to say behind the progress bar after this piece; None for nothing new."""
        return None


def run(work: Work[Key], executor: Executor, sources: Sources) -> None:
    """Run everything that is pending, each piece once, however many processes share the runs folder.

    A piece that another process holds is left for later. At the end its process has finished it, or is gone and the
    piece is run here.

    Args:
        work: what is run, and what is done with the outcome.
        executor: where it runs, entered.
        sources: the files that jobs read; an outcome counts only if they did not change meanwhile.

    Raises:
        ExecutorLostError: the executor is gone.
    """
    with FolderLocks() as locks, console.progress(work.title, work.total) as bar:
        bar.advance(work.done)
        loop = _Loop(work, executor, sources, locks, bar)
        while pending := work.pending():
            loop.run(pending)
            loop.wait()


@dataclass(eq=False)
class _UnderWay(Generic[Key]):
    key: Key
    job: Job
    attempt: int = 1


class _Loop(Generic[Key]):
    def __init__(
        self, work: Work[Key], executor: Executor, sources: Sources, locks: FolderLocks, bar: console.Bar
    ) -> None:
        self.work = work
        self.executor = executor
        self.sources = sources
        self.locks = locks
        self.bar = bar
        self.elsewhere: list[Key] = []
        self.noted = False

    def run(self, keys: Sequence[Key]) -> None:
        """Run what no other process holds."""
        self.elsewhere = []
        with closing(self._outcomes(self._locked(list(keys)))) as outcomes:
            for key, outcome in outcomes:
                self.work.record(key, outcome)
                self._ended(key)

    def wait(self) -> None:
        """Wait until one of the pieces that others hold is free: its process has finished it, or is gone."""
        if self.elsewhere and not self.noted:
            pieces = console.count(len(self.elsewhere), self.work.noun)
            console.note(f"waiting for {pieces} that other processes are running")
            self.noted = True
        folders = [self.work.folder(key) for key in self.elsewhere]
        while folders and not any(self.locks.take(folder) for folder in folders):
            time.sleep(_LOCKED_S)

    def _locked(self, keys: Sequence[Key]) -> Iterator[Key]:
        for key in keys:
            if not self.locks.take(self.work.folder(key)):
                self.elsewhere.append(key)
            elif self.work.found(key):
                self._ended(key)
            else:
                yield key

    def _ended(self, key: Key) -> None:
        self.work.todo.remove(key)
        self.locks.release(self.work.folder(key))
        self.bar.advance(status=self.work.status(key))

    def _outcomes(self, keys: Iterator[Key]) -> Generator[tuple[Key, JobResult | Exception], None, None]:
        """Outcomes in the order in which jobs end; leaving early cancels what is under way."""
        under_way: dict[Submitted, _UnderWay[Key]] = {}
        try:
            while True:
                new = list(islice(keys, max(0, self.executor.room() - len(under_way))))
                if not new and not under_way:
                    return
                yield from self._started(new, under_way)
                yield from self._collected(under_way)
        finally:
            for submitted in under_way:
                with suppress(Exception):  # a cluster that is gone has ended it already
                    submitted.cancel()

    def _started(
        self, keys: Sequence[Key], under_way: dict[Submitted, _UnderWay[Key]]
    ) -> Iterator[tuple[Key, Exception]]:
        """Submit the jobs of ``keys``; yields those that cannot be made or submitted."""
        made: list[_UnderWay[Key]] = []
        for key in keys:
            try:
                made.append(_UnderWay(key, self.work.job(key)))
            except Exception as error:  # such as a method's own check: it must not stop the others
                yield key, error
        if made:
            try:
                self._submit(made, under_way)
            except ExecutorLostError:
                raise
            except Exception as error:
                yield from ((one.key, error) for one in made)

    def _submit(self, made: Sequence[_UnderWay[Key]], under_way: dict[Submitted, _UnderWay[Key]]) -> None:
        submitted = self.executor.submit_many([one.job for one in made])
        under_way.update(zip(submitted, made, strict=True))

    def _collected(self, under_way: dict[Submitted, _UnderWay[Key]]) -> Iterator[tuple[Key, JobResult | Exception]]:
        """Wait a little for jobs to end; those that lost their worker are started again."""
        for submitted in self.executor.wait(list(under_way), _WAIT_S) if under_way else ():
            one = under_way.pop(submitted)
            outcome = _outcome(submitted)
            if isinstance(outcome, WorkerDiedError) and one.attempt < self.executor.attempts:
                one.attempt += 1
                console.note(f"{outcome.place}: {outcome.problem}; attempt {one.attempt} of {self.executor.attempts}")
                self._submit([one], under_way)
                continue
            if isinstance(outcome, WorkerDiedError) and one.attempt > 1:
                problem = f"{outcome.problem}, {one.attempt} times"
                outcome = WorkerDiedError(problem, place=outcome.place, fix=outcome.fix)
            yield one.key, self.work.confirmed(one.key, outcome, self.sources)


def _outcome(submitted: Submitted) -> JobResult | Exception:
    try:
        return submitted.result()
    except ExecutorLostError:
        raise
    except Exception as error:  # a method is user code: whatever it raises must not stop the others
        return error
