"""How a study is tuned: sampler, budget, inner folds, pruning."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from harness.core.errors import UsageError, shown
from harness.core.suggest import unknown

Sampler = Literal["tpe", "random", "qmc", "grid"]
Pruner = Literal["none", "median", "halving"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)
PRUNERS: tuple[str, ...] = get_args(Pruner)
MOST_TRIALS = 1000
"""Trials per outer fold where a budget of time alone limits them."""
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """How every outer fold of a study is tuned.

    Attributes:
        trials: trials per outer fold; the first one is the method's defaults.
        budget_s: device time of the whole study in seconds, shared equally by all outer folds of the protocol; a fold
            starts no further batch once its share is used up. None for no limit.
        sampler: ``tpe`` (Optuna, Tree-structured Parzen Estimator), ``random``, ``qmc`` (scrambled Sobol points) or
            ``grid``.
        batch: trials that are proposed together, from the results of all batches before. The proposals of random,
            qmc and grid do not depend on results, so that it only matters to ``tpe``, pruning and the budget.
        folds: inner folds that a trial is judged on: 1 is the protocol's own validation slides, more split training and
            validation slides again, by patient.
        metric: validation score that decides: ``auc``, ``log_loss`` ...; empty takes AUC, or the C-index in survival.
        pruner: ``none``; ``median``: a trial whose mean over its inner folds so far is below the median of the others
            at that point is given up; ``halving``: after each inner fold the better half of the batch goes on.
    """

    trials: int
    budget_s: float | None = None
    sampler: Sampler = "tpe"
    batch: int = 5
    folds: int = 1
    metric: str = ""
    pruner: Pruner = "none"

    def __post_init__(self) -> None:
        counts = {"--trials": self.trials, "--tune-batch": self.batch, "--tune-folds": self.folds}
        for option, value in counts.items():
            if value < 1:
                raise UsageError(f"{value} is too small", place=option, fix="give a number from 1 on")
        if self.sampler not in SAMPLERS:
            raise unknown("sampler", self.sampler, SAMPLERS, place="--tune-sampler", listing="bench run --help")
        if self.pruner not in PRUNERS:
            raise unknown("pruner", self.pruner, PRUNERS, place="--prune", listing="bench run --help")
        if self.pruner != "none" and self.folds < 2:
            raise UsageError(
                "pruning compares trials after each inner fold, and there is only one",
                place="--prune",
                fix="add --tune-folds 3, or leave --prune out",
            )

    def as_dict(self) -> dict[str, Any]:
        """All settings, JSON-able."""
        return asdict(self)


def seconds(text: str) -> float:
    """A time such as ``90s``, ``30m``, ``2h`` or ``1d`` in seconds.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)\s*", text.lower())
    if match is None or match[2] not in _UNITS or float(match[1]) <= 0:
        raise UsageError(f"{shown(text)} is not a time", place="--tune-budget", fix="give it like 90s, 30m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]
