"""The files that units read, as they were when the study opened them: a unit whose data changes meanwhile fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from harness.core.errors import BenchError, DataError
from harness.datasets.content import Content, FileStatus, day

T = TypeVar("T")
Statuses = Mapping[Path, FileStatus]


@dataclass(frozen=True)
class Sources:
    """Where the bags of a study come from.

    Attributes:
        slides: slide id → its files.
        shared: what it is called in errors → files that all units read (packed features).
        basis: what the identity of the content rests on, for the record.
    """

    slides: Mapping[str, Statuses] = field(default_factory=dict)
    shared: Mapping[str, Statuses] = field(default_factory=dict)
    basis: Mapping[str, Any] = field(default_factory=dict)

    def and_shared(self, name: str, files: Iterable[Path]) -> Sources:
        """The same with further files that all units read."""
        return Sources(self.slides, {**self.shared, name: status_of(files)}, self.basis)

    def check(self, slides: Iterable[str]) -> None:
        """Compare the files of ``slides``, and those that all units read, with what they were.

        Raises:
            DataError: some have changed or are gone; the slide is named.
        """
        for slide in slides:
            _check(f"slide {slide}", self.slides.get(slide, {}))
        for name, files in self.shared.items():
            _check(name, files)

    def confirmed(self, outcome: T, slides: Iterable[str]) -> T | DataError:
        """What came of work on ``slides``; in its place the error of :meth:`check` where they changed meanwhile.

        Where the work failed, which the change may have caused, the error says both.
        """
        try:
            self.check(slides)
        except DataError as changed:
            if not isinstance(outcome, Exception):
                return changed
            own = outcome.problem if isinstance(outcome, BenchError) else str(outcome)
            return DataError(f"{changed.problem}; {own}", place=changed.place, fix=changed.fix)
        return outcome


def status_of(files: Iterable[Path]) -> dict[Path, FileStatus]:
    """What the files are now."""
    return {path: FileStatus.of(path) for path in files}


def statuses(content: Content) -> dict[Path, FileStatus]:
    """What the files were when they were hashed."""
    return {path: file.status for path, file in content.files.items()}


def basis_of(contents: Iterable[Content]) -> dict[str, Any]:
    """On which kind of fingerprint an identity rests, in words and times; no numbers, which would be averaged."""
    known = list(contents)
    read = sum(content.fresh for content in known)
    return {
        "fingerprint": "BLAKE3 of every byte",
        "files": f"{read} of {len(known)} slides read whole by this command; of the others size, modification time, "
        "change time and inode are those of the time when they were",
        "read_since": day(min((content.read_ns for content in known), default=0)),
    }


def _check(what: str, files: Statuses) -> None:
    for path, before in files.items():
        try:
            now = FileStatus.of(path)
        except OSError as reason:
            raise DataError(
                f"{what} cannot be found any more: {reason.strerror}", place=str(path), fix="restore it, and run again"
            ) from reason
        if now != before:
            raise DataError(
                f"{what} changed while the study ran",
                place=str(path),
                fix="let it be, and give the same command again: it takes the data as they are then",
            )
