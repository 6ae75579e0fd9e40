"""What predictions of a study have in common, whatever was predicted: units, patients, and scores under weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness.evaluation.metric import Metric

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rows(ABC):
    """Test predictions of the units of one study, one row per slide and unit.

    Attributes:
        metrics: names of the scores, in the order in which they are shown.
        truth: columns that hold what is true of a slide; a paired comparison needs them to be equal.
        averaged: those of ``metrics`` that are means over the folds of a run rather than scores of pooled predictions.
        repeat, fold, seed: the unit that predicted, shape (n,) each. With one fold number for all, the folds of a run
            are pooled.
        patient: patient of the slide, shape (n,).
        further: metrics that are added to those of the class.
    """

    metrics: ClassVar[tuple[str, ...]]
    truth: ClassVar[tuple[str, ...]]
    averaged: ClassVar[tuple[str, ...]]
    repeat: NDArray[Any]
    fold: NDArray[Any]
    seed: NDArray[Any]
    patient: NDArray[Any]
    further: tuple[Metric, ...] = field(default=(), kw_only=True, repr=False)

    def __post_init__(self) -> None:
        sizes = {name: len(column) for name, column in self.columns().items()}
        if len(set(sizes.values())) != 1 or not len(self):
            raise ValueError(f"predictions need one row per slide in every column, got {sizes}")

    def __len__(self) -> int:
        return len(self.patient)

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns that are there, each of shape (n,) or (n, ...)."""
        return {name: value for name, value in vars(self).items() if name != "further" and value is not None}

    def only(self, rows: NDArray[np.intp]) -> Self:
        """These rows alone."""
        columns: dict[str, Any] = {name: value[rows] for name, value in self.columns().items()}
        return replace(self, **columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all scores: :attr:`metrics`, then the further ones."""
        return (*self.metrics, *(metric.name for metric in self.further))

    @property
    def means(self) -> frozenset[str]:
        """Those of :attr:`names` that are means over the folds of a run."""
        return frozenset((*self.averaged, *(metric.name for metric in self.further if metric.averaged)))

    def scores(
        self, folds: list[NDArray[np.intp]], weights: Floats, names: Collection[str] | None = None
    ) -> dict[str, Floats]:
        """Each of :attr:`names` for one run, shape (R,), or some of them alone; see :meth:`run_scores`."""
        if names is None:
            names = self.names
        own = [name for name in self.metrics if name in names]
        found = self.some_scores(folds, weights, own) if own else {}
        for metric in self.further:
            if metric.name not in names:
                continue
            parts = folds if metric.averaged else [np.concatenate(folds)]
            found[metric.name] = mean_of_defined([metric.values(self.only(one), weights[:, one]) for one in parts])
        return found

    def runs(self) -> list[list[NDArray[np.intp]]]:
        """For each (repeat, seed) the row numbers of each of its folds."""
        keys = np.stack([self.repeat, self.seed, self.fold], axis=1)
        units, unit = np.unique(keys, axis=0, return_inverse=True)
        rows = [np.flatnonzero(unit.ravel() == k) for k in range(len(units))]
        runs: dict[tuple[Any, Any], list[NDArray[np.intp]]] = {}
        for (repeat, seed, _), members in zip(units, rows, strict=True):
            runs.setdefault((repeat, seed), []).append(members)
        return list(runs.values())

    def strata(self) -> NDArray[Any] | None:
        """What resamples keep of the data, shape (n,): patients are drawn among those with the same values.

        None draws among all.
        """
        return None

    @abstractmethod
    def run_scores(self, folds: list[NDArray[np.intp]], weights: Floats) -> dict[str, Floats]:
        """Each of :attr:`metrics` for one run, shape (R,), NaN where undefined.

        Args:
            folds: row numbers of each fold of the run.
            weights: how often each row is drawn, shape (R, n).
        """

    def some_scores(self, folds: list[NDArray[np.intp]], weights: Floats, names: Collection[str]) -> dict[str, Floats]:
        """Some of :attr:`metrics` for one run; a class overrides it where it can leave out the work for the others."""
        found = self.run_scores(folds, weights)
        return {name: found[name] for name in self.metrics if name in names}

    @abstractmethod
    def lacking(self, rows: NDArray[np.intp]) -> tuple[int, ...]:
        """Classes that none of the rows has, as column numbers; empty where the task has no classes."""

    @abstractmethod
    def correct(self) -> int | None:
        """How many predictions are right; None where a prediction is neither right nor wrong."""


def mean_of_defined(values: list[Floats]) -> Floats:
    """Mean over the list, leaving out NaN; NaN where all are."""
    stacked = np.stack(values)
    defined = np.isfinite(stacked)
    count = defined.sum(axis=0)
    total: Floats = np.where(defined, stacked, 0.0).sum(axis=0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
