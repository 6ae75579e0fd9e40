"""Running one unit: order the work, take the threshold from validation, have the test predictions scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import MethodError
from harness.evaluation.metrics import score
from harness.evaluation.threshold import choose_threshold, predicted_classes
from harness.unit.order import Order, UnitJob, make_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.protocol.seal import ScoredRows, Scorer
    from harness.unit.answer import UnitAnswer
    from harness.unit.inputs import Inputs


@dataclass(frozen=True, kw_only=True)
class UnitResult:
    """What a unit came to.

    Attributes:
        scored: test predictions beside the truth.
        threshold: decision threshold on the second class's probability; None decides by the largest one.
        validation: validation scores by name; empty without validation slides.
        answer: what the process that trained left behind.
    """

    scored: ScoredRows
    threshold: float | None
    validation: dict[str, float]
    answer: UnitAnswer


def run_unit(
    job: UnitJob, inputs: Inputs, scorer: Scorer, work: Callable[[Order], UnitAnswer] | None = None
) -> UnitResult:
    """Run one unit, continuing where an earlier attempt was interrupted.

    Args:
        job: the unit.
        inputs: the opened dataset.
        scorer: joins the predictions to the truth.
        work: does the training; None does it in this process.
    """
    order, real = make_order(job, inputs)
    answer = (work or _work_here(job))(order).with_names(real)
    return UnitResult(
        threshold=_threshold(job, order, answer),
        validation=_validation(order, answer),
        scored=scorer.score(job.fold, answer.test, asker=job.spec.unit_id),
        answer=answer,
    )


def _work_here(job: UnitJob) -> Callable[[Order], UnitAnswer]:
    from harness.unit.work import work

    return lambda order: work(order, job.method)


def _validation(order: Order, answer: UnitAnswer) -> dict[str, float]:
    if order.val is None or answer.val is None:
        return {}
    probabilities = answer.val.probabilities
    return score(order.val.labels, probabilities, predicted_classes(probabilities, None))


def _threshold(job: UnitJob, order: Order, answer: UnitAnswer) -> float | None:
    """The decision threshold of a binary task from the validation slides; None for the largest probability."""
    if job.protocol.threshold == "argmax" or order.task.n_classes != 2:
        return None
    if order.val is None or answer.val is None:
        raise MethodError(
            "the protocol takes the threshold from validation slides, and the fold has none",
            place=f"{job.spec.dataset}, protocol {job.spec.protocol}, {job.fold.name}",
            fix="set threshold: argmax in the protocol, or list validation slides in its split file",
        )
    return choose_threshold(order.val.labels, answer.val.probabilities[:, 1])
