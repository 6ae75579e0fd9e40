"""What the commands for kept models share: their options, and opening data for the models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.completion import offer
from harness.cli.options import data_root_of, finite, folder_option
from harness.core import console
from harness.core.errors import UsageError
from harness.studies.config import device_name

if TYPE_CHECKING:
    import torch

    from harness.datasets.dataset import Dataset
    from harness.models.find import Models
    from harness.sources.inputs import Inputs

StudyName = Annotated[
    str,
    typer.Argument(
        help="Study id, a beginning of it, or of the hash at its end; or a folder of bench export.",
        autocompletion=offer("studies"),
    ),
]
DatasetName = Annotated[
    str | None,
    typer.Option("--dataset", help="Dataset name, or a folder with a card.", autocompletion=offer("datasets")),
]
SlideFolder = Annotated[
    Path | None, folder_option("--slides", "Folder of slides without labels, where the study read slides.")
]
SlideMpp = Annotated[
    float | None,
    typer.Option(
        "--mpp", min=0.01, max=1000, callback=finite, help="Microns per pixel of slides that do not say (flat images)."
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


def the_models(study: str, out: Path | None, command: str) -> Models:
    """The models that were asked for; says which units have none."""
    from harness.models.find import find_models

    models = find_models(study, out or Path("runs"), place=f"bench {command}, STUDY")
    if models.lacking:
        done = len(models.lacking) + len(models.found)
        console.warn(f"{len(models.lacking)} of {done} units keep no model, {models.lacking[0]} among them")
    return models


def the_device(device: str) -> torch.device:
    """The device that was asked for."""
    from harness.training.device import choose_device

    return choose_device(device_name(device, "--device"))


def own_dataset(models: Models) -> str:
    """The dataset that a study was run on: its folder where it was given by path and is still there, else its name."""
    plan = {} if models.store is None else models.store.plan(models.study)
    folder = plan.get("dataset_folder")
    there = isinstance(folder, str) and Path(folder).is_dir()
    return str(folder) if there else models.found[0].origin.dataset


def the_data(models: Models, dataset: str | None, slides: Path | None, mpp: float | None) -> Dataset:
    """The dataset that was asked for.

    Raises:
        UsageError: neither or both of ``dataset`` and ``slides`` are given.
    """
    from harness.datasets.catalog import find_dataset
    from harness.models.slide_folder import slide_folder

    if (dataset is None) == (slides is None):
        raise UsageError(
            "give either a dataset or a folder of slides",
            place="--dataset, --slides",
            fix="add --dataset NAME for data with labels, or --slides FOLDER",
        )
    if slides is not None:
        return slide_folder(slides, models.found[0], mpp=mpp)
    assert dataset is not None
    return find_dataset(dataset)


def opened(
    models: Models,
    data: Dataset,
    *,
    data_root: Path | None,
    cache: Path | None,
    workers: int | None,
    device: torch.device,
    slides: Sequence[str] | None = None,
) -> Inputs:
    """The data, opened as the models read theirs; warns of what could not be compared."""
    from harness.core.resources import cache_root
    from harness.models.predict import open_for

    inputs, unchecked = open_for(
        models,
        data,
        data_root=data_root_of(data.name, data_root),
        cache=cache or cache_root(),
        workers=workers or os.cpu_count() or 1,
        device=device,
        slides=slides,
    )
    for sentence in unchecked:
        console.warn(sentence)
    return inputs
