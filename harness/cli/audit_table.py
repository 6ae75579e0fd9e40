"""``bench audit-table``: printed scores that cannot be, given the numbers of slides and folds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.table_options import exportable
from harness.core import console
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.results.printed_rows import Audited


@exportable
def audit_table(
    table: Annotated[Path, typer.Argument(help="CSV file: columns method, metric, value, std, n, n_pos, folds ...")],
    n: Annotated[int | None, typer.Option("--n", min=1, help="Test slides, where the table does not say.")] = None,
    n_pos: Annotated[int | None, typer.Option("--n-pos", min=0, help="Positive test slides, likewise.")] = None,
    folds: Annotated[int | None, typer.Option("--folds", min=1, help="Folds, likewise (default: 1).")] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", min=1, help="Repeats or seeds, likewise (default: 1).")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Show every number, not only those that are impossible.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="End with code 1 if a number is impossible.")] = False,
) -> None:
    """Find scores of a result table that are impossible for the number of slides and folds.

    Accuracies and AUCs that no whole number of slides or pairs gives, and standard deviations that no scores with this
    mean have. Only what is proven impossible is called so; rounding may go either way.
    """
    from harness.results.printed_rows import audit_table as audit
    from harness.results.printed_rows import unused_columns

    found = audit(table, {"n": n, "n_pos": n_pos, "folds": folds, "repeats": repeats})
    if unused := unused_columns(table):
        console.note(f"columns that are not used: {', '.join(unused)}")
    verdicts = Counter(one.finding.verdict for one in found)
    shown = [one for one in found if every or one.finding.verdict == "impossible"]
    counts = ", ".join(f"{verdicts[name]} {name}" for name in ("impossible", "possible", "not checked"))
    if shown:
        console.show(_table(table.name, shown, counts))
    console.say(f"{console.count(len(found), 'number')}: {counts}")
    known = [one.finding.sensitivity for one in found if one.finding.sensitivity is not None]
    if known:
        console.say(
            f"a wrong last digit would have been noticed in {100 * sum(known) / len(known):.0f} % of those checked"
        )
    for reason, number in Counter(one.finding.reason for one in found if one.finding.verdict == "not checked").items():
        console.say(f"not checked ({number}): {reason}")
    if strict and verdicts["impossible"]:
        raise typer.Exit(1)


def _table(title: str, found: list[Audited], counts: str) -> Table:
    columns = [
        Column("line", right=True),
        Column("method"),
        Column("metric"),
        Column("printed", right=True),
        Column("verdict"),
        Column("reason"),
        Column("nearest possible", ("nearest",)),
    ]
    rows = [
        {
            "line": one.line,
            "method": one.method,
            "metric": one.metric,
            "printed": one.printed,
            "verdict": one.finding.verdict,
            "reason": one.finding.reason,
            "nearest": list(one.finding.nearest),
            "sensitivity": one.finding.sensitivity,
        }
        for one in found
    ]
    return Table(title, columns, rows, counts)
