"""The state of a unit's files: whether they are those that the index has read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.results.staging import ARTEFACTS, FAILED, RECORD

_NOTES = frozenset({RECORD, FAILED})
_MARGIN_NS = 2 * 10**9
"""Times of files may be as coarse as that: what changed just before it was read may have changed after it as well."""


@dataclass(frozen=True)
class UnitState:
    """The files of a unit beside its record, and those among its artefacts.

    Attributes:
        text: name, size, modification time, change time, inode and device of every file. A program can set the
            modification time of a file back, but not its change time.
        newest: the latest change time, in ns.
        names: of the files.
    """

    text: str
    newest: int
    names: frozenset[str]

    def is_that_of(self, text: str, seen_ns: int) -> bool:
        """Whether the files are those that were read at ``seen_ns``, when their state was ``text``."""
        return self.text == text and self.newest + _MARGIN_NS < seen_ns


def state_of(folder: Path) -> UnitState:
    """Look at the files of a unit; hidden ones, and folders that hold no evidence, are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    lines, newest = [], 0
    names = []
    for name, status in _files(folder):
        lines.append(
            f"{name}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}:{status.st_dev}"
        )
        newest = max(newest, status.st_ctime_ns, status.st_mtime_ns)
        names.append(name)
    return UnitState("\n".join(sorted(lines)), newest, frozenset(names))


def _files(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Names and states of files, and of folders, whose content is of no concern but for that of the artefacts."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                status = entry.stat()  # of what a link leads to: that is what is read
            except OSError:
                continue  # a link that leads nowhere is no file
            if not stat.S_ISDIR(status.st_mode):
                yield prefix + entry.name, status
            elif not prefix and entry.name == ARTEFACTS:
                yield from _files(folder / ARTEFACTS, f"{ARTEFACTS}/")
            elif not prefix and entry.name in _NOTES:
                yield entry.name, status  # a folder in the place of a file is damage, which its reader names
