"""nnMIL: ``TaskXXX_Name/features/<slide>.h5`` with ``features`` and ``coords``, beside ``dataset.json``.

Layout: Luoxd1996/nnMIL at 0b0fd99. The files state no facts; where they come from TRIDENT they have its attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.features.formats.base import FeatureFormat, Options
from harness.features.formats.h5kinds import h5_files, h5_folders
from harness.features.formats.listing import Listing
from harness.features.formats.trident import Trident

_DATASET = "dataset.json"
_UP = 3


@dataclass(frozen=True)
class NnMIL(Trident):
    """Features of an nnMIL task; what is stated is read as TRIDENT states it."""

    name: ClassVar[str] = "nnmil"
    title: ClassVar[str] = "nnMIL (features beside dataset.json)"


def find(listing: Listing, options: Options) -> list[FeatureFormat]:
    """The features of nnMIL tasks in a folder."""
    sets: list[FeatureFormat] = []
    for root, folders in h5_folders(listing, "clam", "trident"):
        task = next((place for folder in folders for place in _above(folder) if (place / _DATASET).is_file()), None)
        if task is not None and all(folder.is_relative_to(task) for folder in folders):
            labels = tuple(path for name in (_DATASET, "dataset.csv") if (path := task / name).is_file())
            sets.append(NnMIL(root, h5_files(listing, folders), options=options, label_files=labels))
    return sets


def _above(folder: Path) -> list[Path]:
    return [folder, *folder.parents][:_UP]
