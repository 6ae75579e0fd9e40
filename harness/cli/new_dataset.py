"""``bench datasets new``: a dataset of a folder of slides or features, and a table."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import feature_options as options
from harness.cli.options import Cache, Plugins, Workers, finite, folder_option
from harness.core import console
from harness.core.errors import UsageError
from harness.core.folders import expanded, writable_folder
from harness.core.options import LARGEST_SEED

if TYPE_CHECKING:
    from harness.datasets.dataset import Dataset
    from harness.sources.new_dataset import Made

_TABLE = "Table of labels"

Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        help="Table (CSV or Excel) with a line per slide; some features bring labels.",
        rich_help_panel=_TABLE,
    ),
]
SlideTable = Annotated[
    Path | None,
    typer.Option(
        "--slide-table",
        help="Table of slides and their patients, where --labels has a line per patient (STAMP).",
        rich_help_panel=_TABLE,
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task", help="What is predicted: classification, survival, regression, or a plugin's.", rich_help_panel=_TABLE
    ),
]
SlideColumn = Annotated[str, typer.Option("--slide-col", help="Column with the slide names.", rich_help_panel=_TABLE)]
LabelColumn = Annotated[
    str | None,
    typer.Option("--label-col", help="Column with the class (or number) of each slide.", rich_help_panel=_TABLE),
]
PatientColumn = Annotated[
    str,
    typer.Option("--patient-col", help="Column with the patients; may be the slide column.", rich_help_panel=_TABLE),
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time-col", help="Survival: column with the times until event or censoring.", rich_help_panel=_TABLE
    ),
]
EventColumn = Annotated[
    str | None,
    typer.Option(
        "--event-col", help="Survival: column with 1 for an event and 0 for censored.", rich_help_panel=_TABLE
    ),
]
OtherColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--col",
        help="Column for something else that the task needs: --col target=score. Repeatable.",
        metavar="WHAT=COLUMN",
        rich_help_panel=_TABLE,
    ),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes", help="Classes in order, with commas; of two, the second is positive.", rich_help_panel=_TABLE
    ),
]
DropMissing = Annotated[
    bool,
    typer.Option(
        "--drop-missing", help="Leave out lines that lack a slide, a patient or a label.", rich_help_panel=_TABLE
    ),
]
SplitSlides = Annotated[
    bool,
    typer.Option(
        "--split-slides",
        help="A cell may name several slides of a patient, joined by ;.",
        rich_help_panel=_TABLE,
    ),
]
DistinctIds = Annotated[
    bool,
    typer.Option(
        "--distinct-ids",
        help="Ids that differ in spelling alone (P7, p07) are different ones.",
        rich_help_panel=_TABLE,
    ),
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
Splits = Annotated[Path | None, typer.Option("--splits", help="Folder or table with splits, such as CLAM's.")]
AllowLeaks = Annotated[
    bool,
    typer.Option(
        "--allow-leaks", help="Take --splits although they part slides of a patient; the protocol is never ranked."
    ),
]
Into = Annotated[
    Path | None, folder_option("--into", "Where to make its folder. Default: first of $BENCH_DATASETS, or here.")
]
Partial = Annotated[bool, typer.Option("--partial", help="Leave out slides without a file and files without a label.")]


def new(
    name: Annotated[str, typer.Argument(help="Name of the new dataset.")],
    labels: Labels = None,
    slides: Annotated[Path | None, typer.Option("--slides", help="Folder with the slides, at any depth.")] = None,
    features: options.Features = None,
    slide_table: SlideTable = None,
    task: Task = None,
    slide_col: SlideColumn = "slide",
    label_col: LabelColumn = None,
    patient_col: PatientColumn = "patient",
    time_col: TimeColumn = None,
    event_col: EventColumn = None,
    col: OtherColumns = None,
    classes: Classes = None,
    mpp: Mpp = None,
    folds: Annotated[int, typer.Option("--folds", help="Number of folds, at least 3.")] = 5,
    splits: Splits = None,
    allow_leaks: AllowLeaks = False,
    into: Into = None,
    partial: Partial = False,
    drop_missing: DropMissing = False,
    distinct_ids: DistinctIds = False,
    split_slides: SplitSlides = False,
    seed: Annotated[int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Another seed gives other folds.")] = 0,
    encoder: options.Encoder = None,
    match: options.Match = None,
    tile_px: options.TilePx = None,
    tile_mpp: options.TileMpp = None,
    dtype: options.Dtype = "float16",
    in_place: options.InPlace = False,
    pickled_arrays: options.PickledArrays = False,
    cache: Cache = None,
    workers: Workers = None,
    plugin: Plugins = None,
) -> None:
    """Make a dataset of a folder of slides or features and a table: card, labels, fixed folds by patient, README."""
    given = options.FeatureOptions(
        features, encoder, match, tile_px, tile_mpp, dtype, in_place, pickled_arrays, cache, workers
    )
    _make(
        given,
        name=name,
        slides=given.folder(slides, mpp),
        labels=given.labels(labels),
        slide_table=None if slide_table is None else expanded(slide_table),
        slide_column=slide_col,
        patient_column=patient_col,
        **_predicted(task, label_col, {"time": time_col, "event": event_col}, col or []),
        classes=None if classes is None else tuple(part.strip() for part in classes.split(",")),
        mpp=mpp,
        folds=folds,
        **_splits(splits, allow_leaks),
        into=writable_folder(into or _home(), "--into"),
        partial=partial,
        drop_missing=drop_missing,
        distinct_ids=distinct_ids,
        seed=seed,
        split_slides=split_slides,
    )


def _make(given: options.FeatureOptions, **fields: Any) -> None:
    """Make the dataset of these fields of :class:`harness.datasets.new_labels.NewDataset`, and say so."""
    from harness.datasets.new_labels import NewDataset
    from harness.sources.new_dataset import new_dataset

    new = NewDataset(**fields)
    _say(new_dataset(new) if given.features is None else given.new(new))


def _splits(splits: Path | None, allow_leaks: bool) -> dict[str, Any]:
    if allow_leaks and splits is None:
        raise UsageError("folds that are made do not leak", place="--allow-leaks", fix="leave it out, or give --splits")
    return {"splits": None if splits is None else expanded(splits), "allow_leaks": allow_leaks}


def _predicted(task: str | None, label: str | None, own: dict[str, str | None], others: list[str]) -> dict[str, Any]:
    """The task, and the columns that were named for it; those with an option of their own name the task too."""
    from harness.datasets.label_columns import columns_for
    from harness.tasks.registry import DEFAULT, tasks

    named = {what: column for what, column in own.items() if column is not None}
    kind = task or next((one.name for one in tasks() if named and named.keys() <= one.truth.keys()), DEFAULT)
    return {"task": kind, "columns": columns_for(kind, label, named | _columns(others))}


def _columns(words: list[str]) -> dict[str, str]:
    """What stands behind each ``--col``."""
    found = {}
    for word in words:
        what, equals, column = word.partition("=")
        if not equals or not what.strip() or not column.strip():
            raise UsageError(
                f"{word!r} names no column", place="--col", fix="write WHAT=COLUMN, as in --col target=score"
            )
        found[what.strip()] = column.strip()
    return found


def _say(made: Made) -> None:
    """What was made, what was changed on the way, and what to do next."""
    from harness.datasets.split_formats import split_columns

    dataset = made.dataset
    for words in made.notes:
        console.note(words)
    for erratum in dataset.card.errata:
        console.warn(f"{erratum.what} {erratum.action}")
    carried = dataset.entries[0].extra
    if carried:
        console.say(f"columns carried over: {', '.join(carried)}")
        if "given" not in dataset.card.protocols and (found := split_columns(tuple(carried))):
            console.note(f"column {found[0]} may hold splits: --splits with the same table takes them")
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
