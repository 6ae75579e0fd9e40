"""Choosing on the test slides, as some published recipes do: what it takes, where it is done, and what it costs.

Only the process that scores can do it. Every prediction that it looks at is a question to the scorer, and counted.
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
    from harness.protocols.held_out import ScoredRows, Scorer
    from harness.unit.answer import UnitAnswer


def score_epochs(fold: Fold, answer: UnitAnswer, scorer: Scorer, *, asker: str) -> list[ScoredRows]:
    """The predictions of every epoch beside the truth: a question each.

    Args:
        fold: the fold that was trained on.
        answer: under the real ids of the test slides, with the predictions of its epochs.
        scorer: joins predictions to the truth.
        asker: who asks.

    Raises:
        MethodError: the answer holds none.
    """
    epochs = range(0 if answer.epochs is None else len(answer.epochs))
    if answer.test is None or not epochs:
        raise MethodError(
            "the answer holds no predictions of single epochs",
            place=asker,
            fix="run it again: the same command does",
        )
    predictions = [at_epoch(answer, epoch).test for epoch in epochs]
    return scorer.score_each(fold, [one for one in predictions if one is not None], asker=asker)


def at_epoch(answer: UnitAnswer, epoch: int) -> UnitAnswer:
    """The answer as it would be had that epoch been kept; attention is known of the epoch that was."""
    assert answer.epochs is not None
    kept = kept_epoch(answer) == epoch

    def then(prediction: Prediction | None, probabilities: NDArray[np.float64] | None) -> Prediction | None:
        if prediction is None or probabilities is None:
            return None
        return Prediction(prediction.slides, probabilities[epoch], prediction.attention if kept else None)

    return replace(answer, test=then(answer.test, answer.epochs.test), val=then(answer.val, answer.epochs.val))


def kept_epoch(answer: UnitAnswer) -> int:
    """The epoch whose weights the process that trained has kept."""
    assert answer.epochs is not None
    return int(answer.facts[answer.epochs.stage]["best_epoch"] or 0)


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
