"""Judging one unit: take the threshold from validation, have the test predictions scored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import MethodError
from harness.unit.on_test import at_epoch, best_of, score_epochs, scores_on_test, threshold_on_test

if TYPE_CHECKING:
    from harness.protocols.held_out import ScoredRows, Scorer
    from harness.tasks.task import Task
    from harness.unit.answer import UnitAnswer
    from harness.unit.job import UnitJob
    from harness.unit.order import Order


@dataclass(frozen=True, kw_only=True)
class UnitResult:
    """What a unit came to.

    Attributes:
        scored: test predictions beside the truth.
        threshold: decision threshold on the second class's probability; None decides by the largest one.
        validation: validation scores by name; empty without validation slides.
        answer: what the process that trained left behind.
        task: what was predicted, fitted to the training slides.
        epoch: the epoch that was chosen on the test slides; None where none was, as it should be.
    """

    scored: ScoredRows
    threshold: float | None
    validation: dict[str, float]
    answer: UnitAnswer
    task: Task
    epoch: int | None = None


def judge(job: UnitJob, order: Order, answer: UnitAnswer, scorer: Scorer) -> UnitResult:
    """What an answer is worth: scores, and the threshold that validation gives.

    Args:
        job: the unit.
        order: what was ordered for it.
        answer: the answer, under the real ids of the test slides.
        scorer: joins the predictions to the truth.

    Raises:
        MethodError: the answer is none, or the protocol's threshold cannot be had.
    """
    if answer.test is None:
        raise MethodError(
            "the answer holds no test predictions",
            place=job.spec.unit_id,
            fix="run the unit again: the same command does",
        )
    epoch, scored = None, None
    if job.protocol.select == "test":
        epochs = score_epochs(job.fold, answer, scorer, asker=job.spec.unit_id)
        epoch = best_of([scores_on_test(rows) for rows in epochs])
        answer, scored = at_epoch(answer, epoch), epochs[epoch]
    threshold = threshold_of(job, order, answer)
    if scored is None:
        assert answer.test is not None
        scored = scorer.score(job.fold, answer.test, asker=job.spec.unit_id)
    if job.protocol.threshold == "test":
        threshold = threshold_on_test(scored)
    return UnitResult(
        threshold=threshold,
        validation=validation_scores(order, answer),
        scored=scored,
        answer=answer,
        task=order.task,
        epoch=epoch,
    )


def validation_scores(order: Order, answer: UnitAnswer) -> dict[str, float]:
    """Scores of the validation predictions by name; empty without validation slides."""
    if order.val is None or answer.val is None:
        return {}
    return order.task.scores(order.val.truth, answer.val.probabilities)


def threshold_of(job: UnitJob, order: Order, answer: UnitAnswer) -> float | None:
    """The decision threshold from the validation slides; None where the task or the protocol has none.

    Raises:
        MethodError: the protocol wants one, and there are no validation slides.
    """
    if job.protocol.threshold != "validation" or not order.task.thresholded:
        return None
    if order.val is None or answer.val is None:
        raise MethodError(
            "the protocol takes the threshold from validation slides, and the fold has none",
            place=f"{job.spec.dataset}, protocol {job.spec.protocol}, {job.fold.name}",
            fix="set threshold: argmax in the protocol, or list validation slides in its split file",
        )
    return order.task.threshold(order.val.truth, answer.val.probabilities)
