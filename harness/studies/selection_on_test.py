"""Selection on the test slides, as some published recipes do it.

Only the process that scores can do it. Every prediction that it compares is a test-set access, and counted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.api.prediction import Prediction
from harness.core.errors import MethodError
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.datasets.splits import Fold
    from harness.jobs.result import JobResult
    from harness.protocols.held_out import ScoredRows, Scorer


def score_epochs(fold: Fold, result: JobResult, scorer: Scorer, *, accessor: str) -> list[ScoredRows]:
    """The predictions of every epoch beside the truth: one test-set access each.

    Args:
        fold: the fold that was trained on.
        result: under the real ids of the test slides, with per-epoch predictions.
        scorer: joins predictions to the truth.
        accessor: whose result it is, for the test-set access log.

    Raises:
        MethodError: the result has no per-epoch predictions.
    """
    epochs = range(0 if result.epochs is None else len(result.epochs))
    if result.test is None or not epochs:
        raise MethodError(
            "the result holds no predictions of single epochs",
            place=accessor,
            fix="run it again: the same command does",
        )
    predictions = [at_epoch(result, epoch).test for epoch in epochs]
    return scorer.score_each(fold, [one for one in predictions if one is not None], accessor=accessor)


def at_epoch(result: JobResult, epoch: int) -> JobResult:
    """The result with the weights of that epoch; numbers per tile are known for the selected one alone."""
    assert result.epochs is not None
    same = selected_epoch(result) == epoch

    def then(prediction: Prediction | None, probabilities: NDArray[np.float64] | None) -> Prediction | None:
        if prediction is None or probabilities is None:
            return None
        if same:
            return replace(prediction, probabilities=probabilities[epoch])
        return Prediction(prediction.slides, probabilities[epoch])

    return replace(result, test=then(result.test, result.epochs.test), val=then(result.val, result.epochs.val))


def selected_epoch(result: JobResult) -> int:
    """The epoch whose weights the process that trained has selected."""
    assert result.epochs is not None
    return int(result.facts[result.epochs.stage]["best_epoch"] or 0)


def scores_on_test(rows: ScoredRows) -> dict[str, float]:
    """Scores of test predictions by name, the one that an epoch is chosen by first."""
    return rows.task.scores(rows.truth, rows.probabilities)


def best_of(scores: Sequence[Mapping[str, float]]) -> int:
    """Number of the best scores: by their first, of equals by the smaller log loss, then the first.

    An AUC that is undefined, the fold testing one class only, leaves it to the log loss.
    """
    metric = next(iter(scores[0]))
    sign = 1 if lower_is_better(metric) else -1

    def rank(number: int) -> tuple[float, float, int]:
        value, loss = scores[number][metric], scores[number].get("log_loss", math.nan)
        return math.inf if math.isnan(value) else sign * value, math.inf if math.isnan(loss) else loss, number

    return min(range(len(scores)), key=rank)


def threshold_on_test(rows: ScoredRows) -> float | None:
    """The threshold with the best balanced accuracy on the test slides (largest Youden index); None if not binary."""
    return rows.task.threshold(rows.truth, rows.probabilities)
