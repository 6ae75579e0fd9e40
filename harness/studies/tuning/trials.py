"""Trials of one search: their results, which one is the best, and which are not worth going on with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from harness.studies.tuning.settings import Pruner
from harness.tasks.registry import lower_is_better

State = Literal["open", "complete", "pruned", "failed"]
START = 4
"""The median pruner gives up no trial before this many others have come as far."""


@dataclass
class Trial:
    """One set of hyper-parameters and what came of it.

    Attributes:
        number: from 0.
        params: the hyper-parameters that are searched.
        scores: per inner fold that is done, the validation scores by name.
        device_s: device time used.
        state: ``open`` while inner folds are left to do.
        reason: why it failed.
    """

    number: int
    params: Mapping[str, Any]
    scores: list[Mapping[str, float]] = field(default_factory=list)
    device_s: float = 0.0
    state: State = "open"
    reason: str = ""

    def value(self, metric: str) -> float:
        """Mean of a score over the inner folds so far; NaN without any."""
        return float(np.mean([scores.get(metric, math.nan) for scores in self.scores])) if self.scores else math.nan


def best(trials: Sequence[Trial], metric: str) -> Trial | None:
    """The complete trial with the best value; of equals that with the smaller log loss, then the earlier one.

    Validation sets are small, and an AUC on a dozen slides ties often.
    """
    complete = [trial for trial in trials if trial.state == "complete"]
    return min(complete, key=lambda trial: _rank(trial, metric), default=None)


def gain(value: float, metric: str) -> float:
    """``value`` so that larger is better."""
    return -value if lower_is_better(metric) else value


def prune(pruner: Pruner, batch: Sequence[Trial], others: Sequence[Trial], metric: str) -> None:
    """Give up trials of ``batch`` after an inner fold.

    Args:
        pruner: how.
        batch: the open trials that have just done the same number of inner folds.
        others: trials of earlier batches.
        metric: the score that decides.
    """
    running = [trial for trial in batch if trial.state == "open"]
    if pruner == "median":
        step = len(running[0].scores) if running else 0
        rivals = [_gain_at(trial, step, metric) for trial in (*others, *running) if len(trial.scores) >= step]
        if len(rivals) > START:
            middle = float(np.median(rivals))
            for trial in running:
                if _gain_at(trial, step, metric) < middle:
                    trial.state = "pruned"
    elif pruner == "halving":
        ranked = sorted(running, key=lambda trial: _rank(trial, metric))
        for trial in ranked[math.ceil(len(ranked) / 2) :]:
            trial.state = "pruned"


def _gain_at(trial: Trial, step: int, metric: str) -> float:
    return gain(float(np.mean([scores[metric] for scores in trial.scores[:step]])), metric)


def _rank(trial: Trial, metric: str) -> tuple[float, float, int]:
    loss = trial.value("log_loss")
    return -gain(trial.value(metric), metric), math.inf if math.isnan(loss) else loss, trial.number
