"""AtlasPatch: one ``.h5`` per slide in which ``features`` is a group with a data set per encoder.

Layout: AtlasAnalyticsLab/AtlasPatch at 31146af. ``coords`` (n, 5): x, y at level 0, then width, height and level that
were read. File attributes ``patch_size``, ``patch_size_level0``, ``target_magnification`` or ``magnification``, and
``mpp``, the resolution of level 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from harness.core.errors import DataError, UsageError
from harness.encoders.spelling import same
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.h5file import attributes, child, coords_of, opened, read_all
from harness.features.formats.h5kinds import h5_files, h5_folders, h5_kind
from harness.features.formats.listing import Listing
from harness.features.formats.numbers import pixels, positive
from harness.features.formats.shapes import corners, feature_rows


@dataclass(frozen=True)
class AtlasPatch(FeatureFormat):
    """Files of AtlasPatch, of one encoder among those that they hold."""

    name: ClassVar[str] = "atlaspatch"
    title: ClassVar[str] = "AtlasPatch (.h5 with a group of features)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features by the chosen encoder, corners and facts of one slide."""
        with opened(file.path) as opened_file:
            group = child(opened_file, "features")
            found = None if group is None or not hasattr(group, "keys") else child(group, file.member)
            if found is None or hasattr(found, "keys"):
                raise damaged(file.path, f"it has no features of {file.member}")
            rows = feature_rows(read_all(found), file.place)
            raw, about_coords = coords_of(opened_file)
            about = attributes(opened_file) | about_coords
        coords, notes = corners(raw, len(rows), columns=5)
        side, px = positive(about.get("patch_size_level0")), pixels(about.get("patch_size"))
        facts = Facts(file.member, px, _tile_mpp(about, side, px), _magnification(about))
        return SlideFeatures(rows, coords, side=side, facts=facts, notes=notes)


def _tile_mpp(about: dict[str, Any], side: float | None, px: int | None) -> float | None:
    """The resolution of the tiles, from that of level 0 and the two sides of a tile."""
    mpp = positive(about.get("mpp"))
    return None if mpp is None or side is None or px is None else mpp * side / px


def _magnification(about: dict[str, Any]) -> float | None:
    return positive(about.get("target_magnification")) or positive(about.get("magnification"))


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of AtlasPatch's features in a folder.

    Raises:
        UsageError: the files hold several encoders' features, and none of them is asked for.
    """
    sets: list[FeatureFormat] = []
    folders = [*h5_folders(listing, "atlaspatch"), *_in_patches(listing)]
    for root, places in folders:
        files = h5_files(listing, places)
        member = _choose(files, options)
        sets.append(AtlasPatch(root, [replace(file, member=member) for file in files], options=options))
    return sets


def _in_patches(listing: Listing) -> list[tuple[Path, list[Path]]]:
    """AtlasPatch keeps features in a folder that others use for coordinates."""
    found = []
    for folder, by_suffix in listing.folders.items():
        names = by_suffix.get(".h5", ())
        if folder.name == "patches" and listing.aside(folder) and names and h5_kind(folder / names[0]) == "atlaspatch":
            found.append((folder, [folder]))
    return found


def _choose(files: list[FeatureFile], options: Options) -> str:
    names = next((found for file in files[:8] if (found := _encoders(file.path))), [])
    if options.encoder is not None:
        for name in names:
            if same(name, options.encoder):
                return name
    if len(names) == 1:
        return names[0]
    asked = f", none of them {options.encoder}" if options.encoder else ""
    raise UsageError(
        f"the files hold features of {len(names)} encoders{asked}: {', '.join(names)}",
        place=str(files[0].path),
        fix="choose one with --encoder",
    )


def _encoders(path: Path) -> list[str]:
    try:
        with opened(path) as file:
            group = child(file, "features")
            return [name for name in group if not name.startswith("__tmp")] if hasattr(group, "keys") else []
    except DataError:
        return []
