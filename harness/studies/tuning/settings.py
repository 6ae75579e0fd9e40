"""How a study is tuned: sampler, budget, inner folds, pruning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import model_validator

from harness.core.errors import UsageError, shown
from harness.core.options import Option, Options, count, one_of, word
from harness.core.suggest import unknown

Sampler = Literal["tpe", "random", "qmc", "grid"]
Pruner = Literal["none", "median", "halving"]
SAMPLERS: tuple[str, ...] = get_args(Sampler)
PRUNERS: tuple[str, ...] = get_args(Pruner)
MOST_TRIALS = 1000
"""Trials per outer fold where a budget of time alone limits them."""
_MOST = 100_000
_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(value: Any, option: str = "--tune-budget") -> float:
    """A time such as ``90s``, ``30m``, ``2h`` or ``1d`` in seconds; a float is in seconds already.

    Raises:
        UsageError: it is none.
    """
    if isinstance(value, float) and 0 < value < float("inf"):
        return value
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)\s*", str(value).lower())
    if match is None or match[2] not in _UNITS or float(match[1]) <= 0:
        raise UsageError(f"{shown(value)} is not a time", place=option, fix="give it like 90s, 30m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2]]


def _score(value: Any, option: str) -> str:
    from harness.tasks.registry import metrics_of_tasks

    name = word(value, option) if value else ""
    if name and name not in (known := metrics_of_tasks()):
        raise unknown("score", name, known, place=option, listing="bench run --help")
    return name


class TuneSettings(Options):
    """How every outer fold of a study is tuned.

    Attributes:
        trials: trials per outer fold; the first one is the method's defaults.
        budget_s: device time of the whole study in seconds, shared equally by all outer folds of the protocol; a fold
            starts no further batch once its share is used up. None for no limit.
        sampler: ``tpe`` (Optuna, Tree-structured Parzen Estimator), ``random``, ``qmc`` (scrambled Sobol points) or
            ``grid``.
        batch: trials that are proposed together, from the results of all batches before. The proposals of random,
            qmc and grid do not depend on results, so that it only matters to ``tpe``, pruning and the budget.
        folds: inner folds that a trial is scored on: 1 is the protocol's own validation slides, more split training and
            validation slides again, by patient.
        metric: validation score that decides: ``auc``, ``log_loss`` ...; empty takes AUC, or the C-index in survival.
        pruner: ``none``; ``median``: a trial whose mean over its inner folds so far is below the median of the others
            at that point is given up; ``halving``: after each inner fold the better half of the batch goes on.
    """

    panel: ClassVar[str | None] = "Tuning: each outer fold searches on its own validation slides"

    trials: Annotated[int, Option("trials", count(_MOST), "Trials per outer fold (default: no tuning).", reads=int)] = (
        MOST_TRIALS
    )
    budget_s: Annotated[
        float | None,
        Option("tune_budget", seconds, "Device time for all trials of the study: 90s, 30m, 2h, 1d."),
    ] = None
    sampler: Annotated[
        Sampler, Option("tune_sampler", one_of(SAMPLERS, "sampler"), "tpe, random, qmc or grid (default: tpe).")
    ] = "tpe"
    batch: Annotated[int, Option("tune_batch", count(_MOST), "Trials proposed together (default: 5).", reads=int)] = 5
    folds: Annotated[
        int,
        Option(
            "tune_folds",
            count(_MOST),
            "Inner folds per trial (default: 1, the protocol's validation slides).",
            reads=int,
        ),
    ] = 1
    metric: Annotated[
        str, Option("tune_metric", _score, "Validation score that decides (default: the first of the task).")
    ] = ""
    pruner: Annotated[
        Pruner,
        Option("prune", one_of(PRUNERS, "pruner"), "none, median or halving; needs --tune-folds (default: none)."),
    ] = "none"

    @classmethod
    def asked_for(cls, options: Mapping[str, Any]) -> TuneSettings | None:
        """The settings among ``options`` by their names; None where the study is not tuned.

        Raises:
            UsageError: a value that makes no sense, or an option of tuning without a number of trials or a budget.
        """
        if not (given := cls.given(options)):
            return None
        if "trials" not in given and "budget_s" not in given:
            first = cls.declared()[next(iter(given))].flag
            raise UsageError(f"{first} has nothing to say without a search", place=first, fix="add --trials N")
        found = cls(**given)
        adapts = found.sampler == "tpe" or found.budget_s is not None or found.pruner != "none"
        if "batch" in given and not adapts:
            raise UsageError(
                f"--tune-batch has no effect on the sampler {found.sampler} without a budget or pruning",
                place="--tune-batch",
                fix="leave it out",
            )
        return found

    @model_validator(mode="after")
    def _pruning_compares(self) -> TuneSettings:
        if self.pruner != "none" and self.folds < 2:
            raise UsageError(
                "pruning compares trials after each inner fold, and there is only one",
                place="--prune",
                fix="add --tune-folds 3, or leave --prune out",
            )
        return self

    def as_dict(self) -> dict[str, Any]:
        """All settings, JSON-able."""
        return self.model_dump()
