"""When a GPU's memory runs out all the same: the unit goes on from its last checkpoint, in a way that takes less."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch

from harness import console
from harness.errors import MethodError

if TYPE_CHECKING:
    from harness.training.run import Run

Result = TypeVar("Result")


def within_memory(attempt: Callable[[], Result], run: Run, unit_id: str) -> Result:
    """The result of ``attempt``, which is made again, with less memory, as often as it runs out of it.

    Several devices do not begin anew: those that did not run out wait amid a step for the one that did.

    Args:
        attempt: trains and predicts, from the last checkpoint.
        run: its run; what an attempt that failed has left in it is dropped.
        unit_id: for the error.

    Raises:
        MethodError: the memory ran out, and nothing is known that takes less.
    """
    while True:
        reason = ""
        try:
            return attempt()
        except torch.cuda.OutOfMemoryError as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
        # The exception held on to everything in the frames that it came through; now it is gone.
        gc.collect()
        if run.device.type == "cuda":
            torch.cuda.empty_cache()
        if run.ranks.several or not run.memory.refuse(run.workdir):
            raise MethodError(
                "the GPU's memory does not hold this unit",
                place=f"{unit_id}: {reason}",
                fix="fewer tiles per step (--set tiles_per_bag, batch_size or encode_chunk), --set recompute=true "
                "where the method has it, or --precision bf16",
            )
        run.curve.clear()
        run.facts.clear()
        console.note(f"{run.label}: memory ran out ({reason}); once more with less")
