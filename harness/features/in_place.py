"""Features that are read where they lie, because the rows of each slide lie in one piece in its file.

That is so in ``.npy`` files, in HDF5 data sets without chunks, and in the ``.pt`` files of PyTorch, whose tensors are
stored uncompressed in an archive. It is not so in data sets of one-row chunks (TRIDENT), which cost a call of the
library for each row, nor in compressed files: these have to be packed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.core.atomic import write_json
from harness.core.errors import BenchError, DataError
from harness.core.reading import read_json
from harness.features.declared import Declared
from harness.features.formats.base import FeatureFile
from harness.features.formats.h5file import child, feature_key, opened
from harness.features.formats.h5kinds import H5
from harness.features.formats.npfile import npy_header
from harness.features.formats.ptfile import PT, only_record
from harness.features.manifest import MANIFEST, Manifest, SlideEntry
from harness.features.packing import MOST_REFUSED, Packing, Ready, fingerprint
from harness.features.refusals import refuse
from harness.features.some_rows import read_some
from harness.features.store import COORD_DTYPE, COORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCKS = "blocks.json"


@dataclass(frozen=True)
class Block:
    """Rows of one slide in a file.

    Attributes:
        path: the file.
        offset: bytes before the first row.
        dtype: number type, as NumPy writes it.
        shape: rows and columns.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, int]

    def read(self) -> NDArray[np.floating[Any]]:
        """The rows, read into memory of their own.

        Raises:
            DataError: the file is cut short.
        """
        count = self.shape[0] * self.shape[1]
        found = np.fromfile(self.path, self.dtype, count, offset=self.offset)
        if len(found) != count:
            raise self._cut_short()
        return found.reshape(self.shape)

    def some(self, rows: Sequence[int]) -> NDArray[np.floating[Any]]:
        """A few of the rows; the others are not read."""
        found = read_some(Path(self.path), np.dtype(self.dtype), self.shape[1], rows, offset=self.offset)
        if found is None:
            raise self._cut_short()
        return found

    def _cut_short(self) -> DataError:
        return DataError("the file was cut short", place=self.path, fix="get or make the file again")


@dataclass(frozen=True)
class PlacedRows:
    """The rows of all slides as if they were one array; each range that is asked for is that of a slide.

    Attributes:
        blocks: number of the first row → block.
        shape: of the array.
    """

    blocks: Mapping[int, Block]
    shape: tuple[int, int]

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """The rows of the slide that begins at row ``start``."""
        return self.blocks[start].read()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(dict.fromkeys(Path(block.path) for block in self.blocks.values()))


@dataclass(frozen=True)
class PlacedStore:
    """What is known of features that are read where they lie; as :class:`harness.features.store.FeatureStore`.

    Attributes:
        folder: the cache folder, with manifest, places and positions of tiles.
        manifest: of the slides.
        blocks: slide id → where its rows lie.
    """

    folder: Path
    manifest: Manifest
    blocks: Mapping[str, Block]

    @property
    def dim(self) -> int:
        """Feature width D."""
        return self.manifest.header.dim

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of positions; those of features are each slide's own."""
        return (self.folder / COORDS,)

    def count(self, slide: str) -> int:
        """Number of tiles of a slide."""
        return self.manifest.slides[slide].tiles

    def bag(self, slide: str) -> NDArray[np.floating[Any]]:
        """Features of a slide, (n, D), in the number type of its file."""
        return self.blocks[slide].read()

    def some(self, slide: str, rows: Sequence[int]) -> NDArray[np.floating[Any]]:
        """A few rows of a slide."""
        return self.blocks[slide].some(rows)

    @property
    def values(self) -> PlacedRows:
        """All rows."""
        entries = self.manifest.slides
        total = max((entry.stop for entry in entries.values()), default=0)
        return PlacedRows({entries[slide].start: block for slide, block in self.blocks.items()}, (total, self.dim))


@dataclass
class Placed:
    """The outcome of a pass; as :class:`harness.features.packing.Packed`."""

    store: PlacedStore
    declared: Declared
    notes: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, BenchError] = field(default_factory=dict)


