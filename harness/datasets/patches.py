"""Image patches packed into one array per dataset, built once into the cache."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from harness.core.arrays import read_npy
from harness.core.atomic import write_json
from harness.core.errors import DataError
from harness.core.folders import expanded
from harness.core.hashing import sha256_file, sha256_json
from harness.core.reading import read_json
from harness.core.resources import cache_root
from harness.datasets.content import Content, ContentHashes, hash_file
from harness.datasets.dataset import Dataset
from harness.datasets.fingerprint import bag_fingerprint
from harness.datasets.locate import get_text
from harness.datasets.patch_images import ImageSource, decode, find_images, missing_images
from harness.datasets.patch_table import PatchRow, read_patch_tables, table_paths
from harness.datasets.source_fields import PatchesSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMAT = 2
_STALE_S = 24 * 3600
_TILES, _LABELS, _MANIFEST = "tiles.npy", "instance_labels.npy", "manifest.json"


@dataclass(frozen=True)
class Patches:
    """All patches of a dataset, without any label.

    Attributes:
        folder: where they are cached.
        slides: slide ids, in the order of the label table.
        tiles: (N, H, W, 3) uint8, RGB, memory-mapped; bag behind bag.
        offsets: patches of bag b are ``offsets[b]`` to ``offsets[b + 1]``, (B + 1,) int64.
        fingerprints: slide id → SHA-256 of its patches, whatever their order.
    """

    folder: Path
    slides: tuple[str, ...]
    tiles: np.memmap[Any, np.dtype[np.uint8]]
    offsets: NDArray[np.int64]
    fingerprints: Mapping[str, str]

    @cached_property
    def rows(self) -> Mapping[str, tuple[int, int]]:
        """Slide id → first patch, and the patch after the last."""
        return {slide: (int(self.offsets[b]), int(self.offsets[b + 1])) for b, slide in enumerate(self.slides)}

    @property
    def packed(self) -> tuple[Path, ...]:
        """The files that the patches and their labels are packed in."""
        return (self.folder / _TILES, self.folder / _LABELS)

    def bag(self, slide: str) -> NDArray[np.uint8]:
        """Patches of one slide, (n, H, W, 3), a view."""
        start, stop = self.rows[slide]
        return self.tiles[start:stop]


def open_patches(dataset: Dataset, data_root: Path | None, cache: Path | None = None) -> Patches:
    """The patches of a dataset; packed on first use, which takes seconds per ten thousand.

    Args:
        dataset: a dataset of patches.
        data_root: the folder that the card's tables and images are relative to.
        cache: the cache folder; None for the default one.

    Raises:
        DataError: no data root, or tables or images that are missing, damaged or not those of the label table.
    """
    if data_root is None:
        raise DataError(
            f"{dataset.name} needs its patches, and no data root is given",
            place="--data-root",
            fix=f"{get_text(dataset)} Then give the folder with --data-root",
        )
    root = expanded(data_root)
    rows = read_patch_tables(dataset, root)
    images = find_images(dataset, root, [row.image for row in rows])
    content = images.content()
    key = _key(dataset, root, images.key(content))
    folder = (cache or cache_root()) / "patches" / f"{dataset.name}-{key[:16]}"
    if not _is_whole(folder, key):
        _build(dataset, rows, images, content, folder, key)
    return _open(folder)


def instance_labels_of(patches: Patches) -> Callable[[str], NDArray[np.int64]]:
    """Slide id → true label of each of its patches, (n,). For the scorer only."""
    folder, rows = patches.folder, patches.rows

    def labels(slide: str) -> NDArray[np.int64]:
        start, stop = rows[slide]
        return np.asarray(read_npy(folder / _LABELS)[start:stop], np.int64)

    return labels


def label_files(dataset: Dataset, data_root: Path | None, patches: Patches) -> tuple[Path, ...]:
    """The files, beside the dataset's own folder, that hold labels: the tables, and the labels in the cache."""
    tables = () if data_root is None else tuple(table_paths(dataset, expanded(data_root)))
    return (*tables, patches.folder / _LABELS)


