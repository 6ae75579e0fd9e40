"""Files of no tool in particular: ``.npy``, ``.npz``, ``.pt`` and ``.h5`` with one slide each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, Options, SlideFeatures, damaged
from harness.features.formats.h5file import COORD_KEYS, FEATURE_KEYS
from harness.features.formats.h5kinds import H5, folder_kind, read_h5_slide
from harness.features.formats.hints import hints_of
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.npfile import is_index, npy_array, npz_arrays
from harness.features.formats.owkin import without_addresses
from harness.features.formats.ptfile import PT, encoder_of, pt_kind, read_pt, side_of
from harness.features.formats.shapes import corners, feature_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TRIED = 8


@dataclass(frozen=True)
class Plain(FeatureFormat):
    """One file per slide, with the features alone or with coordinates beside them."""

    name: ClassVar[str] = "plain"
    title: ClassVar[str] = "plain files (.npy, .npz, .pt, .h5)"

    def read(self, file: FeatureFile) -> SlideFeatures:
        """Features, and coordinates where the file has them."""
        suffix = file.path.suffix.lower()
        if suffix in H5:
            found = read_h5_slide(file.path)
            rows, raw, facts, side = found.features, found.coords, Facts(), None
        elif suffix in PT:
            content = read_pt(file.path, self.options)
            rows, raw = content.features, content.coords
            facts, side = Facts(encoder=encoder_of(content.about)), side_of(content.about)
        else:
            rows, raw = _numpy(file)
            facts, side = Facts(), None
        rows, notes = without_addresses(rows)
        coords, more = corners(raw, len(rows))
        return SlideFeatures(rows, coords, side=side, facts=facts, notes=(*notes, *more))


def _numpy(file: FeatureFile) -> tuple[NDArray[np.floating[Any]], NDArray[Any] | None]:
    if file.path.suffix.lower() == ".npy":
        return feature_rows(npy_array(file.path), file.place), None
    arrays = npz_arrays(file.path)
    names = [name for name in FEATURE_KEYS if name in arrays]
    if not names and len(arrays) == 1 and set(arrays) <= {"arr_0", "x", "X"}:
        names = list(arrays)
    if not names:
        raise damaged(file.path, f"it has no array {FEATURE_KEYS[0]}; it holds {', '.join(arrays) or 'nothing'}")
    coords = next((arrays[name] for name in COORD_KEYS if name in arrays), None)
    return feature_rows(arrays[names[0]], file.place), coords


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """What no other format claims: the sets of plain files in a folder."""
    sets: dict[Path, list[FeatureFile]] = {}
    for folder, by_suffix in listing.folders.items():
        if listing.aside(folder):
            continue
        for suffix, names in by_suffix.items():
            paths = [folder / name for name in names]
            if paths and _is_features(paths, suffix, listing, folder):
                kept = [path for path in paths if not is_index(path)]
                sets.setdefault(listing.set_root(folder), []).extend(
                    FeatureFile(slide_of(path.name), path) for path in kept
                )
    return [Plain(root, files, _hints(root), options) for root, files in sets.items() if files]


def _hints(root: Path) -> Facts:
    return Facts(encoder=hints_of(root).encoder)


def _is_features(paths: list[Path], suffix: str, listing: Listing, folder: Path) -> bool:
    if suffix in H5:
        return folder_kind(listing, folder) in {"plain", "clam", "damaged"}
    if suffix in PT:
        return any(kind not in {"vector"} for kind in map(pt_kind, paths[:_TRIED]))
    return suffix in {".npy", ".npz"} and any(not is_index(path) for path in paths)
