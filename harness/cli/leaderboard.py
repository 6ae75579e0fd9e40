"""``bench leaderboard``: rank the studies found in a runs folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import bundles
from harness.cli.damaged import show_damaged
from harness.cli.leaderboard_build import build
from harness.cli.options import Out, Plugins
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import DataError
from harness.core.suggest import unknown
from harness.core.table import Column, Table

app = typer.Typer(no_args_is_help=True, help="Rank the studies found in a runs folder.")

app.command("build")(build)
app.command("submit")(bundles.submit)
app.command("verify")(bundles.verify)

_SHORT = {"acc": "accuracy", "bacc": "balanced_accuracy", "bal_acc": "balanced_accuracy"}


@app.command("show")
@exportable
def show(
    out: Out = None,
    dataset: Annotated[str | None, typer.Option(help="Show this dataset only.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Score to rank by, such as accuracy or f1 (default: the first of the task).")
    ] = None,
    ties: Annotated[
        bool, typer.Option("--ties", help="Say which studies do not differ: all pairs, with Holm's correction.")
    ] = False,
    plugin: Plugins = None,
) -> None:
    """Rank complete studies by dataset and protocol; the others stand below, each with the reason."""
    from harness.cli.leaderboard_table import group_table
    from harness.results.leaderboard import leaderboard
    from harness.results.store import RunStore
    from harness.results.ties import group_ties

    metric = metric_name(metric)
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
    chosen = None if dataset is None else [dataset]
    board = leaderboard(store, metric=metric, datasets=chosen, read=(studies, broken))
    for group in board.groups:
        console.show(group_table(group, board, group_ties(store, group) if ties else None))
    if board.apart:
        rows = [{"name": one.name, "reason": one.reason} for one in board.apart]
        console.show(Table("Damaged evidence", [Column("name"), Column("reason")], rows))
    show_damaged(board.broken)


def metric_name(given: str | None) -> str | None:
    """The score that ``--metric`` names; None where it is not given.

    Raises:
        UsageError: no task has a score of that name.
    """
    from harness.tasks.metric_registry import ask_for, further_metrics
    from harness.tasks.registry import metrics_of_tasks

    if given is None:
        return None
    name = _SHORT.get(given.lower(), given.lower())
    ask_for(name)
    if name not in (every := metrics_of_tasks()):
        raise unknown("metric", name, (*every, *further_metrics()), place="--metric", listing="docs/statistics.md")
    return name


@app.command("published")
@exportable
def published(dataset: Annotated[str, typer.Argument(help="Dataset name.")]) -> None:
    """Scores from elsewhere, each with its source and protocol. Other protocols: not comparable as they stand."""
    from harness.results.metric_labels import label
    from harness.results.reference import datasets_with_references, read_references
    from harness.results.study_table import number_text

    references = read_references(dataset)
    if not references:
        raise unknown("dataset", dataset, datasets_with_references(), place="DATASET", listing="bench datasets list")
    columns = [
        Column("method"),
        Column("here", ("ours",)),
        Column("metric", text=label),
        Column("value", text=number_text, right=True),
        Column("±", ("spread",), lambda value: "" if value is None else number_text(value), right=True),
        Column("kind"),
        Column("source"),
        Column("protocol"),
    ]
    title, caption = f"{dataset}: scores from elsewhere", "numbers of different protocols do not compare"
    console.show(Table(title, columns, [vars(one) for one in references], caption))
