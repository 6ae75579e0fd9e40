"""What every way to select would have chosen, from the same trainings: the clean one, and each leak."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.studies.selection_on_test import best_of, scores_on_test, threshold_on_test
from harness.studies.tuning.trials import Trial, best

if TYPE_CHECKING:
    from harness.evaluation.rows import Rows
    from harness.protocols.held_out import ScoredRows

CLEAN = "clean"
UNTUNED = "untuned"
THRESHOLD, EPOCH, TUNED, ALL = "threshold-on-test", "epoch-on-test", "tuned-on-test", "all-on-test"


@dataclass(frozen=True)
class Training:
    """One training of a fold with one seed, each of its epochs scored on the test slides.

    Attributes:
        trial: number of its hyper-parameters; 0 are the study's own.
        seed: of the training.
        epoch: the one that the clean protocol keeps.
        validation: scores of that epoch on the validation slides; empty without any.
        threshold: of an epoch, from the validation slides; None where the largest probability decides.
        rows: of every epoch, beside the truth.
    """

    trial: int
    seed: int
    epoch: int
    validation: Mapping[str, float]
    threshold: Callable[[int], float | None]
    rows: Sequence[ScoredRows]

    @cached_property
    def scores(self) -> list[dict[str, float]]:
        """Scores of every epoch on the test slides."""
        return [scores_on_test(rows) for rows in self.rows]


@dataclass(frozen=True)
class Choice:
    """What a way to select has chosen for one fold and seed.

    Attributes:
        training, epoch: whose predictions.
        threshold: decision threshold on the second class; None where the largest probability decides.
        compared: predictions of the test slides that were compared to choose; 1 is the final score, and nothing more.
    """

    training: Training
    epoch: int
    threshold: float | None
    compared: int = 1

    @property
    def rows(self) -> ScoredRows:
        """The predictions beside the truth."""
        return self.training.rows[self.epoch]


def choices(trainings: Sequence[Training], metric: str) -> dict[str, Choice]:
    """What each way to select chooses among the trainings of one fold and seed.

    Args:
        trainings: trial 0 first; those that failed are left out.
        metric: the validation score that chooses a trial.
    """
    clean = _as_selected(_best_on_validation(trainings, metric))
    first = trainings[0]
    found = {CLEAN: clean}
    if len(trainings) > 1 and first.trial == 0:
        found = {UNTUNED: _as_selected(first), CLEAN: clean}
    if (threshold := threshold_on_test(clean.rows)) is not None:
        found[THRESHOLD] = Choice(clean.training, clean.epoch, threshold)
    epoch = best_of(clean.training.scores)
    found[EPOCH] = Choice(clean.training, epoch, clean.training.threshold(epoch), len(clean.training.rows))
    if len(trainings) > 1:
        number = best_of([one.scores[one.epoch] for one in trainings])
        found[TUNED] = _as_selected(trainings[number], len(trainings))
    every = [(one, epoch) for one in trainings for epoch in range(len(one.rows))]
    training, epoch = every[best_of([one.scores[epoch] for one, epoch in every])]
    found[ALL] = Choice(training, epoch, threshold_on_test(training.rows[epoch]), len(every))
    return found


def predictions_of(chosen: Sequence[Choice]) -> Rows:
    """The chosen predictions of all folds and seeds, for scores and paired differences."""
    columns: dict[str, np.ndarray] = {
        name: np.concatenate([np.full(len(one.rows), _unit(one)[name]) for one in chosen])
        for name in ("repeat", "fold", "seed")
    }
    columns["patient"] = np.concatenate([np.asarray(one.rows.patients) for one in chosen])
    columns["slide"] = np.concatenate([np.asarray(one.rows.slides) for one in chosen])
    rows = [one.rows for one in chosen]
    decisions = [one.task.decide(one.probabilities, choice.threshold) for one, choice in zip(rows, chosen, strict=True)]
    task = rows[0].task
    return task.rows(
        columns,
        {name: np.concatenate([one.truth[name] for one in rows]) for name in task.truth},
        np.concatenate([one.probabilities for one in rows]),
        {name: np.concatenate([one[name] for one in decisions]) for name in task.decision},
    )


def _as_selected(training: Training, compared: int = 1) -> Choice:
    return Choice(training, training.epoch, training.threshold(training.epoch), compared)


def _best_on_validation(trainings: Sequence[Training], metric: str) -> Training:
    """As tuning chooses; without a defined score, what the study's own hyper-parameters gave."""
    known = [one for one in trainings if not math.isnan(one.validation.get(metric, math.nan))]
    chosen = best([Trial(one.trial, {}, [one.validation], state="complete") for one in known], metric)
    return trainings[0] if chosen is None else next(one for one in trainings if one.trial == chosen.number)


def _unit(choice: Choice) -> dict[str, int]:
    return {"repeat": choice.rows.repeat, "fold": choice.rows.fold, "seed": choice.training.seed}
