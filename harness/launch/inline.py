"""The inline launcher: one errand after the other on this machine, each in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.launch.workers import Worker

if TYPE_CHECKING:
    from harness.launch.child import Errand
    from harness.launch.launcher import Key
    from harness.unit.answer import UnitAnswer


class Inline:
    """Does errands one after the other; see :class:`harness.launch.launcher.Launcher`.

    Args:
        threads: threads that an errand computes with; None for what the environment says.
        variables: environment variables of an errand's process, beside ours.
    """

    def __init__(self, threads: int | None = None, variables: Mapping[str, str] | None = None) -> None:
        self._worker = Worker(threads=threads, environment={**os.environ, **(variables or {})})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()

    def run(self, tasks: Iterable[tuple[Key, Callable[[], Errand]]]) -> Iterator[tuple[Key, UnitAnswer | Exception]]:
        """Do every errand."""
        for key, make in tasks:
            outcome: UnitAnswer | Exception
            try:
                outcome = self._worker.do(make())
            except Exception as error:  # a unit is user code: whatever it raises must not stop the others
                outcome = error
            yield key, outcome
