"""Scores of a study: the predictions of its units put together, with intervals over patients.

The AUC (for survival, the C-index) is the mean over folds within a run, because predictions of differently trained
folds do not share a scale; all other scores take the pooled predictions of a run. A run is one (repeat, seed): a pass
over all folds. Both are then averaged over runs. An interval is the patient bootstrap of that whole statistic: a
patient that is drawn twice counts twice in every fold, repeat and seed that it occurs in. Patients are drawn among
those with the same classes (:meth:`harness.evaluation.rows.Rows.strata`).

A score that is undefined in one fold of its mean (an AUC where a fold tests one class only) is undefined for the study:
the mean of the other folds would be the score of another set of slides. Resamples are more lenient, since a fold may
lose a class by the draw alone: they average the folds that are defined.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.bootstrap import RESAMPLES, Statistic, bootstrap
from harness.evaluation.metrics import METRICS, confusion, confusion_scores, log_loss, macro_auc
from harness.evaluation.rows import Rows, mean_of_defined

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Predictions(Rows):
    """Test predictions of the units of one study, one row per slide and unit.

    Attributes:
        label: true class, integer, shape (n,).
        probabilities: class probabilities, shape (n, C).
        predicted: predicted class, integer, shape (n,).
        slide: slide ids, shape (n,); only a paired comparison needs them.
    """

    metrics: ClassVar[tuple[str, ...]] = METRICS
    truth: ClassVar[tuple[str, ...]] = ("label",)
    averaged: ClassVar[tuple[str, ...]] = ("auc",)
    label: NDArray[Any]
    probabilities: Floats
    predicted: NDArray[Any]
    slide: NDArray[Any] | None = None

    def strata(self) -> NDArray[Any]:
        """The classes."""
        return np.asarray(self.label)

    def run_scores(self, folds: list[NDArray[np.intp]], weights: Floats) -> dict[str, Floats]:
        """The AUC as the mean over folds, all other scores of the pooled predictions."""
        return self._own_scores(folds, weights, METRICS)

    def some_scores(self, folds: list[NDArray[np.intp]], weights: Floats, names: Collection[str]) -> dict[str, Floats]:
        """Some of them, without the work for the others."""
        if type(self).run_scores is not Predictions.run_scores:  # a task from outside computes its scores itself
            return super().some_scores(folds, weights, names)
        return self._own_scores(folds, weights, names)

    def _own_scores(self, folds: list[NDArray[np.intp]], weights: Floats, names: Collection[str]) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        if "auc" in names:
            areas = [macro_auc(self.label[fold], self.probabilities[fold], weights[:, fold]) for fold in folds]
            found["auc"] = mean_of_defined(areas)
        pooled = set(names) - {"auc"}
        if not pooled:
            return found
        rows = np.concatenate(folds)
        label, probabilities, w = self.label[rows], self.probabilities[rows], weights[:, rows]
        if pooled != {"log_loss"}:
            found |= confusion_scores(confusion(label, self.predicted[rows], probabilities.shape[1], w))
        if "log_loss" in pooled:
            found["log_loss"] = log_loss(label, probabilities, w)
        return {name: found[name] for name in METRICS if name in names}

    def lacking(self, rows: NDArray[np.intp]) -> tuple[int, ...]:
        """Classes that none of the rows has."""
        return tuple(np.setdiff1d(np.arange(self.probabilities.shape[1]), self.label[rows]).tolist())

    def correct(self) -> int:
        """How many predicted classes are the true ones."""
        return int((np.asarray(self.label) == np.asarray(self.predicted)).sum())


@dataclass(frozen=True)
class UndefinedIn:
    """A unit in which a score is undefined.

    Attributes:
        repeat, fold, seed: the unit.
        lacking: the classes that none of its test slides has; empty where that is not the reason.
    """

    repeat: int
    fold: int
    seed: int
    lacking: tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """One score of a study.

    Attributes:
        value: the score; NaN where it is undefined.
        low, high: 95 % interval over patients; NaN where there is none.
        std_folds: standard deviation over the units in which the score is defined; NaN for fewer than two.
        folds: units in which it is defined.
        undefined: units in which it is not, each with the reason (say, one class only).
        undefined_resamples: bootstrap resamples that were left out because it is undefined in them.
    """

    value: float
    low: float
    high: float
    std_folds: float
    folds: int
    undefined: tuple[UndefinedIn, ...]
    undefined_resamples: int


@dataclass(frozen=True)
class StudyScores:
    """All scores of a study.

    Attributes:
        scores: name (``names`` of the predictions) → score.
        correct: predictions that are right, over all units; accuracy of a single run is ``correct / predictions``. None
            for survival, where a prediction is neither right nor wrong.
        predictions: rows over all units.
        patients: how many different patients.
        resamples: bootstrap resamples drawn.
    """

    scores: Mapping[str, Score]
    correct: int | None
    predictions: int
    patients: int
    resamples: int


def study_scores(data: Rows, *, resamples: int = RESAMPLES, seed: int = 0) -> StudyScores:
    """Scores of a study (or of a single unit) with 95 % intervals over patients.

    Args:
        data: test predictions.
        resamples: bootstrap resamples.
        seed: of the resampling.
    """
    statistic = study_statistic(data)
    point = point_scores(data)
    intervals = bootstrap(statistic, data.patient, resamples=resamples, seed=seed, strata=data.strata())
    by_unit = _unit_scores(data)
    scores = {}
    for name in data.names:
        value, interval, units = point[name], intervals[name], by_unit[name]
        defined = units[np.isfinite(units)]
        known = math.isfinite(value)
        scores[name] = Score(
            value=value,
            low=interval.low if known else math.nan,
            high=interval.high if known else math.nan,
            std_folds=float(defined.std(ddof=1)) if len(defined) > 1 else math.nan,
            folds=len(defined),
            undefined=_undefined_in(data, units),
            undefined_resamples=interval.undefined,
        )
    return StudyScores(
        scores=scores,
        correct=data.correct(),
        predictions=len(data),
        patients=len(np.unique(data.patient)),
        resamples=resamples,
    )


def study_statistic(data: Rows, names: Collection[str] | None = None) -> Statistic:
    """The scores of a study, or some of them, as a function of weights per row, for the bootstrap."""
    runs = data.runs()
    shown = [name for name in data.names if names is None or name in names]

    def statistic(weights: Floats) -> dict[str, Floats]:
        per_run = [data.scores(folds, weights, shown) for folds in runs]
        return {name: mean_of_defined([run[name] for run in per_run]) for name in shown}

    return statistic


def point_scores(data: Rows) -> dict[str, float]:
    """The scores of a study as it is, by name; NaN for a mean in which a fold or a run is undefined."""
    one = np.ones((1, len(data)))
    runs = [data.scores(folds, one) for folds in data.runs()]
    units = _unit_scores(data)
    return {
        name: float(np.mean([run[name] for run in runs]))
        if name not in data.means or np.isfinite(units[name]).all()
        else math.nan
        for name in data.names
    }


def _undefined_in(data: Rows, values: Floats) -> tuple[UndefinedIn, ...]:
    """The units whose score is not finite; ``values`` has one per unit."""
    units = [rows for folds in data.runs() for rows in folds]
    return tuple(
        UndefinedIn(int(data.repeat[rows[0]]), int(data.fold[rows[0]]), int(data.seed[rows[0]]), data.lacking(rows))
        for rows, value in zip(units, values, strict=True)
        if not math.isfinite(value)
    )


def _unit_scores(data: Rows) -> dict[str, Floats]:
    """Each score in each unit, shape (units,)."""
    one = np.ones((1, len(data)))
    units = [data.scores([fold], one) for folds in data.runs() for fold in folds]
    return {name: np.concatenate([unit[name] for unit in units]) for name in data.names}
