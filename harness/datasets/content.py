"""Identity of data files: a hash of every byte, remembered with the files' status so that it is not computed twice.

A file is read again when its size, modification time, change time or inode differs from what they were when it was
hashed. Programs can set the modification time of a file, but not its change time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from harness.core import console
from harness.core.atomic import write_json
from harness.core.errors import BenchError, DataError
from harness.core.hashing import sha256_json, sha256_text
from harness.core.reading import open_regular, read_json
from harness.core.resources import cache_root

_FORMAT = 1
_BLOCK = 1 << 22
_COARSE_NS = 2_000_000_000
"""A file that changed less than this before it was read may change again without a new time stamp."""

Advance = Callable[[int], None]
"""Is told how many bytes have been read."""


@dataclass(frozen=True)
class FileStatus:
    """What changes when a file is written to or replaced: size in bytes, times in nanoseconds, inode."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """The status of a file; raises OSError where there is none."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@dataclass(frozen=True)
class FileHash:
    """The hash of a file (``blake3:`` and 64 hexadecimal digits), its status then, and when that was (ns, UTC)."""

    hash: str
    status: FileStatus
    read_ns: int

    def holds(self, status: FileStatus) -> bool:
        """Whether the file is the same, to judge by its status."""
        return status == self.status and status.ctime_ns < self.read_ns - _COARSE_NS


@dataclass(frozen=True)
class Content:
    """What one or several files hold.

    Attributes:
        files: each file's hash and status.
        fresh: whether a file was read for this, instead of its hash being known.
        reported: the hash that ``bench datasets verify`` has reported last, or the first one known, and when it was
            read (ns, UTC).
    """

    files: Mapping[Path, FileHash]
    fresh: bool
    reported: tuple[str, int] = ("", 0)

    @property
    def hash(self) -> str:
        """Of all files together, whatever they are called and wherever they are."""
        hashes = sorted(file.hash for file in self.files.values())
        return hashes[0] if len(hashes) == 1 else f"blake3-set:{sha256_json(list(hashes))}"

    @property
    def read_ns(self) -> int:
        """When all files had been read whole: the earliest time among them."""
        return min((file.read_ns for file in self.files.values()), default=0)

    @property
    def differs(self) -> bool:
        """Whether the content is another than the one reported last."""
        return self.reported[0] not in ("", self.hash)

    def changed(self) -> Path | None:
        """The first file whose status is no longer the one it was hashed with, or that is gone."""
        return next((path for path, file in self.files.items() if not _unchanged(path, file)), None)


def day(ns: int) -> str:
    """A time as date and time of day, UTC."""
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _unchanged(path: Path, file: FileHash) -> bool:
    try:
        return FileStatus.of(path) == file.status
    except OSError:
        return False


