"""A lock between processes, held through a file."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold the lock of ``path`` for the block; it is released when the process ends, however it ends.

    File systems that know no locks (some cluster ones) go on without: writes are atomic anyway, the lock only keeps
    two complete results from mixing.

    Raises:
        TimeoutError: somebody else held the lock for longer than ``timeout_s`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + timeout_s
    with path.open("a", encoding="ascii") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise TimeoutError(f"{path} was locked for more than {timeout_s:g} s") from None
                time.sleep(0.02)
            except OSError:
                break
        yield
