"""One pass over a folder of features: every slide is read, checked and packed into the memory-mapped store.

Slides are read and converted in parallel threads and written by one; the disk is waited for once per group of slides.
What is in the store already is not read again unless its file has changed.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import harness
from harness.core import console
from harness.core.arrays import all_finite
from harness.core.errors import BenchError, DataError
from harness.core.hashing import sha256_json
from harness.datasets.table import listed
from harness.features.declared import Declared
from harness.features.encoder_names import UNKNOWN
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, SlideFeatures
from harness.features.formats.owkin import has_addresses
from harness.features.formats.shapes import label_columns
from harness.features.manifest import MANIFEST, DType, FeatureKey, Header, Manifest, SlideEntry
from harness.features.store import DTYPES, FeatureStore
from harness.features.writer import FeatureWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP_BYTES = 256 << 20
SAMPLE_ROWS = 32
"""Rows that stand for a slide where bags of a large cohort are compared."""
_MOST_REFUSED = 50
"""So many slides are refused before the pass ends early: something is wrong with all of them."""


@dataclass
class Packed:
    """The outcome of a pass.

    Attributes:
        store: the finished store.
        declared: what is known of all slides together.
        notes: what was left out or changed → slides.
        refused: slide → why it cannot be used.
    """

    store: FeatureStore
    declared: Declared
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Mapping[str, BenchError] = field(default_factory=dict)


@dataclass(frozen=True)
class Packing:
    """What is packed, and how.

    Attributes:
        source: the format, with its files.
        files: slide id of the dataset → its file.
        declared: facts that somebody declares.
        dtype: number type on disk.
        workers: threads that read.
    """

    source: FeatureFormat
    files: Mapping[str, FeatureFile]
    declared: Declared
    dtype: DType = "float16"
    workers: int = 2

    def run(self, folder: Path, *, partial: bool = False) -> Packed:
        """Pack into ``folder``; slides that are there already are not read.

        Args:
            folder: the store's folder.
            partial: leave out slides that cannot be used, instead of refusing all.

        Raises:
            DataError: slides that are damaged, without tiles or not finite, or contradict what is declared; each is
                named.
        """
        prints = {slide: fingerprint(file) for slide, file in self.files.items()}
        if (done := self._finished(folder, prints)) is not None:
            return done
        first, refused = self._first()
        notes: dict[str, list[str]] = {}
        facts = self._facts(first)
        header = self._header(facts, first)
        with FeatureWriter(folder, header, group_bytes=GROUP_BYTES) as writer:
            todo = [slide for slide in self.files if slide not in refused and not writer.has(slide, prints[slide])]
            for slide, outcome in self._outcomes(todo, facts, header):
                if isinstance(outcome, BenchError):
                    refused[slide] = outcome
                    if len(refused) >= _MOST_REFUSED and not partial:
                        break
                    continue
                for note in outcome.notes:
                    notes.setdefault(note, []).append(slide)
                writer.put(slide, outcome.rows, outcome.coords, outcome.entry(prints[slide]))
            refuse(refused, len(self.files), partial=partial)
            return Packed(FeatureStore(folder, writer.finish()), facts, notes, refused)

    def describe(self) -> Declared:
        """What is known of all slides together, from what is declared and from the first one that has tiles.

        Raises:
            DataError: no slide can be used, or it contradicts what is declared.
        """
        return self._facts(self._first()[0])

    def _facts(self, first: SlideFeatures) -> Declared:
        width = first.features.shape[1]
        return self.declared.with_files(first.facts, self.source.hints, width, str(self.source.root))

    def _finished(self, folder: Path, prints: Mapping[str, str]) -> Packed | None:
        """The store, where it has every slide already."""
        if not (folder / MANIFEST).exists():
            return None
        manifest = Manifest.read(folder)
        have = {slide: entry.fingerprint for slide, entry in manifest.slides.items()}
        if any(have.get(slide) != print_ for slide, print_ in prints.items()):
            return None
        declared = declared_of(manifest.header, self.declared)
        return Packed(FeatureStore(folder, manifest), declared)

    def _first(self) -> tuple[SlideFeatures, dict[str, BenchError]]:
        """The first slide with tiles, which tells what all have in common."""
        refused: dict[str, BenchError] = {}
        for slide, file in self.files.items():
            try:
                found = self.source.read(file)
            except DataError as problem:
                refused[slide] = problem
                continue
            if len(found.features):
                return found, refused
            refused[slide] = no_tiles(file)
        raise too_many(refused, len(self.files))

    def _header(self, declared: Declared, first: SlideFeatures) -> Header:
        facts = declared.facts
        key = FeatureKey(facts.encoder or UNKNOWN, UNKNOWN, round(facts.mpp or 0.0, 4), facts.tile_px or 0)
        about = {"format": self.source.name, "unit": first.unit, "magnification": facts.magnification}
        return Header(key, first.features.shape[1], self.dtype, UNKNOWN, harness.__version__, about)

    def _outcomes(
        self, todo: Sequence[str], declared: Declared, header: Header
    ) -> Iterator[tuple[str, Ready | BenchError]]:
        with console.progress("packing features", len(todo)) as bar:
            for slide, outcome in self._read_all(todo, declared, header):
                bar.advance(status=slide)
                yield slide, outcome

    def _read_all(
        self, todo: Sequence[str], declared: Declared, header: Header
    ) -> Iterator[tuple[str, Ready | BenchError]]:
        """Slides in their order, read ahead by the threads."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="pack") as pool:
            waiting: deque[tuple[str, Future[Ready | BenchError]]] = deque()
            try:
                for slide in todo:
                    waiting.append((slide, pool.submit(self._ready, self.files[slide], declared, header)))
                    if len(waiting) > self.workers + 1:
                        first, future = waiting.popleft()
                        yield first, future.result()
                while waiting:
                    first, future = waiting.popleft()
                    yield first, future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _ready(self, file: FeatureFile, declared: Declared, header: Header) -> Ready | BenchError:
        started = time.perf_counter()
        try:
            found = self.source.read(file)
            if not len(found.features):
                return no_tiles(file)
            declared.check(found.facts, found.features.shape[1], file.place)
            check_columns(found.features, file.place)
            rows = as_stored(found.features, header.dtype, file.place)
        except BenchError as problem:
            return problem
        coords, notes = found.coords, found.notes
        if coords is not None and found.unit != header.provenance["unit"]:
            coords, notes = None, (*notes, f"coordinates in {found.unit} are left out: other slides have another unit")
        side = found.side if coords is not None and found.side else 0.0
        return Ready(
            rows,
            coords,
            side,
            notes,
            zlib.crc32(rows.data),
            content_of(rows, coords),
            sample_of(rows),
            time.perf_counter() - started,
        )


