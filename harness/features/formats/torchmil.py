"""torchmil: folders of ``.npy`` files, ``features/features_<encoder>`` beside ``labels``, ``coords``, ``patch_labels``.

Layout: Franblueee/torchmil at a49f95d. The label of a slide is a file of its own. Coordinates are taken
for level-0 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.core.errors import DataError
from harness.features.formats.base import FeatureFile, FeatureFormat, Options, SlideFeatures
from harness.features.formats.hints import hints_of
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.npfile import npy_array
from harness.features.formats.owkin import without_addresses
from harness.features.formats.shapes import corners, feature_rows


@dataclass(frozen=True)
class TorchMIL(FeatureFormat):
    """Folders of torchmil."""

    name: ClassVar[str] = "torchmil"
    title: ClassVar[str] = "torchmil (.npy folders)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features and coordinates of one slide, each from its file."""
        rows = feature_rows(npy_array(file.path), file.place)
        rows, notes = without_addresses(rows)
        raw = next((npy_array(path) for path in file.beside if path.parent.name == "coords"), None)
        coords, more = corners(raw, len(rows))
        return SlideFeatures(rows, coords, notes=(*notes, *more))

    def label(self, file: FeatureFile) -> str | None:
        """The label, a file of its own."""
        return next((_label(path) for path in file.beside if path.parent.name == "labels"), None)


def _label(path: Path) -> str | None:
    try:
        values = npy_array(path)
    except DataError:
        return None
    if values.size != 1 or values.dtype.kind not in "iufbU":
        return None
    value = values.reshape(-1)[0].item()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of torchmil's features in a folder."""
    sets: list[FeatureFormat] = []
    for folder, by_suffix in listing.folders.items():
        names = by_suffix.get(".npy", ())
        if not names or listing.aside(folder):
            continue
        places = [place for place in (folder.parent, folder.parent.parent) if _has_parts(place)]
        if not places:
            continue
        files = [FeatureFile(slide_of(name), folder / name, beside=tuple(_beside(places[0], name))) for name in names]
        labels = tuple(path for path in (places[0] / "labels", places[0] / "splits.csv") if path.exists())
        sets.append(TorchMIL(folder, files, hints_of(folder), options, label_files=labels))
    return sets


def _has_parts(place: Path) -> bool:
    return any((place / part).is_dir() for part in ("labels", "coords", "patch_labels"))


def _beside(place: Path, name: str) -> Iterator[Path]:
    for part in ("coords", "labels"):
        if (path := place / part / name).is_file():
            yield path
