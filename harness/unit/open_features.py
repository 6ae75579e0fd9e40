"""Opening a set of features that exists already, in the place of a dataset's tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.bags.access import FeatureAccess
from harness.errors import DataError
from harness.features.extract import tiles_fingerprint
from harness.features.manifest import Manifest
from harness.features.store import FeatureStore
from harness.protocol.table import listed

if TYPE_CHECKING:
    from pathlib import Path

    from harness.unit.inputs import Inputs


def open_features(tiles: Inputs, folder: Path) -> Inputs:
    """The features in ``folder`` of the opened ``tiles``; what shaped them goes to the leak audit.

    Raises:
        DataError: they are features of other tiles, or damaged.
    """
    store = FeatureStore(folder, Manifest.read(folder))
    slides = tuple(slide for slide in tiles.content if slide in store)
    bags = tiles.access.bags(slides)
    made_from = {slide: tiles_fingerprint(bags.count(bag), bags.coords(bag)) for bag, slide in enumerate(slides)}
    entries = store.manifest.slides
    if strange := [slide for slide in slides if entries[slide].fingerprint != made_from[slide]]:
        raise DataError(
            f"these are features of other tiles than the dataset has: {listed(strange)}",
            place=str(folder),
            fix="choose a set that was made from this dataset with these slides, resolution and tile size",
        )
    store.verify(slides)
    shaped = store.manifest.header.shaped_by
    silent = (
        f"whether the encoder of features {folder.name} has been trained on these slides: their manifest names no "
        "training slides, and features of a tuned encoder whose provenance was removed cannot be told from those of a "
        "frozen one",
    )
    return replace(
        tiles,
        access=FeatureAccess.of_store(store),
        picture_of=None,
        lesions=None,
        shaped={} if shaped is None else {f"features {folder.name}": shaped},
        unchecked=(*tiles.unchecked, *(silent if shaped is None else ())),
    )
