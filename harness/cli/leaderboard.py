"""``bench leaderboard``: rank the studies found in a runs folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.damaged import show_damaged
from harness.cli.options import Out, Plugins
from harness.core import console
from harness.core.errors import DataError
from harness.core.suggest import unknown

if TYPE_CHECKING:
    from harness.results.leaderboard import Group, Row
    from harness.results.studies import Broken

app = typer.Typer(no_args_is_help=True, help="Rank the studies found in a runs folder.")

_LABELS = {
    "auc": "AUC",
    "accuracy": "ACC",
    "balanced_accuracy": "balanced ACC",
    "f1": "F1",
    "log_loss": "log-loss",
    "c_index": "C-index",
}
_MARKS_AT = 2
"""Column of what is special about a row, right of the method's name; only shown where a row has such a thing."""
_SHORT = {"acc": "accuracy", "bacc": "balanced_accuracy", "bal_acc": "balanced_accuracy"}


@app.command("show")
def show(
    out: Out = None,
    dataset: Annotated[str | None, typer.Option(help="Show this dataset only.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Score to rank by, such as accuracy or f1 (default: the first of the task).")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Rank complete studies by dataset and protocol; the others stand below, each with the reason."""
    from harness.results.leaderboard import leaderboard
    from harness.results.store import RunStore
    from harness.tasks.registry import metrics_of_tasks

    if metric is not None:
        metric = _SHORT.get(metric.lower(), metric.lower())
        every = metrics_of_tasks()
        if metric not in every:
            raise unknown("metric", metric, every, place="--metric", listing="the documentation")
    root = out or Path("runs")
    store = RunStore(root)
    studies, broken = store.studies_and_broken()
    known = sorted({study.dataset for study in studies if study.records})
    if not known:
        show_damaged(broken)
        raise DataError(
            "there is no finished unit in the runs folder",
            place=str(root),
            fix="run one (bench run --method abmil --dataset musk1), or point --out to your runs",
        )
    if dataset is not None and dataset not in known:
        raise unknown("dataset", dataset, known, place="--dataset", listing="bench leaderboard show")
    board = leaderboard(store, metric=metric, datasets=None if dataset is None else [dataset])
    for group in board.groups:
        _show_group(group, twins=[other for other in board.groups if _name(other) == _name(group)])
    if board.apart:
        console.table("Damaged evidence", ["name", "reason"], [(one.name, one.reason) for one in board.apart])
    show_damaged(board.broken)


@app.command("published")
def published(dataset: Annotated[str, typer.Argument(help="Dataset name.")]) -> None:
    """Scores from elsewhere, each with its source and protocol. Other protocols: not comparable as they stand."""
    from harness.results.reference import datasets_with_references, read_references

    references = read_references(dataset)
    if not references:
        raise unknown("dataset", dataset, datasets_with_references(), place="DATASET", listing="bench datasets list")
    console.table(
        f"{dataset}: scores from elsewhere",
        ["method", "metric", ">value", ">±", "kind", "source", "protocol"],
        [
            (r.method, _label(r.metric), f"{r.value:.3f}", _spread(r.spread), r.kind, r.source, r.protocol)
            for r in references
        ],
        caption="numbers of different protocols do not compare",
    )


def _spread(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _show_group(group: Group, *, twins: list[Group]) -> None:
    from harness.results.study_table import SLIDE_LABELS, input_text, labels_text
    from harness.tasks.registry import added_metrics

    title = f"{group.dataset}, protocol {group.protocol}"
    if len(twins) > 1:  # same names, other content: these do not compare
        title += f" (split {group.split[:8]}, data {group.data[:8]})"
    metric = group.metric
    known = {name for row in group.rows if row.summary.scores for name in row.summary.scores.scores}
    others = [name for name in ("accuracy", "auc", "c_index", *added_metrics()) if name != metric and name in known]
    columns = [
        ">rank",
        "method",
        "study",
        f"{_label(metric)} [95 % interval]",
        *(f">{_label(name)}" for name in others),
    ]
    columns += [">units", ">asked", ">trials", ">GPU-hours", ">CPU-hours", ">peak memory"]
    unranked = bool(group.damaged) or any(row.reason for row in group.rows)
    cells = [_cells(row, others, metric, reasons=unranked) for row in group.rows]
    studies = [row.summary.study for row in group.rows]
    # A method on another input is not the published one; what was learnt from pixel masks or reports must not pass for
    # weak supervision.
    for column, usual, texts in (
        ("input", "", [input_text(study) for study in studies]),
        ("labels used", SLIDE_LABELS, [labels_text(study) for study in studies]),
    ):
        if any(text != usual for text in texts):
            columns.insert(_MARKS_AT, column)
            for row, text in zip(cells, texts, strict=True):
                row.insert(_MARKS_AT, text)
    rows = [*cells, *(_damaged_cells(one, len(columns)) for one in group.damaged)]
    console.table(
        title,
        [*columns, "not ranked"] if unranked else columns,
        rows,
        caption=f"ranked by {_label(metric)}; intervals over patients; asked: how often test labels were looked at; "
        "trials: of tuning on validation, their hours apart; memory of the GPU, or RSS without one",
    )


def _cells(row: Row, others: Sequence[str], metric: str, *, reasons: bool) -> list[str]:
    from harness.results import study_table as text
    from harness.results.leaderboard import units_text

    study, cost, numbers = row.summary.study, row.summary.cost, row.summary.metrics()
    limits = [numbers.get(f"{metric}_{side}") for side in ("low", "high")]
    cells = [
        "-" if row.rank is None else str(row.rank),
        study.method,
        study.study_id.rpartition("-")[2][:6],
        text.interval_text(row.value, *limits),
        *(text.number_text(numbers.get(name)) for name in others),
        units_text(study),
        row.summary.accesses.accesses_text,
        str(row.summary.accesses.trials or "-"),
        text.gpu_hours_text(cost),
        text.hours_text(cost.cpu_hours),
        text.memory_text(cost.peak_memory_mb),
    ]
    return [*cells, row.reason] if reasons else cells


def _damaged_cells(one: Broken, columns: int) -> list[str]:
    """The row of a unit whose evidence cannot be read."""
    return ["-", "damaged evidence", *[""] * (columns - 2), f"{one.name}: {one.reason}"]


def _name(group: Group) -> tuple[str, str]:
    return group.dataset, group.protocol


def _label(metric: str) -> str:
    return _LABELS.get(metric, metric)
