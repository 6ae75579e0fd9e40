"""Running further seeds and repeats of two studies until it is decided which one is better, or cannot be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.core.errors import DataError, UnitFailedError, UsageError
from harness.evaluation.paired import paired_rows
from harness.evaluation.pairs import compare_pairs
from harness.evaluation.sequential import Decision, decide
from harness.evaluation.study_scores import point_scores
from harness.results.summary import study_predictions
from harness.studies.again import Where, again, check_same
from harness.studies.budget import Budget, Spent
from harness.tasks.registry import lower_is_better

if TYPE_CHECKING:
    from harness.results.record import Record
    from harness.results.store import RunStore
    from harness.results.studies import Study
    from harness.studies.run import Opened

Stop = Literal["decided", "equivalent", "equal", "patients", "budget", "seeds"]
_EQUAL = 7
"""Runs with the same scores after which two studies are taken for the same: as many as a decision needs at least."""
_NARROW = 0.25
"""Training chance is known well enough where its interval is narrower than this share of that over patients."""


@dataclass(frozen=True)
class Run:
    """A pass over all folds of a repeat with one seed, by both studies.

    Attributes:
        seed, repeat: which.
        difference: of their scores, second minus first.
    """

    seed: int
    repeat: int
    difference: float


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        decision: of the sequential test.
        stop: why no further run was started.
        runs: all that count, in their order.
        new: how many of them were run, or completed, now.
        studies: both, with the units of these runs alone.
        metric: the score.
    """

    decision: Decision
    stop: Stop
    runs: tuple[Run, ...]
    new: int
    studies: tuple[Study, Study]
    metric: str


def until_decided(
    store: RunStore,
    studies: tuple[Study, Study],
    where: Where,
    budget: Budget,
    *,
    metric: str | None = None,
    margin: float | None = None,
    most_seeds: int = 50,
    tell: Callable[[Run, Decision, str], None] = lambda run, decision, metric: None,
) -> Outcome:
    """Run one pass after the other by both studies, and stop when :func:`harness.evaluation.sequential.decide` does.

    The order is fixed: all repeats of a seed, then the next seed, from the smallest that is there. What is stored
    counts before anything is run, so the same command goes on where it was stopped.

    Args:
        store: the evidence.
        studies: two on the same slides and splits; differences are second minus first.
        where: where they go on.
        budget: what may be spent. A run is started only if it fits, by what runs have cost so far.
        metric: the score; None for the first of the task.
        margin: differences within it do not matter: stops when the difference is known to be.
        most_seeds: seeds after which it is given up.
        tell: is told of every run.

    Raises:
        UsageError: an option does not fit.
        DataError: a study cannot go on, or both do not fit together.
        UnitFailedError: a unit failed.
    """
    begun = _Pair(store, studies, where, metric)
    started, spent = time.monotonic(), Spent()
    runs: list[Run] = []
    new = 0
    for seed, repeat in begun.places(most_seeds):
        if not begun.done(seed, repeat):
            so_far = replace(spent, wall_s=time.monotonic() - started)
            if not budget.holds(so_far, needed := begun.cost_of(seed, repeat)):
                if runs:
                    return begun.outcome(begun.decide(runs, margin), "budget", runs, new)
                raise UsageError(
                    f"the budget does not hold one run of both studies, which takes about {needed.wall_s:.0f} s, "
                    f"{needed.cpu_hours:.2g} CPU-hours and {needed.gpu_hours:.2g} GPU-hours",
                    place="--budget",
                    fix="give more",
                )
            begun.run(seed, repeat)
            spent += Spent.on(begun.last)
            new += 1
        runs.append(Run(seed, repeat, begun.difference(seed, repeat)))
        found = begun.decide(runs, margin)
        tell(runs[-1], found, begun.metric)
        if (stop := _stop(found, runs, begun)) is not None:
            return begun.outcome(found, stop, runs, new)
    return begun.outcome(begun.decide(runs, margin), "seeds", runs, new)


