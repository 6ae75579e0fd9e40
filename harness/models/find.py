"""The kept models behind a word on the command line: those of a study in a runs folder, or of an exported folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.core.errors import DataError
from harness.core.folders import expanded
from harness.models.description import FILE, ModelDescription, Origin
from harness.results.find_study import find_study
from harness.results.store import RunStore
from harness.results.studies import Study

FOLDER = "model"
"""In a unit's folder."""
EXPORTED = "models"
"""In an exported folder: one folder per unit."""


@dataclass(frozen=True)
class Found:
    """A kept model that is not loaded yet.

    Attributes:
        folder: its files.
        description: what ``model.json`` says.
        origin: which unit made it.
    """

    folder: Path
    description: ModelDescription
    origin: Origin

    @cached_property
    def trained_on(self) -> frozenset[str]:
        """Hashes of the content of its training slides, 16 digits each."""
        return frozenset(self.origin.trained_on)

    @cached_property
    def chosen_on(self) -> frozenset[str]:
        """The same of its validation slides."""
        return frozenset(self.origin.chosen_on)


@dataclass(frozen=True)
class Models:
    """The kept models of a study.

    Attributes:
        study: the study's id.
        found: a model per unit, by repeat, fold and seed.
        lacking: units that are done and keep none.
        store: the runs folder; None for an exported folder.
    """

    study: str
    found: tuple[Found, ...]
    lacking: tuple[str, ...] = ()
    store: RunStore | None = None


def find_models(word: str, runs: Path, *, place: str) -> Models:
    """The models that ``word`` means.

    Args:
        word: a study as in ``bench compare``; or the path of a folder of ``bench export``, or of one model.
        runs: the runs folder.
        place: where ``word`` was typed, for errors.

    Raises:
        UsageError: no study of this name, or several.
        DataError: it keeps no model, or one that is damaged.
    """
    path = expanded(word)
    if (path / FILE).is_file():
        return _of_folders([path], str(path))
    if (path / EXPORTED).is_dir():
        return _of_folders(sorted(one.parent for one in (path / EXPORTED).glob(f"*/{FILE}")), str(path))
    store = RunStore(runs)
    studies = store.studies()
    if not studies:
        raise DataError(
            "there is no study in the runs folder",
            place=str(store.root),
            fix="point --out to your runs, or give the path of a folder of bench export",
        )
    return models_of(store, find_study(studies, word, place=place))


def models_of(store: RunStore, study: Study) -> Models:
    """The models of a study's finished units.

    Raises:
        DataError: there is none, or one that is damaged.
    """
    folders = {record.unit_id: store.unit_folder(record.unit_id) / FOLDER for record in study.records}
    there = {unit: folder for unit, folder in folders.items() if (folder / FILE).is_file()}
    if not there:
        raise DataError(
            f"no unit of the study keeps its model ({len(folders)} done)",
            place=study.study_id,
            fix="units that are done are not run again: run it into another folder (--out), without --no-keep-model",
        )
    lacking = tuple(unit for unit in folders if unit not in there)
    return Models(study.study_id, _read(list(there.values())), lacking, store)


def _of_folders(folders: Sequence[Path], place: str) -> Models:
    found = _read(folders)
    if not found:
        raise DataError("there is no model in the folder", place=place, fix="give a folder of bench export")
    return Models(found[0].origin.study, found)


def _read(folders: Sequence[Path]) -> tuple[Found, ...]:
    found = []
    for folder in folders:
        description = ModelDescription.read(folder)
        if description.origin is None:
            raise DataError(
                "the model does not say which unit made it",
                place=str(folder / FILE),
                fix="take one from the folder of a finished unit",
            )
        found.append(Found(folder, description, description.origin))
    return tuple(sorted(found, key=lambda one: (one.origin.repeat, one.origin.fold, one.origin.seed)))
