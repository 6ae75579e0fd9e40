"""``bench plugins``: everything that is registered by name, of every kind, and who provides it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Plugins
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.suggest import unknown
from harness.core.table import Column, Table

app = typer.Typer(no_args_is_help=True, help="List what is registered: methods, tasks, sources, metrics, ...")


@app.command("list")
@exportable
def list_(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Such as metrics; all kinds without it.")] = None,
    plugin: Plugins = None,
) -> None:
    """List all names by kind with their origin; broken ones with their reason."""
    from harness.datasets.catalog import list_datasets
    from harness.plugins.kinds import KINDS, registries

    kinds = (*KINDS, "datasets")
    if kind is not None and kind not in kinds:
        raise unknown("kind", kind, kinds, place="bench plugins list", listing="bench plugins list")
    rows = [
        {"kind": name, "name": one.name, "from": one.origin, "broken": one.broken}
        for name, registry in registries().items()
        if kind in (None, name)
        for one in registry.listed()
    ]
    if kind in (None, "datasets"):
        rows += [
            {
                "kind": "datasets",
                "name": one.name,
                "from": one.origin,
                "broken": one.problem.problem if one.problem else "",
            }
            for one in list_datasets()
        ]
    columns = [Column("kind"), Column("name"), Column("from")]
    console.show(Table("Plugins", columns, [row for row in rows if not row["broken"]]))
    if broken := [row for row in rows if row["broken"]]:
        console.show(Table("Broken", [*columns, Column("reason", ("broken",))], broken))
