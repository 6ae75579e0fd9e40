"""Scoring one unit: the threshold from validation, and the test predictions beside the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.core.errors import MethodError
from harness.studies.selection_on_test import at_epoch, best_of, score_epochs, scores_on_test, threshold_on_test

if TYPE_CHECKING:
    from harness.jobs.result import JobResult
    from harness.protocols.held_out import ScoredRows, Scorer
    from harness.studies.planned_unit import PreparedUnit
    from harness.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class ScoredUnit:
    """A unit with its scores.

    Attributes:
        rows: test predictions beside the truth.
        threshold: decision threshold on the second class's probability; None decides by the largest one.
        validation: validation scores by name; empty without validation slides.
        result: what the job left behind.
        task: what was predicted, fitted to the training slides.
        epoch: the epoch that was chosen on the test slides; None where none was, as it should be.
    """

    rows: ScoredRows
    threshold: float | None
    validation: dict[str, float]
    result: JobResult
    task: Task
    epoch: int | None = None


def score_unit(prepared: PreparedUnit, result: JobResult, scorer: Scorer) -> ScoredUnit:
    """Score the result of a unit.

    Args:
        prepared: the unit and its job.
        result: the result, under the real ids of the test slides.
        scorer: joins the predictions to the truth.

    Raises:
        MethodError: the result has no test predictions, or the protocol's threshold cannot be had.
    """
    unit, name = prepared.unit, prepared.unit.spec.unit_id
    if result.test is None:
        raise MethodError(
            "the result holds no test predictions", place=name, fix="run the unit again: the same command does"
        )
    epoch, rows = None, None
    if unit.protocol.select == "test":
        epochs = score_epochs(unit.fold, result, scorer, accessor=name)
        epoch = best_of([scores_on_test(one) for one in epochs])
        result, rows = at_epoch(result, epoch), epochs[epoch]
    threshold = threshold_of(prepared, result)
    if rows is None:
        assert result.test is not None
        rows = scorer.score(unit.fold, result.test, accessor=name)
    if unit.protocol.threshold == "test":
        threshold = threshold_on_test(rows)
    return ScoredUnit(
        threshold=threshold,
        validation=validation_scores(prepared, result),
        rows=rows,
        result=result,
        task=prepared.job.task,
        epoch=epoch,
    )


def validation_scores(prepared: PreparedUnit, result: JobResult) -> dict[str, float]:
    """Scores of the validation predictions by name; empty without validation slides."""
    val = prepared.job.val
    if val is None or result.val is None:
        return {}
    return prepared.job.task.scores(val.truth, result.val.probabilities)


def threshold_of(prepared: PreparedUnit, result: JobResult) -> float | None:
    """The decision threshold from the validation slides; None where the task or the protocol has none.

    Raises:
        MethodError: the protocol wants one, and there are no validation slides.
    """
    unit, job = prepared.unit, prepared.job
    if unit.protocol.threshold != "validation" or not job.task.thresholded:
        return None
    if job.val is None or result.val is None:
        raise MethodError(
            "the protocol takes the threshold from validation slides, and the fold has none",
            place=f"{unit.spec.dataset}, protocol {unit.spec.protocol}, {unit.fold.name}",
            fix="set threshold: argmax in the protocol, or list validation slides in its split file",
        )
    return job.task.threshold(job.val.truth, result.val.probabilities)
