"""STAMP: one ``.h5`` per slide with ``feats`` and ``coords`` in microns.

Layout: KatherLab/STAMP at c54ce06. File attributes ``extractor``, ``unit``, ``tile_size_um``, ``tile_size_px`` (2.1 and
later), ``tile_size`` in microns (2.0). STAMP 1 wrote coordinates in pixels of a grid of 224 for 256 microns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures
from harness.features.formats.h5kinds import h5_files, h5_folders, read_h5_slide
from harness.features.formats.listing import Listing
from harness.features.formats.numbers import pixels, positive, text
from harness.features.formats.shapes import corners

_V1_UM, _V1_PX = 256.0, 224


@dataclass(frozen=True)
class Stamp(FeatureFormat):
    """Files of STAMP."""

    name: ClassVar[str] = "stamp"
    title: ClassVar[str] = "STAMP (.h5 with feats)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, corners in microns and facts of one slide."""
        found = read_h5_slide(file.path)
        about = found.about_coords | found.about_features | found.about_file
        side, px = positive(about.get("tile_size_um")), pixels(about.get("tile_size_px"))
        raw, microns = found.coords, about.get("unit") == "um" or side is not None
        if side is None and (older := positive(about.get("tile_size"))) is not None:
            side, microns = older, True
        notes: tuple[str, ...] = ()
        if raw is not None and not microns:
            if _is_v1(raw):
                raw, side, px = raw * (_V1_UM / _V1_PX), _V1_UM, _V1_PX
            else:
                raw, notes = None, ("coordinates without a unit are left out",)
        coords, more = corners(raw, len(found.features))
        mpp = None if side is None or px is None else side / px
        facts = Facts(encoder=text(about.get("extractor")) or text(about.get("encoder")), tile_px=px, mpp=mpp)
        return SlideFeatures(found.features, coords, "um", side, facts, notes=(*notes, *more))


def _is_v1(coords: Any) -> bool:
    """Whether coordinates lie on STAMP 1's grid of 224 pixels."""
    return bool(coords.size and np.all(np.mod(coords, _V1_PX) == 0))


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of STAMP's features in a folder; the slides may lie in sub-folders."""
    return [Stamp(root, h5_files(listing, folders), options=options) for root, folders in h5_folders(listing, "stamp")]
