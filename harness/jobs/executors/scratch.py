"""Folders for the files of an executor, which go when the command does."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.core.filelock import try_lock

OWNER = "owned"


class Scratch:
    """A folder that is removed when it is closed.

    A kill -9 leaves its folder behind; the next one finds that nobody holds its lock, and removes it.

    Args:
        place: the folder that it is made in.
        prefix: how its name begins.

    Attributes:
        folder: the folder.
        owner: a file in it that this process has locked.
    """

    def __init__(self, place: Path, prefix: str) -> None:
        for left in place.glob(f"{prefix}*"):
            with suppress(OSError), (left / OWNER).open("rb") as file:
                if try_lock(file):
                    shutil.rmtree(left, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        self.owner = self.folder / OWNER
        self._file = self.owner.open("wb")
        try_lock(self._file)

    def close(self, *, keep: bool = False) -> None:
        """Unlock the folder, and remove it unless its files are worth keeping."""
        if keep:
            self.owner.unlink(missing_ok=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._file.close()
