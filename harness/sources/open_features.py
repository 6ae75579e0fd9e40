"""Opening a set of features that exists already, in the place of a dataset's tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.bags.access import FeatureAccess
from harness.bags.tile_source import TileBags
from harness.core.errors import DataError
from harness.datasets.content import ContentHashes
from harness.datasets.table import listed
from harness.features.cost import cost_of
from harness.features.extract import tiles_fingerprint
from harness.features.manifest import Manifest
from harness.features.store import FeatureStore

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.sources.inputs import Inputs


def check_store(store: FeatureStore, bags: TileBags) -> None:
    """Compare a store with its checksums and with the tiles' positions, unless it was and has not changed since.

    Raises:
        DataError: slides whose features or positions are not what was written; they are named.
    """
    hashes = ContentHashes()
    if hashes.holds(store.folder, store.files):
        return
    slides = [slide for slide in bags.ids if slide in store]
    store.verify(slides)
    numbers = {slide: bag for bag, slide in enumerate(bags.ids)}
    moved = [slide for slide in slides if not _same(store.coords(slide), bags.coords(numbers[slide]))]
    if moved:
        raise DataError(
            f"the positions of tiles have changed on disk since they were written: {listed(moved)}",
            place=str(store.files[1]),
            fix="delete the folder and extract the features again",
        )
    hashes.read(store.folder, store.files)


def _same(one: NDArray[np.int64] | None, other: NDArray[np.int64] | None) -> bool:
    return one is None or other is None or np.array_equal(one, other)


def reading(tiles: Inputs, store: FeatureStore) -> Inputs:
    """The opened ``tiles``, with the features of a store in their place.

    Units then rest on the store's files and on the slides that it was made from, and share what it cost to make.
    """
    return replace(
        tiles,
        access=FeatureAccess.of_store(store),
        sources=tiles.sources.and_shared("the features", store.files),
        picture_of=None,
        masks=None,
        feature_set=store.folder,
        shared_cost={"features": cost_of(store.folder)},
    )


def open_features(tiles: Inputs, folder: Path) -> Inputs:
    """The features in ``folder`` of the opened ``tiles``; what they were trained on goes to the leak audit.

    Raises:
        DataError: they are features of other tiles, or damaged.
    """
    store = FeatureStore(folder, Manifest.read(folder))
    slides = tuple(slide for slide in tiles.content if slide in store)
    bags = tiles.access.bags(slides)
    assert isinstance(bags, TileBags)
    made_from = {slide: tiles_fingerprint(bags.count(bag), bags.coords(bag)) for bag, slide in enumerate(slides)}
    entries = store.manifest.slides
    if strange := [slide for slide in slides if entries[slide].fingerprint != made_from[slide]]:
        raise DataError(
            f"these are features of other tiles than the dataset has: {listed(strange)}",
            place=str(folder),
            fix="choose a set that was made from this dataset with these slides, resolution and tile size",
        )
    check_store(store, bags)
    seen = store.manifest.header.encoder_trained_on
    silent = (
        f"whether the encoder of features {folder.name} has been trained on these slides: their manifest names no "
        "training slides, and features of a tuned encoder whose provenance was removed cannot be told from those of a "
        "frozen one",
    )
    return replace(
        reading(tiles, store),
        trained_elsewhere={} if seen is None else {f"features {folder.name}": seen},
        unchecked=(*tiles.unchecked, *(silent if seen is None else ())),
    )
