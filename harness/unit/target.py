"""What a unit learns to predict: classes, or survival over intervals that its training patients have set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.protocol.follow_up import FollowUp, cut_points, interval_names
from harness.protocol.seal import follow_up_for, labels_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.contract.method import Task
    from harness.protocol.dataset import Dataset
    from harness.unit.job import UnitJob


class Target(NamedTuple):
    """The task of a unit, and in survival the limits between its intervals of time."""

    task: Task
    cuts: tuple[float, ...] = ()


def target_of(job: UnitJob, dataset: Dataset, fitted: Sequence[str]) -> Target:
    """What ``job`` is to predict.

    Args:
        job: the unit.
        dataset: its dataset.
        fitted: the slides that are trained on; in survival the intervals are cut by them alone.

    Raises:
        DataError: their patients have too few events for the card's intervals.
    """
    from harness.contract.method import Task

    card, encoder = dataset.card, str(job.spec.input["encoder"])
    if card.task == "classification":
        return Target(Task(card.classes, encoder=encoder))
    seen = follow_up_for(dataset, fitted, sealed=job.fold.test + job.sealed)
    cuts = cut_points(seen, card.intervals, place=f"{job.spec.dataset}, {job.spec.protocol}, {job.fold.name}")
    return Target(Task(interval_names(card.intervals), encoder=encoder, kind="survival"), cuts)


def truth_for(
    target: Target, dataset: Dataset, slides: Sequence[str], sealed: Sequence[str]
) -> tuple[NDArray[np.int64], FollowUp | None]:
    """Labels of open slides as training takes them, (n,) int64, and in survival their follow-up.

    Raises:
        LeakError: one of ``slides`` is sealed.
    """
    if target.task.kind == "classification":
        return labels_for(dataset, slides, sealed=sealed), None
    seen = follow_up_for(dataset, slides, sealed=sealed)
    return seen.codes(target.cuts), seen
