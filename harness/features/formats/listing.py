"""The files below a folder of features, listed once."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath

SUFFIXES = (".h5", ".hdf5", ".pt", ".pth", ".npy", ".npz", ".parquet", ".csv", ".json", ".pkl", ".pickle")
_SET = re.compile(r"(slide_)?(features|feats|feat|embeddings)[_-].+|.+-[0-9a-f]{8}", re.IGNORECASE)
_PAIRED = {"pt_files", "h5_files", "feats_pt", "feats_h5", "tile_embeddings"}
_ASIDE = {
    "patches", "coords", "labels", "patch_labels", "inst_labels", "masks", "stitches", "contours", "thumbnails",
    "visualization", "tiles", "slide_embeddings", "slide_latents", "splits",
}  # fmt: skip
"""Folders beside or above the features that hold something else, in lower case."""


@dataclass(frozen=True)
class Listing:
    """What lies below a folder, or a single file.

    Attributes:
        root: the folder, or the file.
        folders: folder → suffix (lower case) → names, sorted. A zarr store is listed as a name with suffix ``.zarr``.
    """

    root: Path
    folders: Mapping[Path, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Listing:
        """List ``root``. Hidden files and folders are passed over; a folder that links lead to twice is listed once.

        Raises:
            OSError: the folder cannot be listed.
        """
        if not root.is_dir() or _is_zarr(root):
            return cls(root, {root.parent: {_suffix(root.name): (root.name,)}})
        found: dict[Path, dict[str, tuple[str, ...]]] = {}
        seen: set[str] = set()
        for folder, below, names in os.walk(root, followlinks=True, onerror=_refuse):
            real = os.path.realpath(folder)
            if real in seen:
                below.clear()
                continue
            seen.add(real)
            place = Path(folder)
            stores = [name for name in below if name.endswith(".zarr") and not name.startswith(".")]
            below[:] = sorted(name for name in below if not name.startswith(".") and name not in stores)
            by_suffix: dict[str, list[str]] = {}
            for name in sorted([*names, *stores]):
                suffix = _suffix(name)
                if not name.startswith(".") and suffix in (*SUFFIXES, ".zarr"):
                    by_suffix.setdefault(suffix, []).append(name)
            if by_suffix:
                found[place] = {suffix: tuple(group) for suffix, group in by_suffix.items()}
        return cls(root, found)

    def files(self, *suffixes: str) -> Iterator[Path]:
        """Files with one of ``suffixes``, those in folders for other things left out."""
        for folder, by_suffix in self.folders.items():
            if not self.aside(folder):
                for suffix in suffixes:
                    yield from (folder / name for name in by_suffix.get(suffix, ()))

    def aside(self, folder: Path) -> bool:
        """Whether a folder is called like one for coordinates, labels or pictures."""
        parts = folder.relative_to(self.base).parts if folder.is_relative_to(self.base) else ()
        return any(part.lower() in _ASIDE for part in parts)

    @cached_property
    def base(self) -> Path:
        """The folder that is listed, or that of the single file."""
        return next(iter(self.folders), self.root) if not self.root.is_dir() or _is_zarr(self.root) else self.root

    def set_root(self, folder: Path) -> Path:
        """The folder that holds the whole set of features that ``folder`` is part of.

        Tools name it after the encoder (``features_uni_v1``, ``uni-1a2b3c4d``), or put ``pt_files`` and ``h5_files``
        side by side; otherwise it is the folder that is listed.
        """
        for one in (folder, *folder.parents):
            if one.name in _PAIRED and one != self.base:
                return one.parent
            if one == self.base or not one.is_relative_to(self.base):
                return self.base
            if _SET.fullmatch(one.name):
                return one
        return self.base


def _suffix(name: str) -> str:
    return PurePath(name).suffix.lower()


def _is_zarr(path: Path) -> bool:
    return path.is_dir() and (path.suffix == ".zarr" or any((path / one).is_file() for one in ("zarr.json", ".zgroup")))


def _refuse(error: OSError) -> None:
    raise error
