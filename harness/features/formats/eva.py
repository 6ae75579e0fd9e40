"""eva: ``<slide>.pt`` with a list of vectors, one per tile, and ``manifest.csv``.

Layout: kaiko-ai/eva at 73b61a7. Chunks that are flushed later stand before earlier ones, so that rows do not follow the
order of the coordinates: coordinates are never taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.features.formats.base import FeatureFile, FeatureFormat, Options, SlideFeatures
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.ptfile import PT, pt_kind, read_pt

_MANIFEST = "manifest.csv"
_TRIED = 8


@dataclass(frozen=True)
class Eva(FeatureFormat):
    """Embeddings of eva."""

    name: ClassVar[str] = "eva"
    title: ClassVar[str] = "eva (.pt lists with manifest.csv)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features of one slide, in no order that means anything."""
        rows = read_pt(file.path, self.options).features
        return SlideFeatures(rows, notes=("rows are in no known order: coordinates, if any, are left out",))


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of eva's lists in a folder: by their manifest, or by what the files hold."""
    sets: list[FeatureFormat] = []
    manifests = [folder for folder, by_suffix in listing.folders.items() if _MANIFEST in by_suffix.get(".csv", ())]
    places: dict[Path, list[FeatureFile]] = {}
    for folder, by_suffix in listing.folders.items():
        names = [name for suffix in PT for name in by_suffix.get(suffix, ())]
        if not names or listing.aside(folder):
            continue
        root = next((one for one in manifests if folder.is_relative_to(one)), listing.set_root(folder))
        if _has_lists([folder / name for name in names[:_TRIED]]):
            places.setdefault(root, []).extend(FeatureFile(slide_of(name), folder / name) for name in names)
    for root, files in places.items():
        labels = tuple(folder / _MANIFEST for folder in manifests if folder == root)
        sets.append(Eva(root, files, options=options, label_files=labels))
    return sets


def _has_lists(paths: list[Path]) -> bool:
    """Whether some of the files hold lists and none anything else; files are read up to the first that does."""
    found = False
    for kind in map(pt_kind, paths):
        if kind not in {"list", "damaged"}:
            return False
        found |= kind == "list"
    return found
