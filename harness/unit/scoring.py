"""Scores of one set of predictions, without intervals: what validation and the choice of an epoch go by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.evaluation.metrics import METRICS, score
from harness.evaluation.survival import SURVIVAL_METRICS, c_index, risk_of
from harness.evaluation.threshold import predicted_classes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.protocol.follow_up import FollowUp


def main_metric(task: str) -> str:
    """The score that decides where nothing else is said: the AUC; in a task of ``survival`` the C-index."""
    return SURVIVAL_METRICS[0] if task == "survival" else METRICS[0]


def scores_of(
    labels: NDArray[np.int64], follow_up: FollowUp | None, probabilities: NDArray[np.float64]
) -> dict[str, float]:
    """Scores of predictions beside the truth, by name; the main one first.

    Args:
        labels: class indices, (n,); they do not count in survival.
        follow_up: what became of the patients in survival; None for classes.
        probabilities: (n, columns).
    """
    if follow_up is not None:
        return {"c_index": float(c_index(follow_up.times, follow_up.events, risk_of(probabilities))[0])}
    return score(labels, probabilities, predicted_classes(probabilities, None))
