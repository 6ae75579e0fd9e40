"""Patients of a survival study in two groups by predicted risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from harness.evaluation.kaplan_meier import KaplanMeier, kaplan_meier
from harness.evaluation.survival import SurvivalPredictions, patients_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RiskGroups:
    """Each patient once, shape (p,).

    Attributes:
        time, event: the patient's follow-up.
        group: 0 for the lower half of the risks, 1 for the higher.
        curves: of each group that has somebody.
    """

    time: Floats
    event: NDArray[np.generic]
    group: NDArray[np.intp]
    curves: Mapping[int, KaplanMeier]


def risk_groups(data: SurvivalPredictions) -> RiskGroups:
    """Halves of the patients by risk: by the mean, over the units that tested them, of their rank within the unit.

    Risks of differently trained folds share no scale; ranks do, each between 0 and 1. The line between the halves is
    the middle of the ranks, which no follow-up of a test patient has chosen.
    """
    names, index = np.unique(data.patient, return_inverse=True)
    total, count = np.zeros(len(names)), np.zeros(len(names))
    for rows in (fold for folds in data.runs() for fold in folds):
        first, risk = patients_of(data.patient[rows], data.risk[rows])
        whom = index[rows[first]]
        total[whom] += (rankdata(risk) - 0.5) / len(risk)
        count[whom] += 1
    _, first_row = np.unique(data.patient, return_index=True)
    time, event = np.asarray(data.time[first_row], np.float64), np.asarray(data.event[first_row])
    group = np.asarray(total / count > 0.5, np.intp)
    curves = {int(one): kaplan_meier(time[group == one], event[group == one]) for one in np.unique(group)}
    return RiskGroups(time, event, group, curves)
