"""TRIDENT: one ``.h5`` per slide with ``features``, ``coords`` and attributes on both.

Layout: mahmoodlab/TRIDENT at a91fa84. ``coords`` are level-0 pixels of the top-left corner; its attributes
``patch_size``, ``patch_size_level0`` (the side at level 0, other for each slide) and ``target_magnification`` tell the
tile; ``features`` names its ``encoder`` since 2026-03. Neither states microns per pixel. Private paths (``savetodir``)
are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures
from harness.features.formats.h5kinds import h5_files, h5_folders, read_h5_slide
from harness.features.formats.hints import hints_of
from harness.features.formats.listing import Listing
from harness.features.formats.numbers import pixels, positive, text
from harness.features.formats.shapes import corners


@dataclass(frozen=True)
class Trident(FeatureFormat):
    """Files of TRIDENT."""

    name: ClassVar[str] = "trident"
    title: ClassVar[str] = "TRIDENT (.h5 with attributes)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, corners and facts of one slide."""
        found = read_h5_slide(file.path)
        coords, notes = corners(found.coords, len(found.features))
        about = found.about_file | found.about_coords
        facts = Facts(
            encoder=text(found.about_features.get("encoder")),
            tile_px=pixels(about.get("patch_size")),
            magnification=positive(about.get("target_magnification")),
        )
        side = positive(about.get("patch_size_level0"))
        return SlideFeatures(found.features, coords, side=side, facts=facts, notes=notes)


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of TRIDENT's features in a folder."""
    return [
        Trident(root, h5_files(listing, folders), hints_of(root), options)
        for root, folders in h5_folders(listing, "trident")
    ]
