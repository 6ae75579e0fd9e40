"""Keeping a training within the memory that there is: the first rung of the ladder whose estimate fits."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from harness import console
from harness.accounting.available import available_bytes
from harness.accounting.processes import resident_bytes
from harness.errors import MethodError
from harness.training.context import Context
from harness.training.memory.ladder import AS_ASKED, Rung
from harness.training.memory.part import Estimate, MemoryPart
from harness.training.memory.plan import MemoryPlan

Found = tuple[MemoryPart, Estimate]
"""The largest part, and its estimate."""


def fit_in(plan: MemoryPlan, run: Context) -> None:
    """Choose how ``plan`` is trained so that it fits into memory, and set it so. Numbers and draws are not touched.

    What was chosen, estimated and available is left in ``run.memory``.

    Raises:
        MethodError: nothing fits; it names the largest slide and what to do.
    """
    memory = run.memory
    memory.load(run.workdir)
    # The weights are among what is estimated, and not among what is free.
    there = memory.limit or available_bytes(str(run.device)) + (plan.held if run.device.type == "cpu" else 0)
    room = there if memory.ceiling is None else min(there, memory.ceiling)
    memory.estimate = None
    found: list[Found] = []
    try:
        position = _first_that_fits(plan, room, memory.position, found)
    except Exception as error:  # a network that cannot be tried out is not refused for it
        memory.facts = {"rung": AS_ASKED, "estimate_mb": None, "why": f"{type(error).__name__}: {error}"[:200]}
        position = -1
    # All ranks train alike: as the one does that has least memory, or as asked if one of them has no estimate.
    position, failed = run.ranks.largest(position, int(position < 0))
    if failed:
        return
    found += [plan.largest(rung) for rung in plan.rungs[len(found) : position + 1]]
    if position == len(plan.rungs):
        raise _too_large(plan, found, room, run)
    rung = plan.rungs[position]
    plan.apply(rung)
    run.precision = rung.precision
    memory.position, memory.estimate = position, found[position][1].total
    memory.held = _in_use(run) - plan.held
    if run.ranks.first:
        memory.save(run.workdir)
    _tell(rung, found, position, there, run)


def _first_that_fits(plan: MemoryPlan, room: int, start: int, found: list[Found]) -> int:
    """Position of the first rung from ``start`` on whose estimate is within ``room``; the number of rungs for none.

    ``found`` takes the largest part and its estimate for all rungs up to there.
    """
    for position, rung in enumerate(plan.rungs):
        found.append(plan.largest(rung))
        if position >= min(start, len(plan.rungs) - 1) and found[-1][1].total <= room:
            return position
    return len(plan.rungs)


def _in_use(run: Context) -> int:
    return resident_bytes() if run.device.type == "cpu" else torch.cuda.memory_allocated(run.device)


def _tell(rung: Rung, found: Sequence[Found], position: int, there: int, run: Context) -> None:
    """Leave the facts, and say so if it is not trained as asked."""
    part, estimate = found[position]
    facts = {
        "rung": rung.number,
        "how": rung.how,
        "changes": rung.changes,
        "precision": rung.precision,
        "estimate_mb": round(estimate.total / 1e6, 3),
        "as_asked_mb": round(found[0][1].total / 1e6, 3),
        "available_mb": round(there / 1e6, 3),
        "stage": part.name,
        "largest_slide": part.step.slide,
        "largest_tiles": part.step.tiles,
    }
    run.memory.facts = {**facts, **{k: v for k, v in run.memory.facts.items() if k == "ran_out"}}
    if rung.number == AS_ASKED:
        return
    changed = f"; this changes {rung.changes}" if rung.changes else ""
    console.note(
        f"{run.label}: {rung.how}: as asked it would take {_amount(found[0][1].total)} of memory, and "
        f"{_amount(there)} are there{changed}"
    )


def _too_large(plan: MemoryPlan, found: Sequence[Found], room: int, run: Context) -> MethodError:
    part, least = min(found, key=lambda one: one[1].total)
    step, tried = part.step, ", then ".join(dict.fromkeys(rung.how for rung in plan.rungs))
    what = "it" if len(plan.parts) == 1 else f"{part.name}, its largest part,"
    return MethodError(
        f"the memory does not hold this unit: {what} would take {_amount(least.total)}, and {_amount(room)} are there; "
        f"slide {step.slide} has {step.tiles} tiles, the largest step {sum(step.sizes)}",
        place=f"{run.label}, before training (tried {tried})",
        fix=", ".join([*part.advice(least, room), "or more memory (--memory-limit, if there is more than was found)"]),
    )


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
