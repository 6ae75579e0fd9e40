"""The sets of features in the cache: packed ones, those left over from passes that did not finish, and fetched ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import BenchError, UsageError
from harness.core.suggest import unknown
from harness.features.fetch import FETCHED, fetched
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


@dataclass(frozen=True)
class FetchedSet:
    """A public set of features that ``bench features get`` has fetched.

    Attributes:
        dataset: the dataset that it was fetched for.
        folder: where it is; its name is that of the set.
        origin: repository and commit; empty for a fetch that did not finish.
    """

    dataset: str
    folder: Path
    origin: str

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.folder.name

    @property
    def size(self) -> int:
        """Bytes that removing it frees: links to files in the hub's own cache count for nothing."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink())

    def remove(self) -> None:
        """Remove it; what the hub's own cache holds stays there."""
        shutil.rmtree(self.folder)


def fetched_sets(cache: Path) -> Iterator[FetchedSet]:
    """Every fetched set below a cache folder, by dataset and name."""
    for folder in sorted(cache.glob(f"*/{FETCHED}/*")):
        if not folder.is_dir():
            continue
        dataset = folder.parent.parent.name
        found = fetched(cache, dataset, folder.name)
        yield FetchedSet(dataset, folder, "" if found is None else f"{found.hub} at {found.commit[:12]}")


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
