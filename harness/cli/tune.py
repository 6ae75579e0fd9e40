"""``bench tune``: what the searches of a tuned study tried, and what mattered."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import Out
from harness.cli.stored import stored_study
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import DataError, UsageError
from harness.core.folders import writable_folder
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.studies.tuning.history import History

app = typer.Typer(no_args_is_help=True, help="Look at how a study was tuned.")


@app.command("show")
@exportable
def show(
    study: Annotated[str, typer.Argument(help="Study id, a beginning of it, or of the hash at its end.")],
    fold: Annotated[str | None, typer.Option(help="Show all trials of this fold, such as r0f3.")] = None,
    out: Out = None,
) -> None:
    """Show the chosen hyper-parameters of every fold, which of them mattered, and write Optuna's plots."""
    from harness.core.suggest import unknown
    from harness.results.store import RunStore
    from harness.studies.tuning.history import histories

    store = RunStore(out or Path("runs"))
    fix = "run one with --trials N, or point --out to your runs"
    found = stored_study(store, study, place="bench tune show", fix=fix)
    rows = store.trials(found.study_id)
    space = ((found.config or {}).get("tuning") or {}).get("space")
    if not rows or not space:
        raise DataError(
            f"study {found.study_id} was not tuned",
            place=str(store.study_folder(found.study_id)),
            fix="run it with --trials N, or choose another: bench leaderboard show has a column for trials",
        )
    searches = histories(rows, space)
    if fold is not None and fold not in {search.fold for search in searches}:
        raise unknown(
            "fold",
            fold,
            [search.fold for search in searches],
            place="--fold",
            listing=f"bench tune show {shlex.quote(study)}",
        )
    if fold is None or not console.keeping():  # one table is written: that of the fold, where one is asked for
        _show_chosen(found.study_id, searches)
    for search in searches:
        if search.fold == fold:
            _show_trials(search)
    _write_plots(store.study_folder(found.study_id) / "figures", searches, every=fold)


def _show_chosen(title: str, searches: Sequence[History]) -> None:
    from harness.results.study_table import number_text

    rows = []
    for search in searches:
        importances = search.importances()
        chosen = next((trial for trial in search.trials if trial.number == search.chosen), None)
        states = [trial.state for trial in search.trials]
        row: dict[str, Any] = {
            "fold": search.fold,
            "complete": states.count("complete"),
            "trials": len(states),
            "chosen": search.chosen,
            "matters_most": max(importances, key=lambda name: importances[name]) if importances else None,
        }
        if chosen is not None:
            row |= {f"validation_{search.metric}": chosen.value(search.metric), **chosen.params}
        rows.append(row)
    metric = searches[0].metric
    columns = [
        Column("fold"),
        Column("complete", ("complete", "trials"), lambda done, every: f"{done}/{every}", right=True),
        Column("chosen", text=lambda number: "none" if number is None else str(number), right=True),
        Column(metric, (f"validation_{metric}",), number_text, right=True),
        *_searched(searches[0]),
        Column("matters most", text=lambda name: name or "too few trials"),
    ]
    caption = "scores on inner validation; trial 0 is the defaults; what matters most is by fANOVA"
    console.show(Table(title, columns, rows, caption))


def _searched(search: History) -> list[Column]:
    return [Column(one.name, (one.name,), _short, right=True) for one in search.space]


def _show_trials(search: History) -> None:
    from harness.results.study_table import number_text

    metric = f"validation_{search.metric}"
    rows = [
        {
            "trial": trial.number,
            "chosen": trial.number == search.chosen,
            "state": trial.state,
            **({metric: trial.value(search.metric)} if trial.scores else {}),
            "device_s": trial.device_s,
            **trial.params,
            "reason": trial.reason,
        }
        for trial in search.trials
    ]
    columns = [
        Column("trial", ("trial", "chosen"), lambda number, chosen: f"{number}{' *' * chosen}", right=True),
        Column("state"),
        Column(search.metric, (metric,), number_text, right=True),
        Column("device s", text=lambda seconds: f"{seconds:.1f}", right=True),
        *_searched(search),
        Column("reason"),
    ]
    console.show(Table(f"trials of {search.fold}", columns, rows))
    for name, share in search.importances().items():
        console.say(f"  {name:<20}{share:.2f} of how much {search.metric} varies")


def _write_plots(folder: Path, searches: Sequence[History], *, every: str | None) -> None:
    """Plots of the fold that was asked for, or of the first one."""
    search = next(one for one in searches if every in (None, one.fold))
    try:
        writable_folder(folder, "--out").mkdir(parents=True, exist_ok=True)
    except UsageError as problem:  # the runs folder of somebody else may be looked at all the same
        console.warn(f"no plots are written: {problem.problem} ({folder})")
        return
    for name, png in search.plots().items():
        (folder / name).write_bytes(png)
        console.say(f"  plot  {folder / name}")


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