@dataclass
class ContentHashes:
    """The hashes of files that were read before, one small file per slide or other piece of data.

    They lie in the default cache folder whatever ``--cache`` says, so that all commands know them. Each is written in
    one step and carries a checksum: a damaged one is as good as none. Where nothing can be written, files are read each
    time.

    Attributes:
        folder: where they are; None finds no place for them.
    """

    folder: Path | None = field(default_factory=lambda: _default_folder())
    _warned: bool = False

    def known(self, place: Path) -> Content | None:
        """What was known of the data at ``place``, whether it still holds or not."""
        if self.folder is None:
            return None
        try:
            value = read_json(self._entry(place))
            body = value["content"]
            if value["format"] != _FORMAT or value["sha256"] != sha256_json(body) or body["place"] != _key(place):
                return None
            files = {
                Path(path): FileHash(str(about[0]), FileStatus(*map(int, about[1:5])), int(about[5]))
                for path, about in body["files"].items()
            }
            return Content(files, fresh=False, reported=(str(body["reported"][0]), int(body["reported"][1])))
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return None

    def read(
        self, place: Path, files: Iterable[Path], *, since_ns: int | None = None, advance: Advance = lambda _: None
    ) -> Content:
        """The content of the ``files`` at ``place``; those that are known and have not changed are not read.

        Args:
            place: the name under which it is remembered: the slide, folder or archive.
            files: the files that hold it.
            since_ns: take no hash that was read before this time (ns, UTC); None takes any.
            advance: is told how many bytes are dealt with.

        Raises:
            DataError: a file cannot be read, or changes while it is read.
        """
        before = self.known(place)
        found: dict[Path, FileHash] = {}
        fresh = False
        for path in (path.absolute() for path in files):
            old = None if before is None else before.files.get(path)
            status = _status(path)
            if old is not None and old.holds(status) and (since_ns is None or old.read_ns >= since_ns):
                found[path] = old
                advance(status.size)
            else:
                fresh = True
                found[path] = hash_file(path, advance)
        content = Content(found, fresh)
        reported = (content.hash, content.read_ns) if before is None else before.reported
        content = Content(found, fresh, reported)
        if fresh or (before is not None and before.files.keys() != found.keys()):
            self._write(place, content)
        return content

    def holds(self, place: Path, files: Iterable[Path]) -> bool:
        """Whether these files are known, and have not changed since they were read."""
        known = self.known(place)
        try:
            return known is not None and all(
                (one := known.files.get(path.absolute())) is not None and one.holds(FileStatus.of(path))
                for path in files
            )
        except OSError:
            return False

    def acknowledge(self, place: Path, content: Content) -> None:
        """Remember that this content was reported."""
        if content.reported[0] != content.hash:
            self._write(place, Content(content.files, content.fresh, (content.hash, content.read_ns)))

    def _entry(self, place: Path) -> Path:
        assert self.folder is not None
        name = sha256_text(_key(place))[:32]
        return self.folder / name[:2] / f"{name}.json"

    def _write(self, place: Path, content: Content) -> None:
        if self.folder is None:
            return
        files = {str(path): [one.hash, *astuple(one.status), one.read_ns] for path, one in content.files.items()}
        body: dict[str, Any] = {"place": _key(place), "files": files, "reported": list(content.reported)}
        try:
            write_json(self._entry(place), {"format": _FORMAT, "sha256": sha256_json(body), "content": body})
        except OSError as reason:
            if not self._warned:
                self._warned = True
                console.warn(f"content hashes cannot be kept in {self.folder}, files are read each time: {reason}")


def hash_file(path: Path, advance: Advance = lambda _: None) -> FileHash:
    """Read a file whole.

    Raises:
        DataError: it cannot be read, is no regular file, or changes meanwhile.
    """
    from blake3 import blake3

    digest = blake3()
    began = time.time_ns()
    try:
        with open_regular(path) as file:
            before = os.fstat(file.fileno())
            left = before.st_size  # a file that grows as fast as it is read would never end
            while left and (block := file.read(min(_BLOCK, left))):
                digest.update(block)
                left -= len(block)
                advance(len(block))
        status = FileStatus.of(path)
    except OSError as reason:
        raise unreadable(path, reason) from reason
    if (before.st_size, before.st_mtime_ns, before.st_ctime_ns, before.st_ino) != astuple(status):
        raise DataError("the file changed while it was read", place=str(path), fix="wait until it is complete")
    return FileHash(f"blake3:{digest.hexdigest()}", status, began)


def _status(path: Path) -> FileStatus:
    try:
        return FileStatus.of(path)
    except OSError as reason:
        raise unreadable(path, reason) from reason


def unreadable(path: Path, reason: OSError) -> DataError:
    """The error for a file that the system does not let us read."""
    why = reason.strerror or str(reason)
    return DataError(f"the file cannot be read: {why}", place=str(path), fix="check the file and its permissions")


def _key(place: Path) -> str:
    return str(place.absolute())


def _default_folder() -> Path | None:
    try:
        return cache_root() / "content"
    except (RuntimeError, BenchError):  # no home
        return None
