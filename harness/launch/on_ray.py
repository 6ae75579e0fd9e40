"""The Ray launcher: errands as tasks of a Ray cluster, on this machine or on many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.core import console
from harness.core.errors import BenchError
from harness.launch.ray_cluster import Cluster
from harness.launch.ray_task import Call, do, outcome_of
from harness.launch.workers import WorkerDiedError

if TYPE_CHECKING:
    from harness.launch.child import Errand
    from harness.launch.launcher import Key
    from harness.unit.answer import UnitAnswer

TRIES = 3
"""How often a unit is begun before the loss of its worker is its failure."""

_LOOK_S = 1.0
"""Seconds after which is looked whether the cluster has grown."""


@dataclass
class _Task:
    """An errand under way."""

    key: Any
    errand: Errand
    call: Call
    tries: int = 1


class OnRay:
    """Does errands in Ray tasks; see :class:`harness.launch.launcher.Launcher`.

    A Ray worker trains nothing itself: it has each errand done by a :class:`harness.launch.workers.Worker`, as the
    inline launcher does, with the same number of threads and so to the same bits.

    Args:
        cluster: the connection to Ray; it is opened and closed with this context.
        threads: threads that an errand computes with.
        cpus: cores that Ray sets aside for an errand.
        gpus: GPUs that Ray sets aside for an errand.
        variables: environment variables of an errand's process, beside ours.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        threads: int,
        cpus: int,
        gpus: float,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._threads = threads
        self._variables = dict(variables or {})
        self._wants = {"num_cpus": cpus, "num_gpus": gpus}

    def __enter__(self) -> Self:
        self._cluster.__enter__()
        ray = self._ray = self._cluster.ray
        # Trying again is done here, where it can be counted and told.
        self._do = ray.remote(max_retries=0, scheduling_strategy="SPREAD", **self._wants)(do)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cluster.close()

    def run(self, tasks: Iterable[tuple[Key, Callable[[], Errand]]]) -> Iterator[tuple[Key, UnitAnswer | Exception]]:
        """Do every errand, a bounded number at once."""
        under_way: dict[Any, _Task] = {}
        coming = iter(tasks)
        more = True
        try:
            while more or under_way:
                while more and len(under_way) < self._cluster.room():
                    task = self._next(coming)
                    if task is None:
                        more = False
                    elif isinstance(task, _Task):
                        under_way[self._do.remote(task.call)] = task
                    else:
                        yield task
                yield from self._ended(under_way)
        finally:
            self._cancel(under_way)

    def _next(
        self, coming: Iterator[tuple[Key, Callable[[], Errand]]]
    ) -> _Task | tuple[Key, UnitAnswer | Exception] | None:
        """The next errand, or why it cannot be made; None when there is none."""
        for key, make in coming:
            try:
                errand = make()
                return _Task(key, errand, Call.of(errand, self._threads, self._variables))
            except Exception as error:  # a unit is user code: whatever it raises must not stop the others
                return key, error
        return None

    def _ended(self, under_way: dict[Any, _Task]) -> Iterator[tuple[Any, UnitAnswer | Exception]]:
        """Wait a little for errands to end; those that lost their worker are begun again."""
        if not under_way:
            return
        ready, _ = self._ray.wait(list(under_way), num_returns=1, timeout=_LOOK_S)
        for one in ready:
            task = under_way.pop(one)
            outcome = self._outcome(one, task)
            if isinstance(outcome, WorkerDiedError) and task.tries < TRIES:
                task.tries += 1
                console.note(f"{outcome.place}: {outcome.problem}; try {task.tries} of {TRIES}")
                under_way[self._do.remote(task.call)] = task
            else:
                yield task.key, outcome

    def _outcome(self, one: Any, task: _Task) -> UnitAnswer | Exception:
        from ray.exceptions import LocalRayletDiedError, RayError, RayTaskError

        try:
            told = self._ray.get(one)
        except LocalRayletDiedError as error:  # no unit's fault, and none would get any further
            raise BenchError(
                "Ray on this machine has ended amid the run",
                place="--launcher ray",
                fix="the same command continues; if it happens again, look at the memory, and at Ray's log by --debug",
            ) from error
        except RayTaskError as error:  # what it raised outside the errand: it could not even be begun
            return error
        except RayError as error:
            return self._lost(task, f"its worker is lost ({_first_line(error)})")
        if "died" in told:
            return self._lost(task, f"{told['died']} (node {told['node']})")
        return outcome_of(told, task.errand)

    def _lost(self, task: _Task, how: str) -> WorkerDiedError:
        often = f", {task.tries} times" if task.tries >= TRIES else ""
        return WorkerDiedError(
            f"{how}{often}",
            place=task.errand.order.unit_id,
            fix="the same command continues from the last checkpoint; if memory ran out, give a unit more of it",
        )

    def _cancel(self, under_way: dict[Any, _Task]) -> None:
        """End what is under way: nobody waits for it any longer."""
        for one in under_way:
            with suppress(Exception):  # a cluster that is gone has ended it already
                self._ray.cancel(one, force=True)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
