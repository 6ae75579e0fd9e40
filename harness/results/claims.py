"""Claims: which process runs what, so that processes that share a runs folder run nothing twice."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from harness.core.filelock import try_lock

FILE = ".claim"


class Claims:
    """What this process has claimed, as a context that gives it all back.

    A claim is a lock on a file in the folder of a unit: the system lets go of it when the process ends, however it
    ends, so that no claim outlives its holder. Where the file system knows no locks (some cluster ones), every claim
    is granted, and two processes may run the same unit: of two complete results the later one stays.
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
        """Claim ``folder`` (made if need be); False if another process holds it. What is held stays held."""
        if folder in self._held:
            return True
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / FILE).open("ab", buffering=0)
        except OSError:
            return True  # a full disk, or one that is read-only: the unit will meet it too, and says so better
        if try_lock(file) is False:
            file.close()
            return False
        self._held[folder] = file
        with suppress(OSError):  # for whoever looks; nothing depends on it
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return True

    def release(self, folder: Path) -> None:
        """Give a claim back. The file stays: removing it could take it from under somebody who has just opened it."""
        if (file := self._held.pop(folder, None)) is not None:
            file.close()
