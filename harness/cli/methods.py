"""``bench methods``: which methods there are, and the card of each."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.api.method_page import input_text, search_range, shown
from harness.cli.options import Plugins
from harness.cli.table_options import exportable, show_broken
from harness.core import console
from harness.core.table import Column, Table

app = typer.Typer(no_args_is_help=True, help="List methods, or show the card of one.")


@app.command("list")
@exportable
def list_(plugin: Plugins = None) -> None:
    """List all methods: built-in, installed and from plugins; broken ones with their reason."""
    from harness.api.registry import list_methods

    entries = list_methods()
    rows = [
        {
            "name": entry.name,
            "title": entry.card.title,
            "reads": list(entry.card.inputs),
            "labels_used": ["slides", *entry.card.needs],
            "from": entry.origin,
            "paper": entry.card.paper,
            "tasks": list(entry.card.tasks),
        }
        for entry in entries
        if entry.card is not None
    ]
    columns = [
        Column("name"),
        Column("title"),
        Column("reads", text=" or ".join),
        Column("labels used", text=" + ".join),
        Column("from"),
    ]
    console.show(Table("Methods", columns, rows))
    show_broken(entries)


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="Method name.")], plugin: Plugins = None) -> None:
    """Show a method's card: paper, inputs, parity, hyper-parameters, presets and what the paper leaves open."""
    from harness.api.registry import find_method

    method = find_method(name)
    card = method.card
    facts = {
        "name": card.name,
        "paper": card.paper,
        "reads": " or ".join(card.inputs) + (f", {card.scales} magnifications" if card.scales > 1 else ""),
        "tasks": ", ".join(card.tasks),
        "needs": ", ".join(card.needs) or "slide labels only",
        "coordinates": "needed" if card.coordinates else "not needed",
        "classes": "any number" if card.classes is None else f"{card.classes} only",
        "attention": "one weight per tile" if card.attention else "none",
        "tile order": "does not matter" if card.permutation_invariant else "matters",
        "parity": card.parity or "not compared with anything",
        "class": f"{method.__module__}:{method.__qualname__}",
    }
    console.say(card.title, style="bold")
    for fact, value in facts.items():
        console.say(f"  {fact:<12}{value}")
    for published in card.published:
        console.say(f"  {'published':<12}{input_text(published)}")
        console.say(f"  {'':<12}source: {published.source}")
    parameters = [
        (key, shown(default), search_range(field), field.source, field.help)
        for key, (_, field, default) in method.Params.describe().items()
    ]
    console.say()
    console.table(
        "Hyper-parameters (--set name=value)",
        ["name", ">default", "search range or choices", "source", "what it does"],
        parameters,
        caption="source: where the default comes from (paper, published code, or our own choice)",
    )
    for preset_name, preset in card.presets.items():
        console.say()
        console.say(f"preset {preset_name}: {preset.help}", style="bold")
        if preset.source:
            console.say(f"  source: {preset.source}")
        for key, value in {**preset.params, **{f"input.{k}": v for k, v in preset.input.items()}}.items():
            console.say(f"  {key}={shown(value)}")
    if card.open_points:
        console.say()
        console.say("What the paper leaves open, and the choice made here:", style="bold")
        for point in card.open_points:
            console.say(f"  - {point}")
