"""``bench sync``: bring the MLflow view up to date with the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.damaged import show_damaged
from harness.cli.options import Out, Plugins
from harness.core import console
from harness.core.errors import DataError
from harness.core.folders import writable_folder


def sync(
    out: Out = None,
    uri: Annotated[
        str | None, typer.Option(help="MLflow tracking URI (default: $MLFLOW_TRACKING_URI, or the runs folder's).")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Write to MLflow what it does not show yet: after a server was down, or to a new one. Twice adds nothing."""
    from harness.results.mlflow.view import default_uri
    from harness.results.names import without_password
    from harness.results.publish import Publisher
    from harness.results.store import RunStore

    root = out or Path("runs")
    if not root.is_dir():
        raise DataError("there is no runs folder", place=str(root), fix="point --out to your runs")
    store = RunStore(writable_folder(root, "--out"))
    show_damaged(store.studies_and_broken()[1])
    publisher = Publisher(store, uri)
    written = publisher.sync()
    where = without_password(uri or default_uri(root))
    if publisher.broken:
        raise DataError(
            f"MLflow could not be brought up to date: {publisher.broken}",
            place=where,
            fix="start or mend the server, then bench sync again; the evidence is complete",
        )
    if publisher.moved:
        console.say("the runs folder was moved or copied: MLflow now reads and writes the artefacts in it")
    console.say(f"{console.count(written, 'run')} written to {where}" if written else f"{where} is up to date")
