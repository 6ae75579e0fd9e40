"""The options of ``bench run`` that say how hyper-parameters are searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.core.errors import UsageError, shown

if TYPE_CHECKING:
    from harness.studies.tuning.settings import TuneSettings

NAMES = ("trials", "tune_budget", "tune_sampler", "tune_batch", "tune_folds", "tune_metric", "prune")
"""What a configuration file may say of tuning."""

_MOST = 100_000
_PANEL = "Tuning: each outer fold searches on its own validation slides"

Trials = Annotated[int | None, typer.Option(help="Trials per outer fold (default: no tuning).", rich_help_panel=_PANEL)]
TuneBudget = Annotated[
    str | None,
    typer.Option(help="Device time for all trials of the study: 90s, 30m, 2h, 1d.", rich_help_panel=_PANEL),
]
TuneSampler = Annotated[
    str | None, typer.Option(help="tpe, random, qmc or grid (default: tpe).", rich_help_panel=_PANEL)
]
TuneBatch = Annotated[int | None, typer.Option(help="Trials proposed together (default: 5).", rich_help_panel=_PANEL)]
TuneFolds = Annotated[
    int | None,
    typer.Option(help="Inner folds per trial (default: 1, the protocol's validation slides).", rich_help_panel=_PANEL),
]
TuneMetric = Annotated[
    str | None,
    typer.Option(help="Validation score that decides (default: the first of the task).", rich_help_panel=_PANEL),
]
Prune = Annotated[
    str | None,
    typer.Option(help="none, median or halving; needs --tune-folds (default: none).", rich_help_panel=_PANEL),
]


def tune_settings(options: Mapping[str, Any]) -> TuneSettings | None:
    """How the study is tuned; None where it is not.

    Raises:
        UsageError: a value that makes no sense, or an option of tuning without ``--trials`` and ``--tune-budget``.
    """
    given = {name: options[name] for name in NAMES if options.get(name) is not None}
    if not given:
        return None
    from harness.core.suggest import unknown
    from harness.studies.tuning.settings import MOST_TRIALS, TuneSettings, seconds
    from harness.tasks.registry import metrics_of_tasks

    if "trials" not in given and "tune_budget" not in given:
        first = "--" + next(iter(given)).replace("_", "-")
        raise UsageError(f"{first} has nothing to say without a search", place=first, fix="add --trials N")
    for name in ("tune_budget", "tune_sampler", "tune_metric", "prune"):
        if not isinstance(given.get(name, ""), str):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{shown(given[name])} is not a word", place=option, fix="bench run --help says what it takes"
            )
    adapts = given.get("tune_sampler", "tpe") == "tpe" or "tune_budget" in given or given.get("prune", "none") != "none"
    if "tune_batch" in given and not adapts:
        raise UsageError(
            f"--tune-batch has no effect on the sampler {given['tune_sampler']} without a budget or pruning",
            place="--tune-batch",
            fix="leave it out",
        )
    metric = given.get("tune_metric", "")
    if metric and metric not in (known := metrics_of_tasks()):
        raise unknown("score", metric, known, place="--tune-metric", listing="bench run --help")
    defaults = TuneSettings(trials=1)
    return TuneSettings(
        trials=_count(given, "trials", MOST_TRIALS),
        budget_s=seconds(given["tune_budget"]) if "tune_budget" in given else None,
        sampler=given.get("tune_sampler", defaults.sampler),
        batch=_count(given, "tune_batch", defaults.batch),
        folds=_count(given, "tune_folds", defaults.folds),
        metric=metric,
        pruner=given.get("prune", defaults.pruner),
    )


def _count(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value > _MOST:
        raise UsageError(
            f"{shown(value)} is not a whole number from 1 to {_MOST:,}",
            place=f"--{name.replace('_', '-')}",
            fix="give such a number",
        )
    return value
