"""``bench features``: what is packed in the cache, and features written out for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from harness.cli.extract import cost_text, extract
from harness.cli.get_features import get
from harness.cli.options import Cache, Plugins, folder_option
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import UsageError
from harness.core.options import one_of
from harness.core.reading import size_text
from harness.core.resources import cache_root
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.features.cached import CachedSet

app = typer.Typer(no_args_is_help=True, help="Make, list, show, fetch, export or remove features.")

app.command("extract")(extract)
app.command("get")(get)

Name = Annotated[str, typer.Argument(help="Name of a set, or of a dataset that has one.")]


@app.command("list")
@exportable
def list_(cache: Cache = None) -> None:
    """List the sets of features in the cache: packed, not finished, and fetched ones."""
    from harness.features.cached import cached_sets, fetched_sets

    columns = [
        Column("dataset"),
        Column("set"),
        Column("state"),
        Column("encoder"),
        Column("width", text=str, right=True),
        Column("type"),
        Column("slides", right=True),
        Column("tiles", right=True),
        Column("size", ("bytes",), size_text, right=True),
    ]
    place = cache or cache_root()
    rows = [_values(one) for one in cached_sets(place)]
    rows += [
        {"dataset": one.dataset, "set": one.name, "state": f"fetched, {one.origin}" if one.origin else "not finished"}
        | {"bytes": one.size, "folder": str(one.folder)}
        for one in fetched_sets(place)
    ]
    console.show(Table("Features in the cache", columns, rows))


def _values(one: CachedSet) -> dict[str, Any]:
    values = {"dataset": one.dataset, "set": one.name, "bytes": one.size, "folder": str(one.folder)}
    if one.manifest is None:
        return values | {"state": "not finished"}
    header = one.manifest.header
    about = {"state": "packed", "encoder": header.key.encoder, "width": header.dim, "type": header.dtype}
    return values | about | {"slides": len(one.manifest.slides), "tiles": one.tiles}


@app.command("show")
def show(name: Name, cache: Cache = None) -> None:
    """Show what is known of a set of features."""
    from harness.features.cached import one_set

    one = one_set(cache or cache_root(), name)
    console.say(f"  folder    {one.folder}")
    console.say(f"  dataset   {one.dataset}")
    console.say(f"  size      {size_text(one.size)}")
    if one.manifest is None:
        console.say("  state     not finished: the command that made it continues it")
        return
    header, slides = one.manifest.header, one.manifest.slides
    key, about = header.key, dict(header.provenance)
    located = sum(entry.has_coords for entry in slides.values())
    lines = {
        "encoder": key.encoder,
        "tiles": f"{one.tiles:,} of {len(slides):,} slides; side {f'{key.tile_px} px' if key.tile_px else 'unknown'}",
        "mpp": f"{key.mpp:g}" if key.mpp else "unknown",
        "features": f"{header.dim} columns, {header.dtype}",
        "positions": f"of {located:,} slides, in {about.pop('unit', 'level0_px')}",
        **{str(word): str(value) for word, value in about.items() if value is not None},
        "cost": cost_text(one.folder),
    }
    for word, value in lines.items():
        if not value:
            continue
        console.say(f"  {word:<9} {value}")


@app.command("clean")
def clean(
    names: Annotated[list[str] | None, typer.Argument(help="Names of sets, packed or fetched.")] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", help="All sets of a dataset.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All sets.")] = False,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Sets that were not finished.")] = False,
    cache: Cache = None,
) -> None:
    """Remove sets from the cache: packed ones are made again when they are needed, fetched ones by bench features get.

    Files that the hub's client has fetched stay in its own cache (HF_HOME).
    """
    from harness.features.cached import CachedSet, FetchedSet, cached_sets, fetched_sets, one_set

    place = cache or cache_root()
    if not (names or dataset or every or unfinished):
        raise UsageError(
            "it is not said what is to be removed", place="bench features clean", fix="give a name, --dataset or --all"
        )
    every_fetched = list(fetched_sets(place))
    sets: list[CachedSet | FetchedSet] = []
    for name in names or ():
        sets += [one for one in every_fetched if one.name == name] or [one_set(place, name)]
    known: list[CachedSet | FetchedSet] = [*cached_sets(place), *every_fetched]
    for one in known:
        torn = one.manifest is None if isinstance(one, CachedSet) else not one.origin
        if every or one.dataset == dataset or (unfinished and torn):
            sets.append(one)
    for one in {one.folder: one for one in sets}.values():
        size = size_text(one.size)
        one.remove()
        console.say(f"removed {one.dataset}/{one.name} ({size})")


@app.command("export")
def export(
    name: Annotated[str, typer.Argument(help="Dataset, by name or path, or a set in the cache.")],
    to: Annotated[Path, folder_option("--to", "Folder to write to.")],
    format: Annotated[str, typer.Option("--format", help="Layout: trident, clam.")] = "trident",
    cache: Cache = None,
    plugin: Plugins = None,
) -> None:
    """Write packed features as files of TRIDENT's or CLAM's layout."""
    from harness.core.folders import writable_folder
    from harness.features.cached import one_set
    from harness.features.export import FORMATS, ExportFormat
    from harness.features.export import export as write
    from harness.features.store import FeatureStore

    layout = cast("ExportFormat", one_of(FORMATS, "format")(format, "--format"))
    found = one_set(cache or cache_root(), Path(name).name)
    if found.manifest is None:
        raise UsageError("the set is not finished", place=str(found.folder), fix="run the command that makes it again")
    if found.manifest.header.provenance.get("in_place"):
        raise UsageError(
            "the set is read where its files lie", place=str(found.folder), fix="give these files to the other tool"
        )
    store = FeatureStore.open(found.folder)
    done = write(store, store.slides, writable_folder(to, "--to"), layout)
    console.say(f"wrote {console.count(done.slides, 'slide')} to {done.folder}")
    if done.without_coords:
        console.note(f"{done.without_coords} slides have no coordinates in level-0 pixels")
