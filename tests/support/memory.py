"""What the stages of a method really take, beside what was estimated of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.training.memory import fitting
from harness.training.memory.footprint import Alive

if TYPE_CHECKING:
    import pytest

    from harness import BagSource, MemoryPlan, Method, Run, Rung


class Planned(BaseException):
    """The plan is there; nothing is trained. No Exception, since those are taken for networks without an estimate."""


def plan_of(method: Method, train: BagSource, val: BagSource | None, run: Run, patch: pytest.MonkeyPatch) -> MemoryPlan:
    """The plan that a method hands in before it trains."""
    plans = []

    def note(plan: MemoryPlan, *_: object) -> None:
        plans.append(plan)
        raise Planned

    with patch.context() as inner, contextlib.suppress(Planned):
        inner.setattr(fitting, "_first_that_fits", note)
        method.fit(train, val, run)
    (plan,) = plans
    return plan


def measured(method: Method, train: BagSource, val: BagSource | None, run: Run) -> dict[str, int]:
    """Bytes of all tensors at the peak of each stage and of what is done before it, less what it begins with."""
    peaks = {}
    stages = method.stages(train, val, run)
    while True:
        with Alive() as before:
            stage = next(stages, None)
        if stage is None:
            return peaks
        with Alive(list(stage.module.state_dict().values())) as alive:
            run.train(stage)
        peaks |= {f"before {stage.name}": before.peak, stage.name: alive.peak}


def limits(plan: MemoryPlan) -> tuple[dict[int, tuple[Rung, int]], int]:
    """A rung of each number with a limit under which it is the first that fits, and the least that any rung takes."""
    found: dict[int, tuple[Rung, int]] = {}
    least = None
    for rung in plan.rungs:
        total = plan.largest(rung)[1].total
        if least is None or total < least:
            found.setdefault(rung.number, (rung, total))
            least = total
    assert least is not None
    return found, least
