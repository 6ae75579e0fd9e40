"""``bench datasets new``: a dataset of a folder of slides and a table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import feature_options as options
from harness.cli.options import Cache, Workers, finite, folder_option
from harness.core import console
from harness.core.folders import expanded, writable_folder
from harness.core.options import LARGEST_SEED

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset


Labels = Annotated[
    Path | None, typer.Option("--labels", help="Table (CSV) with a line per slide; some features bring labels.")
]
SlideColumn = Annotated[str, typer.Option("--slide-col", help="Column with the slide names.")]
LabelColumn = Annotated[str, typer.Option("--label-col", help="Column with the class of each slide.")]
PatientColumn = Annotated[str, typer.Option("--patient-col", help="Column with the patients; may be the slide column.")]
TimeColumn = Annotated[
    str | None, typer.Option("--time-col", help="Survival: column with the times until event or censoring.")
]
EventColumn = Annotated[
    str | None, typer.Option("--event-col", help="Survival: column with 1 for an event and 0 for censored.")
]
Classes = Annotated[
    str | None, typer.Option("--classes", help="Classes in order, with commas; of two, the second is positive.")
]
Mpp = Annotated[
    float | None,
    typer.Option(
        "--mpp",
        help="Microns per pixel of level 0, for slides that do not say.",
        min=0.01,
        max=1000,
        callback=finite,
    ),
]
Into = Annotated[
    Path | None, folder_option("--into", "Where to make its folder. Default: first of $BENCH_DATASETS, or here.")
]
Partial = Annotated[bool, typer.Option("--partial", help="Leave out slides without a file and files without a label.")]
DropMissing = Annotated[
    bool, typer.Option("--drop-missing", help="Leave out lines that lack a slide, patient, class, time or event.")
]
DistinctIds = Annotated[
    bool, typer.Option("--distinct-ids", help="Ids that differ in spelling alone (P7, p07) are different ones.")
]


def new(
    name: Annotated[str, typer.Argument(help="Name of the new dataset.")],
    labels: Labels = None,
    slides: Annotated[Path | None, typer.Option("--slides", help="Folder with the slides, at any depth.")] = None,
    features: options.Features = None,
    slide_col: SlideColumn = "slide",
    label_col: LabelColumn = "label",
    patient_col: PatientColumn = "patient",
    time_col: TimeColumn = None,
    event_col: EventColumn = None,
    classes: Classes = None,
    mpp: Mpp = None,
    folds: Annotated[int, typer.Option("--folds", help="Number of folds, at least 3.")] = 5,
    into: Into = None,
    partial: Partial = False,
    drop_missing: DropMissing = False,
    distinct_ids: DistinctIds = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Another seed gives other folds.")] = 0,
    encoder: options.Encoder = None,
    splits: options.Splits = None,
    match: options.Match = None,
    tile_px: options.TilePx = None,
    tile_mpp: options.TileMpp = None,
    dtype: options.Dtype = "float16",
    in_place: options.InPlace = False,
    pickled_arrays: options.PickledArrays = False,
    cache: Cache = None,
    workers: Workers = None,
) -> None:
    """Make a dataset of a folder of slides or features and a table: card, labels, fixed folds by patient, README."""
    from harness.datasets.new_dataset import NewDataset, new_dataset

    given = options.FeatureOptions(
        features, encoder, splits, match, tile_px, tile_mpp, dtype, in_place, pickled_arrays, cache, workers
    )
    wish = NewDataset(
        name=name,
        slides=given.folder(slides, mpp),
        labels=given.labels(labels),
        slide_column=slide_col,
        label_column=label_col,
        patient_column=patient_col,
        time_column=time_col,
        event_column=event_col,
        classes=tuple(part.strip() for part in classes.split(",")) if classes is not None else None,
        mpp=mpp,
        folds=folds,
        into=writable_folder(into or _home(), "--into"),
        partial=partial,
        drop_missing=drop_missing,
        distinct_ids=distinct_ids,
        seed=seed,
        file_ids=features is not None,
    )
    _say(new_dataset(wish) if features is None else given.new(wish))


def _say(dataset: Dataset) -> None:
    """What was made, what was changed on the way, and what to do next."""
    for erratum in dataset.card.errata:
        console.warn(f"{erratum.what} {erratum.action}")
    counts = ", ".join(f"{count:,} {what}" for what, count in dataset.card.counts.items())
    console.say(f"made {dataset.folder}: {counts}")
    if dataset.task.thresholded:
        console.say(f"the positive class is {dataset.card.classes[1]!r}; --classes chooses another order")
    where = shlex.quote(_shortest(dataset))
    console.say(f"next  bench datasets verify {where} --open")
    console.say(f"      bench run --method abmil --dataset {where}")


def _home() -> Path:
    """The first folder in ``$BENCH_DATASETS``, else the current one."""
    import os

    from harness.datasets.catalog import VARIABLE

    first = next((text for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text.strip()), "")
    return expanded(first) if first else Path()


def _shortest(dataset: Dataset) -> str:
    """How to call a dataset: by name where the catalogue knows it, else by path."""
    from harness.datasets.catalog import list_datasets

    known = {one.name for one in list_datasets() if one.dataset is not None}
    if dataset.name in known:
        return dataset.name
    return str(dataset.folder) if len(dataset.folder.parts) > 1 else f"./{dataset.folder}"