def _key(dataset: Dataset, root: Path, images: str) -> str:
    """Identity of what the cache is built from: tables, images, and what the card says about them."""
    tables = [sha256_file(path) for path in table_paths(dataset, root)]
    source = dataset.card.source.model_dump(mode="json")
    return sha256_json(
        {"format": _FORMAT, "source": source, "slides": list(dataset.slides), "tables": tables, "images": images}
    )


def _is_whole(folder: Path, key: str) -> bool:
    """Whether the cache is there, is the one wanted, and is what was written."""
    try:
        manifest = _manifest(folder)
        hashes = ContentHashes()
        return bool(
            manifest.pop("sha256") == sha256_json(manifest)
            and manifest["key"] == key
            and all(hashes.read(folder / name, [folder / name]).hash == sha for name, sha in manifest["files"].items())
        )
    except (OSError, ValueError, KeyError, AttributeError, DataError):
        return False


def _manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_json(folder / _MANIFEST)
    return content


def _open(folder: Path) -> Patches:
    manifest = _manifest(folder)
    return Patches(
        folder=folder,
        slides=tuple(manifest["slides"]),
        tiles=cast("np.memmap[Any, np.dtype[np.uint8]]", read_npy(folder / _TILES, mapped=True)),
        offsets=np.array(manifest["offsets"], np.int64),
        fingerprints=manifest["fingerprints"],
    )


def _build(
    dataset: Dataset, rows: Sequence[PatchRow], images: ImageSource, content: Content, folder: Path, key: str
) -> None:
    """Pack into a folder beside ``folder`` that takes its place when it is whole."""
    _sweep(folder)
    building = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        tiles = _decode_all(dataset, rows, images)
        if (changed := content.changed()) is not None:
            raise DataError("the file changed while it was read", place=str(changed), fix="wait until it is complete")
        np.save(building / _TILES, tiles)
        np.save(building / _LABELS, np.array([row.instance_label for row in rows], np.int32))
        manifest = _describe(dataset, rows, tiles, building, key)
        write_json(building / _MANIFEST, manifest | {"sha256": sha256_json(manifest)})
        _take_place(building, folder, key)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind. What is a day old is nobody's."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def _take_place(building: Path, folder: Path, key: str) -> None:
    if folder.exists() and not _is_whole(folder, key):
        shutil.rmtree(folder)
    try:
        building.rename(folder)
    except OSError:
        # Another process has been faster: what it built is the same.
        if not _is_whole(folder, key):
            raise


def _decode_all(dataset: Dataset, rows: Sequence[PatchRow], images: ImageSource) -> NDArray[np.uint8]:
    source = dataset.card.source
    assert isinstance(source, PatchesSource)
    side = source.tile_px
    place_of = {row.image: i for i, row in enumerate(rows)}
    tiles = np.zeros((len(rows), side, side, 3), np.uint8)
    seen: set[str] = set()
    for image, file, place in images.read():
        tiles[place_of[image]] = decode(file, side, place)
        seen.add(image)
    if missing := [row.image for row in rows if row.image not in seen]:
        raise missing_images(dataset, images.archive or images.root, missing, len(rows))
    return tiles


def _describe(
    dataset: Dataset, rows: Sequence[PatchRow], tiles: NDArray[np.uint8], building: Path, key: str
) -> dict[str, Any]:
    counts = dict.fromkeys(dataset.slides, 0)
    for row in rows:
        counts[row.slide] += 1
    offsets = np.concatenate([[0], np.cumsum(list(counts.values()))])
    bags = {slide: tiles[offsets[b] : offsets[b + 1]] for b, slide in enumerate(counts)}
    return {
        "format": _FORMAT,
        "dataset": dataset.name,
        "key": key,
        "files": {name: hash_file(building / name).hash for name in (_TILES, _LABELS)},
        "slides": list(counts),
        "offsets": [int(offset) for offset in offsets],
        "fingerprints": {slide: bag_fingerprint(bag) for slide, bag in bags.items()},
    }
