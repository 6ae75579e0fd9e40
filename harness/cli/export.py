"""``bench export``: the kept models of a study as one folder that needs no runs folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.model_options import StudyName, the_models
from harness.cli.options import Out, Plugins
from harness.core import console
from harness.core.folders import writable_folder


def export(
    study: StudyName,
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also log it to MLflow, as a model that predicts.")] = False,
    out: Out = None,
    plugin: Plugins = None,
) -> None:
    """Write the trained models of a study to a folder that works without the runs folder.

    ``bench predict FOLDER`` takes it; it holds the configurations, the label map and a README with licence and use.
    """
    from harness.api.registry import find_method
    from harness.models.export import export as write
    from harness.results.summary import summarise

    models = the_models(study, out, "export")
    writable_folder(folder.parent, "FOLDER")
    summary = None if models.store is None else summarise(models.store, models.store.study(models.study))
    files = [Path(name) for name in plugin or () if name.endswith(".py")]
    card = find_method(models.found[0].description.method).card
    write(models, folder, card=card, summary=summary, plugins=files)
    console.say(f"{console.count(len(models.found), 'model')} of {models.study}: {folder}")
    if mlflow:
        _log(study, out, folder)


def _log(study: str, out: Path | None, folder: Path) -> None:
    """Log the folder to the study's run.

    Raises:
        UsageError: ``study`` is an exported folder, which has no run.
    """
    from harness.core.errors import UsageError
    from harness.models.pyfunc import log_model
    from harness.results.mlflow.view import MlflowView

    models = the_models(study, out, "export")
    if models.store is None:
        raise UsageError("an exported folder has no run in MLflow", place="--mlflow", fix="name the study itself")
    uri = log_model(MlflowView(models.store.root), models.store.study(models.study), folder)
    console.say(f"in MLflow: mlflow.pyfunc.load_model({uri!r})")