def place(packing: Packing, folder: Path, *, partial: bool = False) -> Placed:
    """Read and check every slide once, and note where its rows lie; nothing is read where that is known already.

    Args:
        packing: what is read, and how.
        folder: the folder for what is noted.
        partial: leave out slides that cannot be used, instead of refusing all.

    Raises:
        DataError: slides that cannot be used, or whose rows do not lie in one piece; each is named.
    """
    if any(file.path in packing.source.label_files for file in packing.files.values()):
        raise DataError(
            "the files hold labels beside the features, and a process that trains must not see those of test slides",
            place=str(packing.source.root),
            fix="leave --in-place out: the features are then packed without the labels",
        )
    prints = {slide: fingerprint(file) for slide, file in packing.files.items()}
    if (done := _known(packing, folder, prints)) is not None:
        return done
    first, refused = packing.first()
    declared = packing.facts(first)
    header = packing.header(declared, first)
    header = replace(header, provenance={**header.provenance, "in_place": True})
    entries: dict[str, SlideEntry] = {}
    blocks: dict[str, Block] = {}
    coords: list[NDArray[np.int64]] = []
    notes: dict[str, list[str]] = {}
    start = 0
    todo = [slide for slide in packing.files if slide not in refused]
    for slide, outcome in packing.outcomes(todo, declared, header, "reading features"):
        found = _placed(outcome, packing.files[slide])
        if isinstance(found, BenchError):
            refused[slide] = found
            if len(refused) >= MOST_REFUSED and not partial:
                break
            continue
        ready, blocks[slide] = found
        for note in ready.notes:
            notes.setdefault(note, []).append(slide)
        entries[slide] = replace(ready.entry(prints[slide]), start=start)
        coords.append(np.full((len(ready.rows), 2), -1) if ready.coords is None else ready.coords)
        start += len(ready.rows)
    refuse(refused, len(packing.files), partial=partial)
    store = PlacedStore(folder, Manifest(header, entries), blocks)
    _write(store, np.concatenate(coords))
    return Placed(store, declared, notes, refused)


def _placed(outcome: Ready | BenchError, file: FeatureFile) -> tuple[Ready, Block] | BenchError:
    if isinstance(outcome, BenchError):
        return outcome
    block = _locate(file, outcome.rows)
    if block is None or not np.array_equal(block.read(), outcome.rows):
        return DataError(
            "its rows do not lie in one piece in the file as they are (chunks of one row, as TRIDENT writes them, are "
            "many times slower to read)",
            place=file.place,
            fix="leave --in-place out: the features are then packed once",
        )
    return outcome, block


def _locate(file: FeatureFile, rows: NDArray[Any]) -> Block | None:
    """Where rows of this shape would lie; whether they are the same is for the caller to see."""
    suffix = file.path.suffix.lower()
    shape, dtype, size = (len(rows), rows.shape[1]), rows.dtype.str, file.path.stat().st_size
    offset = _offset(file, suffix)
    if offset is None or offset + rows.nbytes > size:
        return None
    return Block(str(file.path.absolute()), offset, dtype, shape)


def _offset(file: FeatureFile, suffix: str) -> int | None:
    if suffix == ".npy":
        return npy_header(file.path)[3]
    if suffix in PT:
        return only_record(file.path)
    if suffix not in H5:
        return None
    with opened(file.path) as h5:
        group = child(h5, file.member) if file.member and file.member in h5 else h5
        key = feature_key(group)
        found = None if key is None else child(group, key)
        offset = (
            found.id.get_offset() if found is not None and hasattr(found, "id") and hasattr(found, "dtype") else None
        )
        return None if offset is None else int(offset)


def _known(packing: Packing, folder: Path, prints: Mapping[str, str]) -> Placed | None:
    """What was noted before, if it is of the same files."""
    if not (folder / MANIFEST).exists() or not (folder / BLOCKS).exists():
        return None
    manifest = Manifest.read(folder)
    if any(slide not in manifest.slides or manifest.slides[slide].fingerprint != one for slide, one in prints.items()):
        return None
    noted = read_json(folder / BLOCKS)
    blocks = {slide: Block(**{**one, "shape": tuple(one["shape"])}) for slide, one in noted.items()}
    return Placed(PlacedStore(folder, manifest, blocks), packing.declared_of(manifest.header))


def _write(store: PlacedStore, coords: NDArray[np.int64]) -> None:
    store.folder.mkdir(parents=True, exist_ok=True)
    (store.folder / MANIFEST).unlink(missing_ok=True)
    np.ascontiguousarray(coords, COORD_DTYPE).tofile(store.folder / COORDS)
    write_json(store.folder / BLOCKS, {slide: asdict(block) for slide, block in store.blocks.items()})
    store.manifest.write(store.folder)
