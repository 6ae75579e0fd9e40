"""The packed features in the cache: which there are, and which are left over from passes that did not finish."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BenchError, UsageError
from harness.core.suggest import unknown
from harness.features.manifest import Manifest
from harness.features.writer import JOURNAL


@dataclass(frozen=True)
class CachedSet:
    """A set of features in the cache.

    Attributes:
        dataset: the dataset that it was made for.
        folder: where it is; its name is that of the set.
        manifest: what it says of itself; None for a pass that did not finish, or a set that is damaged.
    """

    dataset: str
    folder: Path
    manifest: Manifest | None

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.name

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    @property
    def tiles(self) -> int:
        """Rows of all slides."""
        return 0 if self.manifest is None else sum(entry.tiles for entry in self.manifest.slides.values())

    def remove(self) -> None:
        """Remove it; it is made again when it is needed."""
        shutil.rmtree(self.folder)


def cached_sets(cache: Path) -> Iterator[CachedSet]:
    """Every set below a cache folder, by dataset and name."""
    for folder in sorted(cache.glob("*/features/*")):
        if not folder.is_dir():
            continue
        try:
            yield CachedSet(folder.parent.parent.name, folder, Manifest.read(folder))
        except BenchError:
            if (folder / JOURNAL).exists() or any(folder.iterdir()):
                yield CachedSet(folder.parent.parent.name, folder, None)


def one_set(cache: Path, name: str) -> CachedSet:
    """The set of this name, or the only one of the dataset of this name.

    Raises:
        UsageError: there is none, or a dataset has several.
    """
    every = list(cached_sets(cache))
    found = [one for one in every if one.name == name] or [one for one in every if one.dataset == name]
    if not found:
        known = {one.name for one in every} | {one.dataset for one in every}
        raise unknown("set of features", name, known, place="NAME", listing="bench features list")
    if len(found) > 1:
        raise UsageError(
            f"dataset {name} has {len(found)} sets of features: {', '.join(one.name for one in found)}",
            place="NAME",
            fix="give the name of one of them",
        )
    return found[0]
