"""Scores that are computed where they are asked for by name, so that no table is longer for those who do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.evaluation.metric import Floats, Metric
from harness.evaluation.probability_scores import (
    average_precision,
    brier,
    calibration_error,
    events,
    quadratic_kappa,
    sensitivity_at,
)
from harness.evaluation.survival import SurvivalPredictions, patients_of
from harness.evaluation.survival_scores import mean_dynamic_auc, uno_c

if TYPE_CHECKING:
    from harness.evaluation.study_scores import Predictions

FIXED = 0.95
"""The specificity, or sensitivity, at which the other one is given."""


class _Vectorised(Metric):
    """A score that takes all weights at once."""

    version = 1

    def value(self, rows: Any, weights: Floats) -> float:
        return float(self.values(rows, weights[None])[0])


class Brier(_Vectorised):
    """Mean squared error of the probabilities, see :func:`harness.evaluation.probability_scores.brier`."""

    name = "brier"
    lower_is_better = True

    def values(self, rows: Predictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of pooled predictions."""
        return brier(rows.label, rows.probabilities, weights)


class CalibrationError(_Vectorised):
    """Expected calibration error over ten bins of equal mass."""

    name = "calibration_error"
    lower_is_better = True

    def values(self, rows: Predictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of pooled predictions."""
        return calibration_error(*events(rows.label, rows.probabilities), weights)


class AveragePrecision(_Vectorised):
    """Average precision of the second class; beyond two, the mean of each against the rest."""

    name = "average_precision"
    averaged = True

    def values(self, rows: Predictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of one fold."""
        p = rows.probabilities
        chosen = [1] if p.shape[1] == 2 else range(p.shape[1])
        each = np.stack([average_precision(rows.label == k, p[:, k], weights) for k in chosen])
        return np.asarray(each.mean(axis=0))


class _AtFixed(_Vectorised):
    """The share of one class that is found where 95 % of the other one are; of two classes only."""

    averaged = True
    found: ClassVar[int]

    def values(self, rows: Predictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of one fold."""
        if rows.probabilities.shape[1] != 2:
            return np.full(len(weights), np.nan)
        score = rows.probabilities[:, 1] if self.found == 1 else -rows.probabilities[:, 1]
        return sensitivity_at(rows.label == self.found, score, weights, specificity=FIXED)


class SensitivityAtSpecificity(_AtFixed):
    """Sensitivity at 95 % specificity."""

    name = "sensitivity_at_95_specificity"
    found = 1


class SpecificityAtSensitivity(_AtFixed):
    """Specificity at 95 % sensitivity: the sensitivity for the first class at the specificity for the second."""

    name = "specificity_at_95_sensitivity"
    found = 0


class QuadraticKappa(_Vectorised):
    """Agreement on classes in an order, such as grades."""

    name = "quadratic_kappa"

    def values(self, rows: Predictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of pooled predictions."""
        return quadratic_kappa(rows.label, rows.predicted, rows.probabilities.shape[1], weights)


class UnoC(_Vectorised):
    """Uno's C-index over patients."""

    name = "uno_c"
    task = "survival"
    averaged = True

    def values(self, rows: SurvivalPredictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of one fold."""
        one, risk = patients_of(rows.patient, rows.risk)
        return uno_c(rows.time[one], rows.event[one], risk, weights[:, one])


class DynamicAuc(_Vectorised):
    """Time-dependent AUC over patients, the mean over the deciles of the event times."""

    name = "dynamic_auc"
    task = "survival"
    averaged = True

    def values(self, rows: SurvivalPredictions, weights: Floats) -> Floats:  # type: ignore[override]
        """Of one fold."""
        one, risk = patients_of(rows.patient, rows.risk)
        times, seen = rows.time[one], rows.event[one]
        if not np.any(seen):
            return np.full(len(weights), np.nan)
        deciles = np.quantile(times[np.asarray(seen) == 1], np.arange(1, 10) / 10, method="inverted_cdf")
        return mean_dynamic_auc(times, seen, risk, deciles, weights[:, one])


METRICS: tuple[type[Metric], ...] = (
    Brier,
    CalibrationError,
    AveragePrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    QuadraticKappa,
    UnoC,
    DynamicAuc,
)
