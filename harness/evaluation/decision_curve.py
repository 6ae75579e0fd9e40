"""Decision curves of a study: what treating by its predictions is worth, at each probability from which one treats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.probability_scores import net_benefit
from harness.evaluation.study_scores import Predictions
from harness.evaluation.unit_curves import RESAMPLES, band, mean_curve, units_of

Floats = NDArray[np.float64]

THRESHOLDS: Floats = np.linspace(0.0, 0.99, 100)
"""Probabilities from which one treats."""


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit per slide over thresholds, shape (t,) each; treating nobody has 0.

    Attributes:
        threshold: probability of the event from which one treats.
        net_benefit: of treating by the predictions, the mean over units.
        treat_all: of treating everybody.
        low, high: 95 % band of ``net_benefit`` over patients; None where there is none.
    """

    threshold: Floats
    net_benefit: Floats
    treat_all: Floats
    low: Floats | None = None
    high: Floats | None = None


def decision_curve(
    data: Predictions, positive_class: int = 1, *, resamples: int = RESAMPLES, seed: int = 0
) -> DecisionCurve:
    """Decision curve of one class against the rest (Vickers and Elkin, Medical Decision Making 2006;26:565).

    Probabilities have to be calibrated for the curve to mean anything, and the share of events in the data has to be
    that of the people to be treated: a study of equally many of both classes says little about a screening.

    Args:
        data: test predictions.
        positive_class: the event.
        resamples: patient resamples for the band; 0 gives none.
        seed: of the resampling.
    """
    positive = np.asarray(data.label) == positive_class
    probability = data.probabilities[:, positive_class]

    def curve(rows: NDArray[np.intp], weights: Floats, p: Floats = probability) -> Floats | None:
        if not weights.any():
            return None
        return np.asarray(net_benefit(positive[rows], p[rows], THRESHOLDS, weights[None])[0])

    def everybody(rows: NDArray[np.intp], weights: Floats) -> Floats | None:
        return curve(rows, weights, np.ones(len(data)))

    one, units = np.ones(len(data)), units_of(data)
    treated, everyone = mean_curve(curve, units, one), mean_curve(everybody, units, one)
    assert treated is not None and everyone is not None  # a unit has rows
    low, high = band(data, curve, resamples=resamples, seed=seed) or (None, None)
    return DecisionCurve(THRESHOLDS, treated, everyone, low, high)