@dataclass(frozen=True)
class Ready:
    """One slide, ready to be written."""

    rows: NDArray[np.floating[Any]]
    coords: NDArray[np.int64] | None
    side: float
    notes: tuple[str, ...]
    crc32: int
    content: str
    sample: Sequence[int]
    seconds: float

    def entry(self, print_: str) -> SlideEntry:
        """For the manifest."""
        return SlideEntry(
            0,
            len(self.rows),
            print_,
            self.crc32,
            self.coords is not None,
            {"read": round(self.seconds, 6)},
            self.content,
            self.sample,
            self.side,
        )


def as_stored(features: NDArray[np.floating[Any]], dtype: DType, place: str) -> NDArray[np.floating[Any]]:
    """Features in the number type of the store.

    Raises:
        DataError: some are NaN or infinite, or too large for the type.
    """
    rows = _converted(features, dtype)
    if all_finite(rows):
        return rows
    bad = int((~np.isfinite(features).all(axis=1)).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(features)} tiles have features that are not finite (NaN or infinite)",
            place=place,
            fix="make the features of this slide again, or leave it out with --partial",
        )
    largest = float(np.abs(features).max())
    raise DataError(
        f"features up to {largest:.4g} do not fit {dtype}, which ends at {np.finfo(DTYPES[dtype]).max:.0f}",
        place=place,
        fix="store them as they are with --dtype float32",
    )


