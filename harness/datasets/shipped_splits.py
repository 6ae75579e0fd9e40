"""How the split files of CAMELYON16 and of its drawn miniature were made, so that anyone can make them again.

``write("camelyon16")`` in a checkout overwrites the files with the same bytes; a test holds them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.core.resources import package_data
from harness.datasets.dataset import Entry, load_dataset
from harness.datasets.make_splits import as_folds, given_test, stratified_folds
from harness.datasets.splits import Fold, write_splits

SEED = 2016
VAL_FRACTION = 0.2

Recipe = Callable[[Sequence[Entry]], tuple[Fold, ...]]


def official(entries: Sequence[Entry], without: tuple[str, ...] = ()) -> tuple[Fold, ...]:
    """The release's own test set; a fifth of its training set, stratified by label and centre, validates."""
    patients = [entry.patient for entry in entries]
    tested = [entry.extra["split"] == "test" for entry in entries]
    made = given_test(patients, _strata(entries), tested, VAL_FRACTION, SEED)
    return as_folds([entry.slide for entry in entries], [made], without=without)


def cv5(entries: Sequence[Entry]) -> tuple[Fold, ...]:
    """Five folds over all slides, stratified by label and centre; a fifth of each fold's rest validates."""
    patients = [entry.patient for entry in entries]
    made = stratified_folds(patients, _strata(entries), 5, VAL_FRACTION, SEED)
    return as_folds([entry.slide for entry in entries], made)


def train_cv5(entries: Sequence[Entry]) -> tuple[Fold, ...]:
    """The same over the release's training set alone: its test slides are in no part."""
    return cv5([entry for entry in entries if entry.extra["split"] != "test"])


RECIPES: dict[str, dict[str, Recipe]] = {
    "camelyon16": {
        "splits/official.csv": official,
        "splits/official-128.csv": lambda entries: official(entries, without=("test_114",)),
        "splits/official-127.csv": lambda entries: official(entries, without=("test_114", "test_124")),
        "splits/cv5.csv": cv5,
        "splits/train-cv5.csv": train_cv5,
    },
    "camelyon16-mini": {
        "splits/official.csv": official,
        "splits/cv5.csv": cv5,
        "splits/train-cv5.csv": train_cv5,
    },
}
"""Dataset → split file → how its folds are made from the label table."""


def write(name: str) -> None:
    """Write the split files of dataset ``name`` into its folder."""
    dataset = load_dataset(package_data("datasets") / name)
    for file, recipe in RECIPES[name].items():
        write_splits(dataset.folder / file, recipe(dataset.entries))


def _strata(entries: Sequence[Entry]) -> list[str]:
    return [f"{entry.label}/{entry.extra['center']}" for entry in entries]
