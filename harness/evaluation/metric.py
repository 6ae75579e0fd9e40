"""A score that is added to those of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows

Floats = NDArray[np.float64]


class Metric(ABC):
    """A score of predictions, computed for every unit and study of a task beside the task's own scores.

    Attributes:
        name: what it is called in tables, and behind ``--set select_metric=`` and ``--metric``.
        task: name of the task whose predictions it scores; tasks that derive from it have the score too.
        lower_is_better: whether a smaller value is better.
        averaged: whether a study has the mean over the folds of a run, for scores that compare predictions with each
            other: those of differently trained folds share no scale. Without it, the folds of a run are pooled.
        version: raised when values change; None stands for a hash of the source. It is part of the identity of units
            whose epoch or hyper-parameters the metric chooses.
    """

    name: ClassVar[str]
    task: ClassVar[str] = "classification"
    lower_is_better: ClassVar[bool] = False
    averaged: ClassVar[bool] = False
    version: ClassVar[int | None] = None

    @abstractmethod
    def value(self, rows: Any, weights: Floats) -> float:
        """The score of some predictions.

        Args:
            rows: at least one prediction beside the truth; for classification :class:`harness.Predictions`.
            weights: how often each row counts, above 0, shape (n,); all 1 outside of the bootstrap.

        Returns:
            The score; NaN where it is undefined.

        Raises:
            ValueError: the same as NaN.
        """

    def values(self, rows: Rows, weights: Floats) -> Floats:
        """The score under many weights at once, shape (R,); override it where that is faster than one by one.

        Args:
            rows: predictions beside the truth.
            weights: shape (R, n); rows of weight 0 are not drawn.
        """
        return np.array([self._drawn(rows, one) for one in weights], np.float64)

    def _drawn(self, rows: Rows, weights: Floats) -> float:
        drawn = np.flatnonzero(weights)
        try:
            return float(self.value(rows.only(drawn), weights[drawn])) if len(drawn) else np.nan
        except ValueError:
            return np.nan