def _converted(features: NDArray[np.floating[Any]], dtype: DType) -> NDArray[np.floating[Any]]:
    """The same numbers in the number type of the store; those that are too large become infinite."""
    if features.dtype == DTYPES[dtype] or features.dtype != np.float32 or not features.flags.writeable:
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(features, DTYPES[dtype])
    import torch  # five times as fast as NumPy, with the same rounding

    rows: NDArray[np.floating[Any]] = torch.from_numpy(np.ascontiguousarray(features)).half().numpy()
    return rows


def content_of(rows: NDArray[np.floating[Any]], coords: NDArray[np.int64] | None) -> str:
    """Hash of features and positions, in their order."""
    from blake3 import blake3

    digest = blake3(f"{rows.dtype.str} {rows.shape}".encode())
    digest.update(rows.reshape(-1).view(np.uint8).data)
    if coords is not None:
        digest.update(np.ascontiguousarray(coords, "<i8").reshape(-1).view(np.uint8).data)
    return f"blake3:{digest.hexdigest()}"


def sample_of(rows: NDArray[np.floating[Any]]) -> list[int]:
    """The rows of largest norm: the same in whatever order of rows and columns, and most of them in a cropped copy."""
    import torch

    if len(rows) <= SAMPLE_ROWS:
        return list(range(len(rows)))
    norms = torch.linalg.vector_norm(torch.from_numpy(rows), dim=1, dtype=torch.float32).numpy()
    chosen: list[int] = np.sort(np.argpartition(-norms, SAMPLE_ROWS)[:SAMPLE_ROWS]).tolist()
    return chosen


def check_columns(rows: NDArray[np.floating[Any]], place: str) -> None:
    """Refuse rows in which some columns are no features.

    Raises:
        DataError: the first columns are addresses of tiles, or the last ones labels.
    """
    if has_addresses(rows):
        raise DataError(
            "the first three columns look like Owkin's tile addresses, not features",
            place=place,
            fix="cut these columns off; in .npy files they are cut off by themselves",
        )
    if count := label_columns(rows):
        raise DataError(
            f"the last {count} columns look like the label of the slide, as DSMIL's code appends it",
            place=place,
            fix="cut these columns off: a method would read the label from them",
        )


def no_tiles(file: FeatureFile) -> DataError:
    """The error for a slide without tiles."""
    return DataError("the slide has no tiles (0 rows)", place=file.place, fix="leave it out with --partial")


def refuse(refused: Mapping[str, BenchError], total: int, *, partial: bool) -> None:
    """Raise DataError for slides that cannot be used, unless they may be left out."""
    if refused and not (partial and len(refused) < total):
        raise too_many(refused, total)


def too_many(refused: Mapping[str, BenchError], total: int) -> DataError:
    """The error that names slides which cannot be used, and why."""
    slide, first = next(iter(refused.items()))
    if len(refused) == 1:
        return DataError(f"slide {slide}: {first.problem}", place=first.place, fix=first.fix)
    shown = listed([f"{slide} ({one.problem})" for slide, one in refused.items()], most=5)
    fixes = Counter(one.fix for one in refused.values())
    return DataError(
        f"{len(refused)} of {total} slides cannot be used: {shown}", place=first.place, fix=fixes.most_common(1)[0][0]
    )


def declared_of(header: Header, by: Declared) -> Declared:
    """What a finished store says of all its slides, if it is what is declared.

    Raises:
        DataError: it is not.
    """
    key = header.key
    facts = Facts(
        encoder=None if key.encoder == UNKNOWN else key.encoder,
        tile_px=key.tile_px or None,
        mpp=key.mpp or None,
        magnification=header.provenance.get("magnification"),
    )
    by.check(facts, header.dim, str(header.provenance.get("format")))
    return Declared(facts, header.dim, by.by)


def fingerprint(file: FeatureFile) -> str:
    """What tells a changed file from the one that was read: path, size and times of all files of the slide."""
    parts: list[Any] = [file.member]
    for path in (file.path, *file.beside):
        paths = sorted(path.rglob("*")) if path.is_dir() else [path]
        for one in paths:
            status = one.stat()
            parts.append([str(one.absolute()), status.st_size, status.st_mtime_ns])
    return sha256_json(parts)
