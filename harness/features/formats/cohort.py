"""ACMIL and AEM: one ``.h5`` for a whole cohort, with a group per slide.

Layout: dazhangyu123/ACMIL at e53d19c. A group has ``feat`` (n, D), ``coords`` and the attribute ``label``. What the
coordinates count is not stated, so that they are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.features.formats.base import FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.h5file import attributes, child, feature_key, opened, read_all
from harness.features.formats.h5kinds import H5, h5_kind
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.shapes import feature_rows


@dataclass(frozen=True)
class Cohort(FeatureFormat):
    """A cohort in one file."""

    name: ClassVar[str] = "cohort"
    title: ClassVar[str] = "ACMIL, AEM (one .h5 for the cohort)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features of one group."""
        with opened(file.path) as cohort:
            group = child(cohort, file.member)
            key = feature_key(group) if hasattr(group, "keys") else None
            if key is None:
                raise damaged(file.place, "the group holds no features")
            rows = feature_rows(read_all(child(group, key)), file.place)
            notes = ("coordinates are left out: the format does not say what they count",) if "coords" in group else ()
        return SlideFeatures(rows, notes=notes)

    def label(self, file: FeatureFile) -> str | None:
        """The attribute ``label`` of the group."""
        with opened(file.path) as cohort:
            value = attributes(child(cohort, file.member)).get("label")
        return None if value is None else str(value)


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The cohort files in a folder, each a set of its own."""
    sets: list[FeatureFormat] = []
    for path in listing.files(*H5):
        if h5_kind(path) == "cohort":
            with opened(path) as file:
                files = [FeatureFile(slide_of(name), path, name) for name in file]
            sets.append(Cohort(path, files, options=options, label_files=(path,)))
    return sets
