"""Whether other data is what a model was trained on: what contradicts is an error, what is unknown a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError, UsageError
from harness.datasets.card import InputSettings
from harness.datasets.reading_tiles import PLAIN_READING
from harness.encoders.spelling import UNKNOWN, same
from harness.features.declared import MPP_TOLERANCE

if TYPE_CHECKING:
    from harness.bags.source import BagSource
    from harness.datasets.dataset import Dataset
    from harness.models.find import Found

_NAMES = {"encoder": "encoder", "mpp": "resolution in microns per pixel", "tile_px": "tile size in pixels"}


def settings_for(model: Found, dataset: Dataset) -> InputSettings:
    """How a dataset is read for a model: as the model's own was, as far as the dataset leaves that open.

    Raises:
        UsageError: the dataset does not offer what the model reads, or does not know how to.
    """
    source, kind = dataset.card.source, model.description.bags.kind
    if kind not in source.offers:
        raise UsageError(
            f"the model reads {kind}, and dataset {dataset.name} offers {' or '.join(sorted(source.offers))}",
            place=f"{model.origin.unit} and {dataset.name}",
            fix="choose a study that reads what the dataset has",
        )
    card = next((one for one in dataset.card.inputs if one.kind == kind), InputSettings(kind=kind))
    found = card.model_dump() | dict(source.fixed)
    found |= {name: model.origin.input.get(name, PLAIN_READING.get(name)) for name in source.reads}
    if "encoder" in source.reads and found["encoder"] in ("", None, UNKNOWN):
        raise UsageError(
            "nobody says by which encoder the features were made that the model was trained on",
            place=model.origin.unit,
            fix=f"make features of {dataset.name} in the same way, and a dataset of them "
            "(bench datasets new NAME --features FOLDER)",
        )
    settings = InputSettings.model_validate(found)
    if lacking := settings.lacking(source):
        raise UsageError(
            f"nobody says with which {_NAMES[lacking]} the tiles were cut that the model was trained on",
            place=model.origin.unit,
            fix="give features as a dataset (bench datasets new NAME --features FOLDER), not slides",
        )
    return settings


def check_domain(model: Found, dataset: Dataset, settings: InputSettings, bags: BagSource) -> tuple[str, ...]:
    """Compare a dataset, as it was opened, with what a model was trained on.

    Args:
        model: the model.
        dataset: the other dataset.
        settings: how it was read.
        bags: its bags.

    Returns:
        What cannot be compared, one sentence each.

    Raises:
        DataError: encoder, resolution, tile size, feature width, task or classes contradict; both are shown.
    """
    place = f"{model.origin.unit} and {dataset.name}"
    width = model.description.bags.dim
    if bags.dim != width:
        raise _contradiction("number of columns of the features", width, bags.dim, place)
    trained, other = model.origin.input, settings.model_dump()
    unknown = []
    for name, words in _NAMES.items():
        one, two = _known(trained, name), _known(other, name)
        if one and two and not _agree(name, one, two):
            raise _contradiction(words, one, two, place)
        if bool(one) != bool(two):
            who = f"dataset {dataset.name}" if one else "the model"
            unknown.append(f"the {words} of {who} is unknown, so it cannot be compared with {one or two}")
        elif not one and UNKNOWN in (trained.get(name), other.get(name)):
            unknown.append(f"the {words} of both is unknown, so it cannot be compared")
    return tuple(unknown)


def check_task(model: Found, dataset: Dataset) -> None:
    """Compare what a dataset has labels of with what a model predicts.

    Raises:
        DataError: another task, or other classes; both are shown.
    """
    place, task = f"{model.origin.unit} and {dataset.name}", dataset.task
    if task.name != model.description.task.name:
        raise _contradiction("task", model.description.task.name, task.name, place)
    if "class" in task.truth.values() and task.columns != model.origin.classes:
        ours, theirs = ", ".join(model.origin.classes), ", ".join(task.columns)
        raise _contradiction("list of classes", ours, theirs, place)


def _known(settings: Mapping[str, Any], name: str) -> Any:
    value = settings.get(name)
    if value in ("", UNKNOWN, 0, None):
        return None
    return tuple(value) or None if isinstance(value, list | tuple) else value


def _agree(name: str, one: Any, two: Any) -> bool:
    if name == "encoder":
        return same(str(one), str(two))
    if name == "mpp":
        return len(one) == len(two) and all(
            abs(a - b) <= MPP_TOLERANCE * max(a, b) for a, b in zip(one, two, strict=True)
        )
    return bool(one == two)


def _contradiction(what: str, trained: Any, other: Any, place: str) -> DataError:
    return DataError(
        f"the {what} of the model is {_text(trained)}, that of the dataset {_text(other)}",
        place=place,
        fix="choose a study that was trained on such data, or make the data as the study's was",
    )


def _text(value: Any) -> str:
    return ", ".join(f"{one:g}" for one in value) if isinstance(value, tuple) else str(value)
