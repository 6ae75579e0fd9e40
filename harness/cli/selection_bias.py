"""``bench selection-bias``: what selection on the test slides adds to the scores of a method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.study_options import check_folders, merged, plugins, study_config, with_options
from harness.core import console
from harness.studies.tuning.settings import TuneSettings

if TYPE_CHECKING:
    from harness.studies.selection_bias_result import Number, Selection, SelectionBias

_TAKEN = (
    "method",
    "dataset",
    "features",
    "devices",
    "keep_model",
    *(one.name for one in TuneSettings.declared().values()),
)
"""Options of ``bench run`` that are given otherwise here, or not at all."""

_SHOWN = {"accuracy": "ACC", "auc": "AUC", "c_index": "C-index"}


@with_options(without=_TAKEN)
def selection_bias(
    options: dict[str, Any],
    *,
    method: Annotated[
        str, typer.Argument(help="Method name, or package.module:Class.", autocompletion=offer("methods"))
    ],
    dataset: Annotated[
        str, typer.Argument(help="Dataset name, or a folder with a card.", autocompletion=offer("datasets"))
    ],
    trials: Annotated[
        int | None,
        typer.Option(
            help="Random sets of hyper-parameters per fold, the method's own included (default: those alone)."
        ),
    ] = None,
) -> None:
    """Show what choosing the threshold, the epoch and the hyper-parameters on the test slides adds to a score.

    All from the same trainings: each leak alone, all together, and the clean selection on validation slides. Nothing of
    it becomes evidence of a unit or stands on a leaderboard. An interrupted run continues.
    """
    options = merged({**options, "method": method, "dataset": dataset, "trials": trials}, {})
    if trials is not None:
        options["tune_sampler"] = "random"  # proposals that no result has a say in serve every way to select alike
    from harness.api.registry import use_plugin

    for spec in plugins(options):
        use_plugin(spec)
    study = study_config(options)
    check_folders(study)

    from harness.studies.resolve import resolve

    resolved = resolve(study)

    from harness.studies import selection_bias

    result, path = selection_bias.selection_bias(resolved, study)
    _show(result, path)


def _show(result: SelectionBias, path: Path) -> None:
    metrics = [name for name in _SHOWN if name in result.clean.scores]
    columns = ["selection"]
    for name in metrics:
        columns += [f"{_SHOWN[name]} [95 % interval]", f"{_SHOWN[name]} - clean [95 % interval]"]
    console.say()
    console.table(
        f"{result.study_id}: what selection on the test slides adds",
        [*columns, ">compared on test"],
        [_cells(one, metrics) for one in result.selections],
        caption=f"{console.count(result.units, 'unit')} (folds × seeds), {console.count(result.trials, 'trial')} each; "
        f"intervals: {result.resamples} bootstrap resamples of {result.patients} patients, differences paired; "
        "compared on test: predictions of test slides that were compared",
    )
    if result.failed:
        console.say(f"  {console.count(len(result.failed), 'training')} failed and were left out")
    console.say(f"  {result.accesses} test-set accesses, in test_accesses.jsonl; nothing of this is ever ranked")
    console.say(f"  {path}")


def _cells(one: Selection, metrics: list[str]) -> list[str]:
    cells = [one.name]
    for name in metrics:
        cells += [_text(one.scores[name]), _text(one.gains[name], sign="+") if one.gains else ""]
    return [*cells, str(one.compared)]


def _text(number: Number, sign: str = "") -> str:
    if number.value is None:
        return "undefined"
    shown = f"{number.value:{sign}.3f}"
    if number.low is None or number.high is None:
        return shown
    return f"{shown} [{number.low:{sign}.3f}, {number.high:{sign}.3f}]"
