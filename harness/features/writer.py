"""Building a feature store slide by slide, so that a kill at any moment costs at most one slide."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from harness.core import console
from harness.core.arrays import all_finite
from harness.core.atomic import placing
from harness.core.checksum import crc32
from harness.core.errors import DataError
from harness.core.filelock import locked
from harness.features.manifest import MANIFEST, Header, Manifest, SlideEntry
from harness.features.store import COORD_DTYPE, COORDS, DTYPES, FEATURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

JOURNAL = "journal.jsonl"
WRITE_BYTES = 256 << 10
"""So much is written in one call. Linux looks for memory in one piece for a call, and can take longer to find a piece
of megabytes than to copy them: packing took up to twice the processor time (ext4, Linux 6.18)."""


class FeatureWriter:
    """Appends slides to a store; use it as a context manager.

    Rows are only ever appended. A slide's rows are flushed to disk before its line enters ``journal.jsonl``, and the
    manifest is replaced at the end in one step: what the manifest or the journal knows is complete, and whatever
    stands behind it in the files is the torn rest of a kill and is cut off. A finished store can be taken up again
    to add slides, while others read it. Only one process writes; a second one waits.

    Args:
        folder: the store's folder; made if need be.
        header: what is being written.
        group_bytes: features that are written together; the disk is waited for while the next group is written. A
            kill costs the slides of two groups. 0 waits for the disk after each slide.

    Raises:
        DataError: (on entering) the folder holds features of another encoder, resolution, width or number type.
    """

    def __init__(self, folder: Path, header: Header, *, group_bytes: int = 0) -> None:
        self.folder = folder
        self.header = header
        self._group_bytes = group_bytes
        self._waiting: dict[str, SlideEntry] = {}
        self._waiting_bytes = 0
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._on_the_way: Future[None] | None = None
        self._end = 0
        self.entries: dict[str, SlideEntry] = {}
        self._row_bytes = {FEATURES: header.dim * DTYPES[header.dtype].itemsize, COORDS: 2 * COORD_DTYPE.itemsize}
        self._lock = locked(
            folder / ".lock",
            timeout_s=None,
            waiting=lambda: console.note(f"waiting for another process that writes to {folder}"),
            unlockable=lambda: console.warn(
                f"{folder} is on a file system without locks: let no other process write there"
            ),
        )

    def __enter__(self) -> Self:
        self._lock.__enter__()
        try:
            with placing(self.folder):
                self._take_up()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what is complete when work is interrupted need not be done again
            self._commit()
            self._settle()
        self._disk.shutdown()
        self._lock.__exit__(kind, error, trace)

    def has(self, slide: str, fingerprint: str) -> bool:
        """Whether the slide is there, made from the same slide file and tile positions."""
        return slide in self.entries and self.entries[slide].fingerprint == fingerprint

    def append(
        self,
        slide: str,
        features: NDArray[np.floating[Any]],
        coords: NDArray[np.int64] | None,
        *,
        fingerprint: str,
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        """Add one slide, or replace it. When this returns, the slide survives a kill.

        Args:
            slide: slide id.
            features: (n, D), any float type.
            coords: (n, 2) level-0 top-left corners, None where unknown.
            fingerprint: what the features were made from.
            seconds: what making them took, by part.

        Raises:
            DataError: no tiles, another width, or values that are not finite or do not fit the number type.
        """
        rows = self._checked(slide, features)
        entry = SlideEntry(0, len(rows), fingerprint, crc32(rows.data), coords is not None, dict(seconds or {}))
        self.put(slide, rows, coords, entry)

    def put(
        self, slide: str, rows: NDArray[np.floating[Any]], coords: NDArray[np.int64] | None, entry: SlideEntry
    ) -> None:
        """Add one slide, or replace it, whose rows are known to be right. It survives a kill once its group is full.

        Args:
            slide: slide id.
            rows: (n, D), n at least 1, in the number type of the store.
            coords: (n, 2), None where unknown.
            entry: what is known of it; its first row is found here.
        """
        places = np.full((len(rows), 2), -1) if coords is None else coords
        if len(places) != len(rows):
            raise ValueError(f"slide {slide}: {len(places)} positions for {len(rows)} tiles")
        self._write(FEATURES, self._end, rows)
        self._write(COORDS, self._end, np.ascontiguousarray(places, COORD_DTYPE))
        entry = replace(entry, start=self._end)
        # Behind the others, where its rows are.
        self.entries.pop(slide, None)
        self.entries[slide] = self._waiting[slide] = entry
        self._end = entry.stop
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes >= self._group_bytes:
            self._commit()

    def _commit(self) -> None:
        """Begin to have the disk hold the rows of the group; the group before is done when this returns."""
        self._settle()
        if not self._waiting:
            return
        self._on_the_way = self._disk.submit(self._to_disk, self._waiting)
        self._waiting, self._waiting_bytes = {}, 0
        if not self._group_bytes:
            self._settle()

    def _settle(self) -> None:
        """Wait for the group that is on its way to the disk."""
        before, self._on_the_way = self._on_the_way, None
        if before is not None:
            before.result()

    def _to_disk(self, group: Mapping[str, SlideEntry]) -> None:
        """Have the disk hold the rows of a group, and then say so in the journal."""
        for name in (FEATURES, COORDS):
            with placing(self.folder / name), (self.folder / name).open("rb") as file:
                os.fsync(file.fileno())
        path = self.folder / JOURNAL
        with placing(path), path.open("a", encoding="utf-8") as journal:
            journal.writelines(json.dumps({"slide": slide} | asdict(entry)) + "\n" for slide, entry in group.items())
            journal.flush()
            os.fsync(journal.fileno())

    def finish(self) -> Manifest:
        """Publish everything that is complete."""
        self._commit()
        self._settle()
        manifest = Manifest(self.header, dict(self.entries))
        for name in (FEATURES, COORDS):
            if not (self.folder / name).exists():  # others may be reading, and would take a new time for a change
                (self.folder / name).touch()
        manifest.write(self.folder)
        (self.folder / JOURNAL).unlink(missing_ok=True)
        return manifest

    def _checked(self, slide: str, features: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The rows as they go to disk."""
        header = self.header
        if features.ndim != 2 or features.shape[1] != header.dim:
            raise ValueError(f"slide {slide}: features of shape {features.shape}, expected (n, {header.dim})")
        place = f"slide {slide}, features of {header.key.encoder}"
        if len(features) == 0:
            raise DataError(
                "the slide has no tiles", place=place, fix="leave the slide out, or loosen the tissue settings"
            )
        if not all_finite(features):
            bad = int((~np.isfinite(features).all(axis=1)).sum())
            raise DataError(
                f"{bad} of {len(features)} tiles have features that are not finite (NaN or infinite)",
                place=place,
                fix="check the encoder's weights and its precision (bf16 or fp32 in place of fp16)",
            )
        with np.errstate(over="ignore"):
            rows: NDArray[np.floating[Any]] = np.ascontiguousarray(features, DTYPES[header.dtype])
        if not all_finite(rows):
            largest = float(np.abs(features).max())
            raise DataError(
                f"features up to {largest:.3g} do not fit {header.dtype}", place=place, fix="store them as float32"
            )
        return rows

    def _write(self, name: str, start: int, rows: NDArray[Any]) -> None:
        path = self.folder / name
        with placing(path), path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(start * self._row_bytes[name])
            data = rows.reshape(-1).view(np.uint8).data
            for piece in range(0, len(data), WRITE_BYTES):
                file.write(data[piece : piece + WRITE_BYTES])

    def _take_up(self) -> None:
        """Continue where an earlier writer ended or was killed."""
        if (self.folder / MANIFEST).exists():
            manifest = Manifest.read(self.folder)
            self.header.check(manifest.header, self.folder)
            self.entries = dict(manifest.slides)
        journal = self.folder / JOURNAL
        if journal.exists():
            self._read_journal(journal)
        else:
            journal.write_text(json.dumps(self.header.as_dict()) + "\n", encoding="utf-8")
        self._drop_lost()
        self._end = max((entry.stop for entry in self.entries.values()), default=0)
        for name, row_bytes in self._row_bytes.items():
            path = self.folder / name
            if path.exists() and path.stat().st_size > self._end * row_bytes:
                os.truncate(path, self._end * row_bytes)

    def _read_journal(self, path: Path) -> None:
        """Take over the complete lines; the torn last one is cut off."""
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(path, len(whole))
        if not whole:
            path.write_text(json.dumps(self.header.as_dict()) + "\n", encoding="utf-8")
            return
        try:
            first, *lines = (json.loads(line) for line in whole.splitlines())
            found = Header.from_dict(first)
            added = [(line.pop("slide"), SlideEntry(**line)) for line in lines]
        except (json.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise DataError(
                "the journal is damaged", place=str(path), fix="delete the folder and extract again"
            ) from error
        self.header.check(found, self.folder)
        for slide, entry in added:
            self.entries.pop(slide, None)
            self.entries[slide] = entry

    def _drop_lost(self) -> None:
        """Forget slides whose rows are no longer in the files, so that they are made again."""
        for name, row_bytes in self._row_bytes.items():
            path = self.folder / name
            size = path.stat().st_size if path.exists() else 0
            lost = [slide for slide, entry in self.entries.items() if entry.stop * row_bytes > size]
            if lost:
                console.warn(f"{path} is cut short; made again: {', '.join(lost)}")
            for slide in lost:
                del self.entries[slide]
