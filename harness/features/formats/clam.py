"""CLAM, and what writes its layout: ``pt_files/<slide>.pt``, and ``h5_files/<slide>.h5`` with features and coords.

Layout: mahmoodlab/CLAM at 53e2409. Coordinates are level-0 pixels of the top-left corner. The files name neither
encoder nor resolution; ``patches/<slide>.h5``, where it is still there, has ``patch_size`` (pixels of ``patch_level``)
and ``downsample``. PANTHER-era folders are ``feats_pt`` and ``feats_h5``, GigaPath's ``h5_files``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from harness.core.errors import DataError
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures
from harness.features.formats.h5kinds import H5, folder_kind, h5_files, h5_folders, read_h5_slide
from harness.features.formats.hints import hints_of
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.numbers import pixels, positive
from harness.features.formats.ptfile import PT, read_pt
from harness.features.formats.shapes import corners

_PT_FOLDERS = {"pt_files", "feats_pt"}


@dataclass(frozen=True)
class Clam(FeatureFormat):
    """Files of CLAM. Where a slide has both, features come from ``.pt`` and coordinates from ``.h5``."""

    name: ClassVar[str] = "clam"
    title: ClassVar[str] = "CLAM (pt_files, h5_files)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, and coordinates where a file has them."""
        notes: tuple[str, ...] = ()
        about: dict[str, Any] = {}
        if file.path.suffix.lower() in H5:
            slide = read_h5_slide(file.path)
            rows, raw, about = slide.features, slide.coords, slide.about_coords
        else:
            found = read_pt(file.path, self.options)
            rows, raw = found.features, found.coords
        for other in file.beside:
            try:
                beside = read_h5_slide(other, features=False)
            except DataError as reason:
                notes = (*notes, f"{other.parent.name}/{other.name} is left out: {reason.problem}")
                continue
            raw = beside.coords if raw is None else raw
            about = beside.about_coords | about
        coords, more = corners(raw, len(rows))
        px, downsample = pixels(about.get("patch_size")), _downsample(about)
        side = px * downsample if px is not None and downsample is not None else None
        return SlideFeatures(rows, coords, side=side, facts=Facts(tile_px=px), notes=(*notes, *more))


def _downsample(about: dict[str, Any]) -> float | None:
    """How many level-0 pixels a pixel of the tile is wide."""
    return positive(about.get("downsample")) or (1.0 if about.get("patch_level") == 0 else None)


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The sets of CLAM's features in a folder."""
    roots: dict[Path, dict[str, FeatureFile]] = {}
    for root, folders in h5_folders(listing, "clam"):
        own = roots.setdefault(root, {})
        own.update({file.slide: file for file in h5_files(listing, folders)})
    for folder, by_suffix in listing.folders.items():
        if folder.name not in _PT_FOLDERS:
            continue
        own = roots.setdefault(listing.set_root(folder), {})
        for name in (name for suffix in PT for name in by_suffix.get(suffix, ())):
            slide = slide_of(name)
            beside = (own[slide].path,) if slide in own and own[slide].path.suffix.lower() in H5 else ()
            if folder == listing.base and (outside := _beside(folder, slide)) is not None:
                beside = (outside,)
            own[slide] = FeatureFile(slide, folder / name, beside=beside)
    return [
        Clam(root, _with_patches(list(own.values()), listing, root), _hints(root), options)
        for root, own in roots.items()
    ]


def _beside(folder: Path, slide: str) -> Path | None:
    """The ``.h5`` of a slide, where the folder of ``.pt`` files alone was given."""
    path = folder.parent / folder.name.replace("pt", "h5") / f"{slide}.h5"
    return path if path.is_file() else None


def _hints(root: Path) -> Facts:
    return replace(hints_of(root), tile_px=None, magnification=None)


def _with_patches(files: list[FeatureFile], listing: Listing, root: Path) -> list[FeatureFile]:
    """The files with those of the coordinates, where there are some."""
    there: dict[str, Path] = {}
    for place in (root.parent / "patches", root / "patches"):
        if place in listing.folders and folder_kind(listing, place) == "coords":
            there |= {name: place / name for name in listing.folders[place].get(".h5", ())}
    found = [there.get(f"{file.slide}.h5") for file in files]
    return [
        file if path is None else replace(file, beside=(*file.beside, path))
        for file, path in zip(files, found, strict=True)
    ]
