"""``bench plugins``: everything that is registered by name, of every kind, and who provides it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import Plugins
from harness.core import console
from harness.core.suggest import unknown

app = typer.Typer(no_args_is_help=True, help="List what is registered: methods, tasks, sources, metrics, ...")


@app.command("list")
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
        (name, one.name, one.origin, one.broken)
        for name, registry in registries().items()
        if kind in (None, name)
        for one in registry.listed()
    ]
    if kind in (None, "datasets"):
        rows += [
            ("datasets", one.name, one.origin, "" if one.problem is None else one.problem.problem)
            for one in list_datasets()
        ]
    console.table("Plugins", ["kind", "name", "from"], [row[:3] for row in rows if not row[3]])
    if broken := [row for row in rows if row[3]]:
        console.table("Broken", ["kind", "name", "from", "reason"], broken)