class _Pair:
    """Both studies, with what is needed to run more of them."""

    def __init__(self, store: RunStore, studies: tuple[Study, Study], where: Where, metric: str | None) -> None:
        from harness.studies.run import open_study

        self.store = store
        self.studies = studies
        self.opened: Opened = {}
        self.plans = [again(study, where) for study in studies]
        for study, (config, resolved) in zip(studies, self.plans, strict=True):
            check_same(study, open_study(resolved, config, self.opened).resolved.study_id)
        (_, first), (_, second) = self.plans
        folds = first.splits.folds
        if folds != second.splits.folds:
            raise DataError(
                "the studies differ in their splits", place=studies[1].study_id, fix="compare studies of one protocol"
            )
        self.folds: dict[int, tuple[int, ...]] = {}
        for number, fold in enumerate(folds):
            self.folds[fold.repeat] = (*self.folds.get(fold.repeat, ()), number)
        data = study_predictions(store, studies[0])
        assert data is not None
        self.metric = metric or data.names[0]
        if self.metric not in data.names:
            from harness.core.suggest import unknown

            raise unknown("metric", self.metric, data.names, place="--metric", listing="docs/statistics.md")
        self.last: list[Record] = []

    def decide(self, runs: Sequence[Run], margin: float | None) -> Decision:
        """What some runs decide."""
        return decide(_differences(runs), margin=margin, lower_is_better=lower_is_better(self.metric))

    def places(self, most_seeds: int) -> Iterator[tuple[int, int]]:
        """(seed, repeat) in the order in which they count."""
        first = min(record.spec["seed"] for study in self.studies for record in study.records)
        return ((seed, repeat) for seed in range(first, first + most_seeds) for repeat in sorted(self.folds))

    def of(self, study: Study, seed: int, repeat: int) -> list[Record]:
        return [one for one in study.records if (one.spec["seed"], one.spec["repeat"]) == (seed, repeat)]

    def done(self, seed: int, repeat: int) -> bool:
        count = len(self.folds[repeat])
        return all(len(self.of(study, seed, repeat)) == count for study in self.studies)

    def cost_of(self, seed: int, repeat: int) -> Spent:
        """What is missing of a run will cost, by the units that are there."""
        total = Spent()
        for study in self.studies:
            missing = len(self.folds[repeat]) - len(self.of(study, seed, repeat))
            total += Spent.on(study.records, missing / len(study.records))
        return total

    def run(self, seed: int, repeat: int) -> None:
        from harness.studies.run import run_study

        before = {record.unit_id for study in self.studies for record in study.records}
        for config, resolved in self.plans:
            folds = tuple(resolved.splits.folds[number] for number in self.folds[repeat])
            more = config.model_copy(update={"folds": self.folds[repeat], "seeds": (seed,)})
            result = run_study(replace(resolved, folds=folds, seeds=(seed,)), more)
            if result.n_failed:
                raise UnitFailedError(
                    f"{result.n_failed} of the units of seed {seed}, repeat {repeat} failed; the others are done",
                    place=result.study_id,
                    fix="read the reason above and the unit's log.txt; the same command goes on",
                )
        first, second = (self.store.study(study.study_id) for study in self.studies)
        self.studies = first, second
        self.last = [one for study in self.studies for one in study.records if one.unit_id not in before]

    def difference(self, seed: int, repeat: int) -> float:
        rows = []
        for study in self.studies:
            data = study_predictions(self.store, replace(study, records=tuple(self.of(study, seed, repeat))))
            assert data is not None
            rows.append(data)
        try:
            rows = paired_rows(rows)
        except ValueError as error:
            raise DataError(
                str(error), place=self.studies[1].study_id, fix="compare studies of one task and protocol"
            ) from error
        first, second = (point_scores(one)[self.metric] for one in rows)
        if not math.isfinite(first - second):
            raise DataError(
                f"{self.metric} is undefined in seed {seed}, repeat {repeat}",
                place=self.studies[0].study_id,
                fix="compare in another score: --metric accuracy",
            )
        return second - first

    def restricted(self, runs: Sequence[Run]) -> tuple[Study, Study]:
        """Both studies with the units of some runs alone."""
        places = {(run.seed, run.repeat) for run in runs}
        first, second = (
            replace(
                study,
                records=tuple(one for one in study.records if (one.spec["seed"], one.spec["repeat"]) in places),
            )
            for study in self.studies
        )
        return first, second

    def over_patients(self, runs: Sequence[Run]) -> float:
        """Width of the interval of the difference over patients."""
        data = [rows for study in self.restricted(runs) if (rows := study_predictions(self.store, study)) is not None]
        (pair,) = compare_pairs(data, self.metric, resamples=1000)
        return pair.high - pair.low

    def outcome(self, decision: Decision, stop: Stop, runs: Sequence[Run], new: int) -> Outcome:
        return Outcome(decision, stop, tuple(runs), new, self.restricted(runs), self.metric)


def _differences(runs: Sequence[Run]) -> list[float]:
    return [run.difference for run in runs]


def _stop(found: Decision, runs: Sequence[Run], pair: _Pair) -> Stop | None:
    if found.outcome in {"first", "second"}:
        return "decided"
    if found.outcome == "equivalent":
        return "equivalent"
    if len(runs) >= _EQUAL and not np.any(_differences(runs)):
        return "equal"
    width = found.high - found.low
    return "patients" if math.isfinite(width) and width < _NARROW * pair.over_patients(runs) else None
