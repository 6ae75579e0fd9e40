"""One pass over a folder of features: every slide is read, checked and packed into the memory-mapped store.

Slides are read and converted in parallel threads and written by one; the disk is waited for once per group of slides.
What is in the store already is not read again unless its file has changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import harness
from harness.core import console
from harness.core.errors import BenchError, DataError
from harness.core.hashing import sha256_json
from harness.encoders.spelling import UNKNOWN
from harness.features.declared import Declared, with_resolution
from harness.features.formats.base import Facts, FeatureFile, FeatureFormat, SlideFeatures
from harness.features.manifest import MANIFEST, DType, FeatureKey, Header, Manifest, SlideEntry
from harness.features.refusals import no_tiles, refuse, too_many
from harness.features.rows import StoredRows, as_stored, check_columns
from harness.features.store import FeatureStore
from harness.features.writer import FeatureWriter

if TYPE_CHECKING:
    from numpy.typing import NDArray

GROUP_BYTES = 256 << 20
MOST_REFUSED = 50
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
        dtype: number type on disk; None for that of the files.
        workers: threads that read.
        level0_mpp: place of a file → microns per pixel of its slide's level 0, as far as somebody says.
    """

    source: FeatureFormat
    files: Mapping[str, FeatureFile]
    declared: Declared
    dtype: DType | None = "float16"
    workers: int = 2
    level0_mpp: Mapping[str, float] = field(default_factory=dict)

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
        first, refused = self.first()
        notes: dict[str, list[str]] = {}
        facts = self.facts(first)
        header = self.header(facts, first)
        with FeatureWriter(folder, header, group_bytes=GROUP_BYTES) as writer:
            todo = [slide for slide in self.files if slide not in refused and not writer.has(slide, prints[slide])]
            for slide, outcome in self.outcomes(todo, facts, header, "packing features"):
                if isinstance(outcome, BenchError):
                    refused[slide] = outcome
                    if len(refused) >= MOST_REFUSED and not partial:
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
        return self.facts(self.first()[0])

    def facts(self, first: SlideFeatures) -> Declared:
        """What is known of all slides, where ``first`` is one of them."""
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

    def first(self) -> tuple[SlideFeatures, dict[str, BenchError]]:
        """The first slide with tiles, which tells what all have in common."""
        refused: dict[str, BenchError] = {}
        for slide, file in self.files.items():
            try:
                found = self._read(file)
            except DataError as problem:
                refused[slide] = problem
                continue
            if len(found.features):
                return found, refused
            refused[slide] = no_tiles(file)
        raise too_many(refused, len(self.files))

    def header(self, declared: Declared, first: SlideFeatures) -> Header:
        """What the manifest says of all slides."""
        facts = declared.facts
        key = FeatureKey(facts.encoder or UNKNOWN, UNKNOWN, round(facts.mpp or 0.0, 4), facts.tile_px or 0)
        about = {"format": self.source.name, "unit": first.unit, "magnification": facts.magnification}
        return Header(key, first.features.shape[1], self.dtype_of(first), UNKNOWN, harness.__version__, about)

    def declared_of(self, header: Header) -> Declared:
        """What a finished store says of all its slides; raises DataError where something else is declared."""
        return declared_of(header, self.declared)

    def outcomes(
        self, todo: Sequence[str], declared: Declared, header: Header, label: str
    ) -> Iterator[tuple[str, Ready | BenchError]]:
        """Slides in their order, each ready to be written or with what is wrong with it, under a progress bar."""
        with console.progress(label, len(todo)) as bar:
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
                    if len(waiting) > 2 * self.workers + 1:  # enough to go on with while the disk is waited for
                        first, future = waiting.popleft()
                        yield first, future.result()
                while waiting:
                    first, future = waiting.popleft()
                    yield first, future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, file: FeatureFile) -> SlideFeatures:
        mpp = self.level0_mpp.get(file.place)
        return with_resolution(self.source.read(file), mpp, self.declared.facts.tile_px, file.place)

    def checked(self, file: FeatureFile, declared: Declared) -> SlideFeatures:
        """The features of one slide as they were read.

        Raises:
            DataError: the slide is damaged or without tiles, or contradicts what is declared.
        """
        found = self._read(file)
        if not len(found.features):
            raise no_tiles(file)
        declared.check(found.facts, found.features.shape[1], file.place)
        check_columns(found.features, file.place)
        return found

    def _ready(self, file: FeatureFile, declared: Declared, header: Header) -> Ready | BenchError:
        started = time.perf_counter()
        try:
            found = self.checked(file, declared)
            coords, notes = found.coords, found.notes
            if coords is not None and found.unit != header.provenance["unit"]:
                coords = None
                notes = (*notes, f"coordinates in {found.unit} are left out: other slides have another unit")
            stored = as_stored(found.features, coords, self.dtype_of(found), file.place)
        except BenchError as problem:
            return problem
        side = found.side if coords is not None and found.side else 0.0
        return Ready(stored, coords, side, notes, time.perf_counter() - started)

    def count(self, file: FeatureFile) -> int:
        """How many tiles a slide has, all of whose numbers are looked at.

        Raises:
            DataError: as :meth:`checked`, or numbers that are not finite or do not fit the number type.
        """
        found = self.checked(file, self.declared)
        return len(as_stored(found.features, None, self.dtype_of(found), file.place).rows)

    def dtype_of(self, found: SlideFeatures) -> DType:
        """The number type on disk of one slide's features."""
        return self.dtype or ("float16" if found.features.dtype == np.float16 else "float32")


@dataclass(frozen=True)
class Ready:
    """One slide, ready to be written."""

    stored: StoredRows
    coords: NDArray[np.int64] | None
    side: float
    notes: tuple[str, ...]
    seconds: float

    @property
    def rows(self) -> NDArray[np.floating[Any]]:
        """The features."""
        return self.stored.rows

    def entry(self, print_: str) -> SlideEntry:
        """For the manifest."""
        return SlideEntry(
            0,
            len(self.rows),
            print_,
            self.stored.crc32,
            self.coords is not None,
            {"read": round(self.seconds, 6)},
            self.stored.content,
            self.stored.sample,
            self.side,
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
            try:
                status = one.stat()
            except OSError as reason:  # a link to nothing: reading it says so
                parts.append([str(one.absolute()), str(reason.strerror)])
            else:
                parts.append([str(one.absolute()), status.st_size, status.st_mtime_ns])
    return sha256_json(parts)
