"""What the stages of a method really take, beside what was estimated of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from harness.training import fitting
from harness.training.footprint import Alive

if TYPE_CHECKING:
    import pytest

    from harness import BagSource, MemoryPlan, Method, Run, Rung


class Planned(Exception):
    """The plan is there; nothing is trained."""


def plan_of(method: Method, train: BagSource, val: BagSource | None, run: Run, patch: pytest.MonkeyPatch) -> MemoryPlan:
    """The plan that a method hands in before it trains."""
    plans = []

    def note(plan: MemoryPlan, _: Run) -> None:
        plans.append(plan)
        raise Planned

    with patch.context() as inner, contextlib.suppress(Planned):
        inner.setattr(fitting, "fit_in", note)
        method.fit(train, val, run)
    (plan,) = plans
    return plan


def measured(method: Method, train: BagSource, val: BagSource | None, run: Run) -> dict[str, int]:
    """Bytes of all tensors at the peak of each stage, less the weights with which it begins."""
    peaks = {}
    for stage in method.stages(train, val, run):
        with Alive(list(stage.module.state_dict().values())) as alive:
            run.train(stage)
        peaks[stage.name] = alive.peak
    return peaks


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
