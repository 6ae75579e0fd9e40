"""When memory runs out amid a training: the unit continues from its last checkpoint with the next memory fallback."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from harness.training.memory.watch import is_out_of_memory, release

if TYPE_CHECKING:
    from harness.training.run import Run

Result = TypeVar("Result")


def within_memory(attempt: Callable[[], Result], run: Run, unit_id: str) -> Result:
    """The result of ``attempt``, which is repeated with the next memory fallback whenever it runs out of memory.

    Several devices do not start again: those that did not run out wait amid a step for the one that did.

    Args:
        attempt: trains and predicts, from the last checkpoint.
        run: its run; what an attempt that failed has left in it is dropped.
        unit_id: for the error.

    Raises:
        MethodError: the memory ran out, and no fallback is left.
    """
    while True:
        try:
            return attempt()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = f"memory ran out ({(str(error).splitlines() or [type(error).__name__])[0]})"
        # The exception held on to everything in the frames that it came through; now it is gone.
        release()
        if run.ranks.several:
            raise run.memory.error(place=unit_id, reason=reason)
        run.memory.ran_out += 1
        run.fall_back(reason, place=run.label or unit_id)
        run.curve.clear()
        run.facts.clear()
