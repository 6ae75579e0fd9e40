"""A public set of features in the place of a dataset's slides: fetched once, named by the dataset's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from harness.core.errors import DataError
from harness.core.suggest import unknown
from harness.datasets.card import InputSettings
from harness.datasets.dataset import Dataset
from harness.datasets.feature_set_card import FeatureSetCard
from harness.features.fetch import fetched
from harness.sources.feature_folder import UNKNOWN, FeatureFolder


class FetchedSet(FeatureFolder):
    """Features of a set that a card names. The data root of the slides says nothing about them.

    Attributes:
        name: of the set.
        hub: repository.
        commit: of the repository.
    """

    takes_data_root: ClassVar[bool] = False
    comes_as: ClassVar[str] = "features that were fetched"
    name: str
    hub: str
    commit: str

    def root(self, dataset: Dataset, data_root: Path | None) -> Path:
        """The folder with the features."""
        return Path(self.folder)

    def evidence(self) -> Mapping[str, Any]:
        """The set and its commit."""
        return {"feature_set": {"name": self.name, "hub": self.hub, "commit": self.commit}}


def with_fetched(dataset: Dataset, name: str, cache: Path) -> Dataset:
    """The dataset with the features of a set in place of its slides.

    Args:
        dataset: the dataset.
        name: of the set.
        cache: where sets are fetched to.

    Raises:
        UsageError: the card names no such set.
        DataError: the set was not fetched yet, or is of slides of its own.
    """
    card = set_card(dataset, name)
    if card.own_slides:
        raise DataError(
            f"set {name} names its slides in its own way, so that it cannot stand for those of {dataset.name}",
            place=f"--features {name}",
            fix=f"bench features get {dataset.name} --set {name} makes a dataset of its own of it",
        )
    found = fetched(cache, dataset.name, name)
    if found is None:
        raise DataError(
            f"the features {name} of {dataset.name} have not been fetched",
            place=f"--features {name}",
            fix=f"bench features get {dataset.name} --set {name}",
        )
    source = source_of(card, name, found.folder, found.commit)
    settings = InputSettings(
        kind="features", encoder=source.encoder, mpp=() if card.mpp is None else (card.mpp,), tile_px=card.tile_px or 0
    )
    return replace(dataset, card=dataset.card.model_copy(update={"source": source, "inputs": (settings,)}))


def set_card(dataset: Dataset, name: str) -> FeatureSetCard:
    """What the card says of a set; raises UsageError where it names no such set."""
    sets = dataset.card.feature_sets
    if name not in sets:
        raise unknown("feature set", name, sets, place="--set", listing=f"bench datasets show {dataset.name}")
    return sets[name]


def source_of(card: FeatureSetCard, name: str, folder: Path, commit: str) -> FetchedSet:
    """The source that reads a set; a width that nobody states is that of the first slide."""
    from harness.features.declared import Declared
    from harness.features.formats.base import Facts, Options
    from harness.features.formats.detect import detect
    from harness.features.packing import Packing
    from harness.sources.open_feature_folder import by_slide

    encoder = None if card.encoder == UNKNOWN else card.encoder
    declared = Declared(Facts(encoder, card.tile_px, card.mpp, card.magnification), card.dim, "the card")
    width = card.dim
    if width is None:
        found = detect(folder, Options(encoder))
        width = Packing(found, by_slide(found), declared).describe().dim
    return FetchedSet(
        folder=str(folder),
        format=card.format,
        dim=width or 1,
        encoder=card.encoder,
        tile_px=card.tile_px,
        mpp=card.mpp,
        magnification=card.magnification,
        match=card.match,
        name=name,
        hub=card.hub,
        commit=commit,
    )
