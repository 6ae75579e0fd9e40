"""``bench predict``: other data by the kept models of a study, and its scores where it has labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.model_options import (
    DatasetName,
    Device,
    SlideFolder,
    SlideMpp,
    StudyName,
    opened,
    the_data,
    the_device,
    the_models,
)
from harness.cli.options import Cache, DataRoot, Out, Plugins, Workers, folder_option
from harness.cli.table_options import exportable
from harness.core import console
from harness.core.errors import UsageError
from harness.core.folders import writable_folder
from harness.core.table import Column, Table

if TYPE_CHECKING:
    from harness.models.predict import Answers

_ENDINGS = (".csv", ".parquet")


@exportable
def predict(
    study: StudyName,
    dataset: DatasetName = None,
    slides: SlideFolder = None,
    mpp: SlideMpp = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Take the mean of all models of the study.")] = False,
    predictions: Annotated[
        Path | None,
        folder_option("--predictions", "File for the predictions, .csv or .parquet (default: STUDY-on-DATASET.csv)."),
    ] = None,
    device: Device = "auto",
    data_root: DataRoot = None,
    out: Out = None,
    cache: Cache = None,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Predict every slide of other data by every model of a study; with labels, show the scores.

    Slides that a model has learnt from are predicted, marked and left out of the scores.
    """
    if predictions is not None:
        _check_file(predictions)
    models = the_models(study, out, "predict")
    data = the_data(models, dataset, slides, mpp)
    chosen = the_device(device)
    inputs = opened(models, data, data_root=data_root, cache=cache, workers=workers, device=chosen)

    from harness.models.predict import predict as answer

    found = answer(models, inputs, chosen, labelled=slides is None, ensemble=ensemble)
    target = predictions or Path(f"{models.study}{'-ensemble' * ensemble}-on-{data.name}.csv")
    _write(found, target)
    _show(found, f"{models.study} on {data.name}")
    console.say(f"predictions: {target}")


def _check_file(path: Path) -> None:
    """Refuse a file that cannot be written, before any work."""
    if path.suffix not in _ENDINGS:
        raise UsageError(
            f"the ending {path.suffix!r} names no form of a table",
            place=f"--predictions {path}",
            fix=f"end it in {' or '.join(_ENDINGS)}",
        )
    writable_folder(path.parent, "--predictions")


def _write(found: Answers, path: Path) -> None:
    from harness.core.atomic import replacing
    from harness.core.table_text import csv_cell

    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            found.frame.to_parquet(temporary, index=False)
            return
        texts = found.frame.select_dtypes(exclude="number").columns
        frame = found.frame.assign(**{name: found.frame[name].map(csv_cell) for name in texts})
        frame.to_csv(temporary, index=False)


def _show(found: Answers, title: str) -> None:
    from harness.models.predict import SEEN
    from harness.results.study_table import known, limits_text, number_text

    models, slides = found.frame["unit"].nunique(), found.frame["slide"].nunique()
    seen = found.frame[found.frame[SEEN] != ""]
    if len(seen):
        console.warn(
            f"{seen['slide'].nunique()} of {slides} slides were trained or validated on by a model that predicts them; "
            "they are marked in the predictions and left out of the scores"
        )
    console.say(f"{console.count(slides, 'slide')} by {console.count(models, 'model')}")
    if found.scores is None:
        return
    rows = [
        {"metric": name, "score": known(one.value), "low": known(one.low), "high": known(one.high)}
        for name, one in found.scores.scores.items()
    ]
    columns = [
        Column("metric"),
        Column("score", text=number_text, right=True),
        Column("95 % interval", ("low", "high"), limits_text, right=True),
    ]
    caption = f"{found.scores.predictions} predictions of {found.scores.patients} patients"
    console.show(Table(title, columns, rows, caption))
