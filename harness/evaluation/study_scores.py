"""Scores of a study: the predictions of its units put together, with intervals over patients.

The AUC (for survival, the C-index) is the mean over folds within a run, because predictions of differently trained
folds do not share a scale; all other scores take the pooled predictions of a run. A run is one (repeat, seed): a pass
over all folds. Both are then averaged over runs. An interval is the patient bootstrap of that whole statistic: a
patient that is drawn twice counts twice in every fold, repeat and seed that it occurs in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.bootstrap import RESAMPLES, Difference, Statistic, bootstrap, paired_difference
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
    label: NDArray[Any]
    probabilities: Floats
    predicted: NDArray[Any]
    slide: NDArray[Any] | None = None

    def run_scores(self, folds: list[NDArray[np.intp]], weights: Floats) -> dict[str, Floats]:
        """The AUC as the mean over folds, all other scores of the pooled predictions."""
        rows = np.concatenate(folds)
        areas = [macro_auc(self.label[fold], self.probabilities[fold], weights[:, fold]) for fold in folds]
        label, probabilities, w = self.label[rows], self.probabilities[rows], weights[:, rows]
        return {
            "auc": mean_of_defined(areas),
            **confusion_scores(confusion(label, self.predicted[rows], probabilities.shape[1], w)),
            "log_loss": log_loss(label, probabilities, w),
        }

    def correct(self) -> int:
        """How many predicted classes are the true ones."""
        return int((np.asarray(self.label) == np.asarray(self.predicted)).sum())


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
        scores: name (``metrics`` of the predictions) → score.
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
    point = statistic(np.ones((1, len(data))))
    intervals = bootstrap(statistic, data.patient, resamples=resamples, seed=seed)
    by_unit = _unit_scores(data)
    scores = {}
    for name in data.metrics:
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
        correct=data.correct(),
        predictions=len(data),
        patients=len(np.unique(data.patient)),
        resamples=resamples,
    )


def study_statistic(data: Rows) -> Statistic:
    """The scores of a study as a function of weights per row, for the bootstrap."""
    runs = data.runs()

    def statistic(weights: Floats) -> dict[str, Floats]:
        per_run = [data.run_scores(folds, weights) for folds in runs]
        return {name: mean_of_defined([run[name] for run in per_run]) for name in data.metrics}

    return statistic


def compare(first: Rows, second: Rows, *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Difference]:
    """Paired difference of two studies on the same slides in the same folds, first minus second.

    Raises:
        ValueError: the two do not hold the same slides, repeats, folds and seeds.
    """
    a, b = _ordered(first), _ordered(second)
    if a.truth != b.truth:
        raise ValueError("the studies differ in what they predict")
    for name in ("slide", "patient", *a.truth, "repeat", "fold", "seed"):
        if not np.array_equal(getattr(a, name), getattr(b, name)):
            raise ValueError(f"the studies differ in their column {name!r}: a paired comparison needs the same rows")
    return paired_difference(study_statistic(a), study_statistic(b), a.patient, resamples=resamples, seed=seed)


def _unit_scores(data: Rows) -> dict[str, Floats]:
    """Each score in each unit, shape (units,)."""
    one = np.ones((1, len(data)))
    units = [data.run_scores([fold], one) for folds in data.runs() for fold in folds]
    return {name: np.concatenate([unit[name] for unit in units]) for name in data.metrics}


def _ordered(data: Rows) -> Rows:
    columns = vars(data)
    if columns["slide"] is None:
        raise ValueError("a paired comparison needs slide ids")
    order = np.lexsort((columns["slide"], data.fold, data.seed, data.repeat))
    return type(data)(**{name: value[order] for name, value in columns.items()})
