"""DeLong's variance for the AUCs of studies: means over folds, repeats and seeds on the same patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.delong import Aucs, Floats, placements
from harness.evaluation.paired import paired_rows
from harness.evaluation.rows import Rows
from harness.evaluation.study_scores import Predictions


def study_aucs(studies: Sequence[Rows]) -> Aucs:
    """AUCs of studies on the same slides in the same units, and their covariance over patients.

    The AUC of a study is a mean of AUCs, one for each unit (and class, beyond two), and each of these moves with a
    slide by (placement - AUC) / number of slides of its kind. A patient moves the study by the mean of that over units
    and classes, summed over the patient's slides; the covariance is the sum of products over patients. Within a unit,
    slides count sqrt(p / (p - 1)) times for p patients of their kind, so that one unit with one slide per patient has
    the variance of DeLong et al.; for several slides per patient it is that of Obuchowski (1997) but for this factor.

    Args:
        studies: test predictions of each, classification.

    Returns:
        AUCs as :func:`harness.evaluation.study_scores.study_scores` gives them, NaN where a unit lacks a class; the
        numbers of patients are those with a slide of the second class, and with another.

    Raises:
        ValueError: the studies do not hold the same slides, repeats, folds and seeds, or are no classification.
    """
    rows = paired_rows(studies)
    if not all(isinstance(one, Predictions) for one in rows):
        raise ValueError("only studies of classification have an AUC")
    first = rows[0]
    assert isinstance(first, Predictions)
    probabilities = np.stack([one.probabilities for one in rows if isinstance(one, Predictions)])
    label = np.asarray(first.label)
    _, patient = np.unique(np.asarray(first.patient), return_inverse=True)
    auc, moved = _means(label, probabilities, patient, first.runs())
    positive = label == 1
    counts = (len(np.unique(patient[side])) for side in (positive, ~positive))
    return Aucs(auc, np.asarray(moved @ moved.T), *counts)


def _means(
    label: NDArray[np.generic],
    probabilities: Floats,
    patient: NDArray[np.intp],
    runs: list[list[NDArray[np.intp]]],
) -> tuple[Floats, Floats]:
    """AUCs (k,), and how each patient moves them, (k, patients)."""
    methods, _, classes = probabilities.shape
    patients = int(patient.max()) + 1
    auc, moved = np.zeros(methods), np.zeros((methods, patients))
    chosen = [1] if classes == 2 else list(range(classes))
    for folds in runs:
        share = 1 / (len(runs) * len(folds) * len(chosen))
        for unit in folds:
            for k in chosen:
                value, change = _unit(label[unit] == k, probabilities[:, unit, k], patient[unit], patients)
                auc += share * value
                moved += share * change
    return auc, moved


def _unit(
    positive: NDArray[np.bool_], scores: Floats, patient: NDArray[np.intp], patients: int
) -> tuple[Floats, Floats]:
    """AUCs of a unit (k,), and how each patient moves them, (k, patients); NaN without both classes."""
    if positive.all() or not positive.any():
        return np.full(len(scores), np.nan), np.full((len(scores), patients), np.nan)
    sides = placements(positive, scores)
    auc, change = sides[0].mean(axis=1), np.zeros((len(scores), patients))
    for placed, whom in zip(sides, (patient[positive], patient[~positive]), strict=True):
        independent = len(np.unique(whom))
        scale = np.sqrt(independent / (independent - 1)) if independent > 1 else np.nan
        away = (placed - auc[:, None]) * scale / placed.shape[1]
        change += np.stack([np.bincount(whom, one, minlength=patients) for one in away])
    return auc, change
