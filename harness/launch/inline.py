"""The inline launcher: units one after the other on this machine, each in a process of its own."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from harness import console
from harness.errors import BenchError
from harness.launch.workers import Worker, WorkFailedError

if TYPE_CHECKING:
    from harness.launch.child import Errand
    from harness.unit.answer import UnitAnswer
    from harness.unit.spec import UnitSpec

Run = Callable[["UnitSpec", Callable[["Errand"], "UnitAnswer"]], None]
"""Runs one unit and stores its evidence; is given what does errands."""


def run_inline(
    units: Iterable[UnitSpec],
    run: Run,
    failed: Callable[[UnitSpec, str, str], None],
    *,
    after: Callable[[], None],
) -> None:
    """Run every unit; one that fails is reported and the others go on.

    Args:
        units: the units that are not done yet.
        run: runs one unit and stores its evidence.
        failed: is told of a unit that failed: (unit, reason, traceback).
        after: is called after each unit, whatever became of it.
    """
    with Worker() as worker:
        for unit in units:
            try:
                run(unit, worker.do)
            except Exception as error:  # a unit is user code: whatever it raises must not stop the others
                reason, trace = describe(error)
                console.warn(f"unit {unit.unit_id} failed: {reason}")
                failed(unit, reason, trace)
            after()


def describe(error: Exception) -> tuple[str, str]:
    """Why a unit failed, in one line, and the traceback of where it did."""
    told = error if isinstance(error, WorkFailedError) else error.__cause__
    trace = told.trace if isinstance(told, WorkFailedError) else "".join(traceback.format_exception(error))
    if isinstance(error, BenchError | WorkFailedError):
        return str(error), trace
    return f"{type(error).__name__}: {error}", trace
