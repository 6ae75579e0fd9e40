"""File locks: which process runs what, so that processes that share a runs folder run nothing twice."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from harness.core.filelock import try_lock

FILE = ".running.lock"


class FolderLocks:
    """The folders that this process has locked, as a context that unlocks them.

    The system unlocks a file when its process ends, however it ends, so that no lock outlives its holder. Where the
    file system has no locks (some cluster ones), every lock is granted, and two processes may run the same job: of two
    complete results the later one stays.
    """

    def __init__(self) -> None:
        self._held: dict[Path, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in list(self._held):
            self.release(folder)

    def take(self, folder: Path) -> bool:
        """Lock ``folder`` (made if need be); False if another process holds it. One that is held stays held."""
        if folder in self._held:
            return True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / FILE).open("ab", buffering=0)
        except OSError:
            return True  # a full disk, or one that is read-only: the job will meet it too, and say so better
        if try_lock(file) is False:
            file.close()
            return False
        self._held[folder] = file
        with suppress(OSError):  # for whoever looks; nothing depends on it
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return True

    def release(self, folder: Path) -> None:
        """Unlock a folder. The file stays: removing it could take it from somebody who has just opened it."""
        if (file := self._held.pop(folder, None)) is not None:
            file.close()
