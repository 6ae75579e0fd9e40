"""What an HDF5 file of features looks like inside, to tell the tools apart that wrote it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import DataError
from harness.features.formats.base import FeatureFile, damaged
from harness.features.formats.h5file import (
    COORD_KEYS,
    FEATURE_KEYS,
    attributes,
    child,
    coords_of,
    feature_key,
    opened,
    read_all,
)
from harness.features.formats.ids import slide_of
from harness.features.formats.listing import Listing
from harness.features.formats.shapes import feature_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

H5 = (".h5", ".hdf5")
Kind = Literal["trident", "clam", "stamp", "atlaspatch", "cohort", "plain", "slide", "coords", "images", "damaged"]
_TRIDENT_COORDS = {"patch_size_level0", "target_magnification", "level0_magnification"}
_TRIDENT_FEATURES = {"encoder", "savetodir"}
_TRIED = 8
"""Files of a folder that are opened to see what it holds: some may be damaged or without tiles."""


def h5_kind(path: Path) -> Kind:
    """The layout of one file.

    ``slide`` is a vector for a whole slide, ``coords`` a file of coordinates alone, ``images`` one of tile images.
    """
    try:
        return _h5_kind(path, path.stat().st_mtime_ns)
    except OSError:
        return "damaged"


@functools.lru_cache(maxsize=100_000)
def _h5_kind(path: Path, changed: int) -> Kind:
    try:
        with opened(path) as file:
            return _kind(file)
    except DataError:
        return "damaged"


def _kind(file: Any) -> Kind:
    import h5py

    key = feature_key(file)
    if key is None:
        members = [child(file, name) for name in list(file)[:_TRIED]]
        if all(isinstance(one, h5py.Group) for one in members) and any(map(feature_key, members)):
            return "cohort"
        if "imgs" in file:
            return "images"
        return "coords" if any(name in file for name in COORD_KEYS) else "plain"
    found = child(file, key)
    if isinstance(found, h5py.Group):
        return "atlaspatch"
    if _is_vector(found) or attributes(file).get("feat_type") in {"slide", "patient"}:
        return "slide"
    if key == "feats":
        return "stamp"
    if key != "features":
        return "plain"
    coords = next((child(file, name) for name in COORD_KEYS if name in file), None)
    about = set() if coords is None else set(attributes(coords))
    trident = about & _TRIDENT_COORDS or set(attributes(found)) & _TRIDENT_FEATURES
    return "trident" if trident else "clam"


def _is_vector(found: Any) -> bool:
    return bool(found.ndim == 1 and found.shape[0] > 0)


def folder_kind(listing: Listing, folder: Path) -> Kind:
    """The layout of a folder's files: that of the first one that is not damaged."""
    names = [name for suffix in H5 for name in listing.folders[folder].get(suffix, ())]
    kinds = (h5_kind(folder / name) for name in names[:_TRIED])
    return next((kind for kind in kinds if kind != "damaged"), "damaged")


def h5_folders(listing: Listing, *kinds: Kind) -> Iterator[tuple[Path, list[Path]]]:
    """(root of the set, folders) of the folders that hold files of one of ``kinds``, by set."""
    sets: dict[Path, list[Path]] = {}
    for folder, by_suffix in listing.folders.items():
        if listing.aside(folder) or not any(suffix in by_suffix for suffix in H5):
            continue
        if folder_kind(listing, folder) in kinds:
            sets.setdefault(listing.set_root(folder), []).append(folder)
    yield from sets.items()


def h5_files(listing: Listing, folders: list[Path]) -> list[FeatureFile]:
    """The files in ``folders``, one per slide."""
    paths = (folder / name for folder in folders for suffix in H5 for name in listing.folders[folder].get(suffix, ()))
    return [FeatureFile(slide_of(path.name), path) for path in paths]


@dataclass(frozen=True)
class H5Slide:
    """What stands in the file of one slide.

    Attributes:
        features: (n, D).
        coords: as they stand in the file; None without any.
        about_features, about_coords, about_file: attributes.
    """

    features: NDArray[np.floating[Any]]
    coords: NDArray[Any] | None
    about_features: dict[str, Any]
    about_coords: dict[str, Any]
    about_file: dict[str, Any]


def read_h5_slide(path: Path, *, features: bool = True) -> H5Slide:
    """Read the file of one slide, whatever its data set of features is called.

    Args:
        path: the file.
        features: whether the features themselves are read, beside coordinates and attributes.

    Raises:
        DataError: it is damaged or holds no features.
    """
    import h5py

    with opened(path) as file:
        key = feature_key(file)
        found = None if key is None else child(file, key)
        if features and not isinstance(found, h5py.Dataset):
            holds = ", ".join(list(file)[:5]) or "nothing"
            raise damaged(path, f"it holds no features ({', '.join(FEATURE_KEYS[:3])} ...); it holds {holds}")
        rows = feature_rows(read_all(found) if features else _no_rows(), str(path))
        coords, about = coords_of(file)
        return H5Slide(rows, coords, {} if found is None else attributes(found), about, attributes(file))


def _no_rows() -> Any:
    import numpy as np

    return np.empty((0, 0), np.float32)
