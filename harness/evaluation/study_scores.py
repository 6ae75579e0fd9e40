"""Scores of a study: the predictions of its units put together, with intervals over patients.

The AUC is the mean over folds within a run, because probabilities of differently trained folds do not share a scale;
all other scores take the pooled predictions of a run. A run is one (repeat, seed): a pass over all folds. Both are
then averaged over runs. An interval is the patient bootstrap of that whole statistic: a patient that is drawn twice
counts twice in every fold, repeat and seed that it occurs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.bootstrap import RESAMPLES, Difference, Statistic, bootstrap, paired_difference
from harness.evaluation.metrics import METRICS, confusion, confusion_scores, log_loss, macro_auc

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """Test predictions of the units of one study, one row per slide and unit.

    Attributes:
        repeat, fold, seed: the unit that predicted, shape (n,) each.
        patient: patient of the slide, shape (n,).
        label: true class, integer, shape (n,).
        probabilities: class probabilities, shape (n, C).
        predicted: predicted class, integer, shape (n,).
        slide: slide ids, shape (n,); only a paired comparison needs them.
    """

    repeat: NDArray[Any]
    fold: NDArray[Any]
    seed: NDArray[Any]
    patient: NDArray[Any]
    label: NDArray[Any]
    probabilities: Floats
    predicted: NDArray[Any]
    slide: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        sizes = {name: len(value) for name, value in vars(self).items() if value is not None}
        if len(set(sizes.values())) != 1 or not len(self.label):
            raise ValueError(f"predictions need one row per slide in every column, got {sizes}")

    def runs(self) -> list[list[NDArray[np.intp]]]:
        """For each (repeat, seed) the row numbers of each of its folds."""
        keys = np.stack([self.repeat, self.seed, self.fold], axis=1)
        units, unit = np.unique(keys, axis=0, return_inverse=True)
        rows = [np.flatnonzero(unit.ravel() == k) for k in range(len(units))]
        runs: dict[tuple[Any, Any], list[NDArray[np.intp]]] = {}
        for (repeat, seed, _), members in zip(units, rows, strict=True):
            runs.setdefault((repeat, seed), []).append(members)
        return list(runs.values())


@dataclass(frozen=True)
class Score:
    """One score of a study.

    Attributes:
        value: the score; NaN where it is undefined.
        low, high: 95 % interval over patients; NaN where there is none.
        std_folds: standard deviation over the units in which the score is defined; NaN for fewer than two.
        folds: units in which it is defined.
        undefined_folds: units in which it is not (say, one class only).
        undefined_resamples: bootstrap resamples that were left out because it is undefined in them.
    """

    value: float
    low: float
    high: float
    std_folds: float
    folds: int
    undefined_folds: int
    undefined_resamples: int


@dataclass(frozen=True)
class StudyScores:
    """All scores of a study.

    Attributes:
        scores: name in :data:`~harness.evaluation.metrics.METRICS` → score.
        correct: predictions that are right, over all units; accuracy of a single run is ``correct / predictions``.
        predictions: rows over all units.
        patients: how many different patients.
        resamples: bootstrap resamples drawn.
    """

    scores: Mapping[str, Score]
    correct: int
    predictions: int
    patients: int
    resamples: int


def study_scores(data: Predictions, *, resamples: int = RESAMPLES, seed: int = 0) -> StudyScores:
    """Scores of a study (or of a single unit) with 95 % intervals over patients.

    Args:
        data: test predictions.
        resamples: bootstrap resamples.
        seed: of the resampling.
    """
    statistic = study_statistic(data)
    point = statistic(np.ones((1, len(data.label))))
    intervals = bootstrap(statistic, data.patient, resamples=resamples, seed=seed)
    by_unit = _unit_scores(data)
    scores = {}
    for name in METRICS:
        defined = by_unit[name][np.isfinite(by_unit[name])]
        scores[name] = Score(
            value=float(point[name][0]),
            low=intervals[name].low,
            high=intervals[name].high,
            std_folds=float(defined.std(ddof=1)) if len(defined) > 1 else float("nan"),
            folds=len(defined),
            undefined_folds=len(by_unit[name]) - len(defined),
            undefined_resamples=intervals[name].undefined,
        )
    return StudyScores(
        scores=scores,
        correct=int((np.asarray(data.label) == np.asarray(data.predicted)).sum()),
        predictions=len(data.label),
        patients=len(np.unique(data.patient)),
        resamples=resamples,
    )


def study_statistic(data: Predictions) -> Statistic:
    """The scores of a study as a function of weights per row, for the bootstrap."""
    runs = data.runs()

    def statistic(weights: Floats) -> dict[str, Floats]:
        per_run = [_run_scores(data, folds, weights) for folds in runs]
        return {name: _mean_of_defined([run[name] for run in per_run]) for name in METRICS}

    return statistic


def compare(
    first: Predictions, second: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """Paired difference of two studies on the same slides in the same folds, first minus second.

    Raises:
        ValueError: the two do not hold the same slides, repeats, folds and seeds.
    """
    a, b = _ordered(first), _ordered(second)
    for name in ("slide", "patient", "label", "repeat", "fold", "seed"):
        if not np.array_equal(getattr(a, name), getattr(b, name)):
            raise ValueError(f"the studies differ in their column {name!r}: a paired comparison needs the same rows")
    return paired_difference(study_statistic(a), study_statistic(b), a.patient, resamples=resamples, seed=seed)


def _run_scores(data: Predictions, folds: list[NDArray[np.intp]], weights: Floats) -> dict[str, Floats]:
    rows = np.concatenate(folds)
    areas = [macro_auc(data.label[fold], data.probabilities[fold], weights[:, fold]) for fold in folds]
    label, probabilities, w = data.label[rows], data.probabilities[rows], weights[:, rows]
    return {
        "auc": _mean_of_defined(areas),
        **confusion_scores(confusion(label, data.predicted[rows], probabilities.shape[1], w)),
        "log_loss": log_loss(label, probabilities, w),
    }


def _unit_scores(data: Predictions) -> dict[str, Floats]:
    """Each score in each unit, shape (units,)."""
    one = np.ones((1, len(data.label)))
    units = [_run_scores(data, [fold], one) for folds in data.runs() for fold in folds]
    return {name: np.concatenate([unit[name] for unit in units]) for name in METRICS}


def _mean_of_defined(values: list[Floats]) -> Floats:
    """Mean over the list, leaving out NaN; NaN where all are."""
    stacked = np.stack(values)
    defined = np.isfinite(stacked)
    count = defined.sum(axis=0)
    total: Floats = np.where(defined, stacked, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def _ordered(data: Predictions) -> Predictions:
    if data.slide is None:
        raise ValueError("a paired comparison needs slide ids")
    order = np.lexsort((data.slide, data.fold, data.seed, data.repeat))
    return Predictions(**{name: value[order] for name, value in vars(data).items()})
