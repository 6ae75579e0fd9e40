"""``bench leaderboard build``: the leaderboard as a static site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.damaged import show_damaged
from harness.cli.options import Plugins, folder_option
from harness.core import console

if TYPE_CHECKING:
    from harness.bundles.entries import EntryStore


def build(
    out: Annotated[
        list[Path] | None,
        folder_option("--out", "Runs folder (default: runs). Repeatable: studies are ranked together."),
    ] = None,
    entries: Annotated[
        Path | None,
        folder_option(
            "--entries", "Folder of reviewed entries, such as leaderboards/entries; without --out these alone."
        ),
    ] = None,
    site: Annotated[Path | None, folder_option("--site", "Folder of the site (default: site).")] = None,
    title: Annotated[str, typer.Option(help="Title of the site.")] = "wsibench leaderboard",
    metric: Annotated[
        str | None, typer.Option(help="Score to rank by, such as accuracy or f1 (default: the first of the task).")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Write the leaderboard as a static site: tables, figures and a page for each study. It needs no server.

    Every number is computed from the stored predictions; the same evidence gives the same bytes. ``index.html`` opens
    from the disk, and the folder can be put on any web server as it is.
    """
    from harness.cli.leaderboard import metric_name
    from harness.core.reading import size_text
    from harness.leaderboard_site.build import build as write
    from harness.results.store import RunStore

    chosen = metric_name(metric)
    stores = [RunStore(one) for one in out or ([] if entries else [Path("runs")])]
    if entries is not None:
        stores.append(_entered(entries))
    for store in stores:
        show_damaged(store.studies_and_broken()[1])
    made = write(stores, site or Path("site"), title=title, metric=chosen)
    boards = console.count(len(made.content.boards), "board")
    studies = console.count(sum(len(board.entries) for board in made.content.boards), "study")
    console.say(f"{boards}, {studies}: {made.folder / 'index.html'} ({made.files} files, {size_text(made.size)})")


def _entered(folder: Path) -> EntryStore:
    """The entries in a folder, as a runs folder.

    Raises:
        DataError: there is none, or a file is not what its manifest says.
    """
    from harness.bundles.entries import EntryStore, entries
    from harness.core.errors import DataError

    if not (found := entries(folder)):
        raise DataError(
            "there is no entry in the folder",
            place=str(folder),
            fix="name leaderboards/entries of a checkout, or make one: bench leaderboard submit STUDY --entry",
        )
    return EntryStore(found)
