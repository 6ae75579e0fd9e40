"""``bench encoders``: the tile encoders that are known by name, and what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import Plugins
from harness.core import console

if TYPE_CHECKING:
    from harness.encoders.table import Row

app = typer.Typer(no_args_is_help=True, help="List tile encoders, or show one: licence, input, weights.")


@app.command("list")
def list_(plugin: Plugins = None) -> None:
    """List the encoders that --encoder finds by name; every network of timm is found by timm's name as well."""
    from harness.encoders.describe import availability
    from harness.encoders.registry import encoders
    from harness.encoders.table import ROWS

    for spec in plugin or ():
        encoders().use_plugin(spec)
    rows = [
        (row.name, str(row.width), _mpp(row), row.licence, row.gate, row.tcga, availability(row))
        for row in sorted(ROWS, key=lambda row: row.name)
    ]
    columns = ["name", ">width", "mpp", "licence", "gate", "saw TCGA", "weights"]
    console.table("Encoders", columns, rows, caption="bench encoders show NAME says more")
    known = {row.name for row in ROWS}
    others = [one for one in encoders().listed() if one.name not in known]
    console.table(
        "Other registered encoders", ["name", "from"], [(one.name, one.broken or one.origin) for one in others]
    )


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="Name of an encoder, also as other tools spell it.")]) -> None:
    """Show what is known of an encoder, and how its weights are got."""
    from harness.core.suggest import unknown
    from harness.encoders.describe import facts
    from harness.encoders.spelling import variants
    from harness.encoders.table import ROWS

    rows = variants(name.removeprefix("hf-hub:").removeprefix("hf_hub:"))
    if not rows:
        raise unknown(
            "encoder", name, {row.name for row in ROWS}, place="bench encoders show", listing="bench encoders list"
        )
    for number, row in enumerate(rows):
        if number:
            console.say()
        console.say(row.title, style="bold")
        for word, value in facts(row).items():
            console.say(f"  {word:<12}{value}")


def _mpp(row: Row) -> str:
    return ", ".join(f"{mpp:g}" for mpp in row.mpp) or "any"
