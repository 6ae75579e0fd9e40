"""``bench encoders``: the tile encoders that are known by name, and what is known of each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from harness.cli.completion import offer
from harness.cli.options import Plugins
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.table import Column, Table

_FIELDS = ("name", "title", "width", "pooling", "tile_px", "licence", "gate", "tcga", "note")

app = typer.Typer(no_args_is_help=True, help="List tile encoders, or show one: licence, input, weights.")


@app.command("list")
@exportable
def list_(plugin: Plugins = None) -> None:
    """List the encoders that --encoder finds by name; every network of timm is found by timm's name as well."""
    from harness.encoders.describe import availability
    from harness.encoders.registry import encoders
    from harness.encoders.table import ROWS

    known = {row.name for row in ROWS}
    rows: list[dict[str, Any]] = [
        {**{name: getattr(row, name) for name in _FIELDS}, "mpp": list(row.mpp), "weights": availability(row)}
        for row in sorted(ROWS, key=lambda row: row.name)
    ]
    columns = [
        Column("name"),
        Column("width", right=True),
        Column("mpp", text=lambda mpp: ", ".join(f"{one:g}" for one in mpp) or "any"),
        Column("licence"),
        Column("gate"),
        Column("saw TCGA", ("tcga",)),
        Column("weights"),
    ]
    console.show(Table("Encoders", columns, rows, "bench encoders show NAME says more"))
    others = [one for one in encoders().listed() if one.name not in known]
    console.show(
        Table(
            "Other registered encoders",
            [Column("name"), Column("from")],
            [{"name": one.name, "from": one.broken or one.origin} for one in others],
        )
    )


@app.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(help="Name of an encoder, also as other tools spell it.", autocompletion=offer("encoders")),
    ],
    plugin: Plugins = None,
) -> None:
    """Show what is known of an encoder, and how its weights are got."""
    from harness.core.suggest import unknown
    from harness.encoders.describe import facts
    from harness.encoders.registry import encoders
    from harness.encoders.spelling import variants
    from harness.encoders.table import ROWS, rows_of_repo

    repo = name.removeprefix("hf-hub:").removeprefix("hf_hub:")
    rows = rows_of_repo(repo) or variants(repo)
    if not rows and name in encoders().names:
        console.say(f"  {'name':<12}{name}")
        console.say(f"  {'from':<12}{encoders().origin(name)}")
        return
    if not rows:
        known = {row.name for row in ROWS} | set(encoders().names)
        raise unknown("encoder", name, known, place="bench encoders show", listing="bench encoders list")
    for number, row in enumerate(rows):
        if number:
            console.say()
        console.say(row.title, style="bold")
        for word, value in facts(row).items():
            console.say(f"  {word:<12}{value}")
