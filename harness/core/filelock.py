"""Locks between processes, held through a file. The system lets go of them when a process ends, however it ends.

Not the package filelock: on file systems without locks it can only fail, and it does not lock a file that is open
already, whose content is what is locked.
"""

from __future__ import annotations

import errno
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_OFTEN_S = 0.02


def try_lock(file: IO[Any]) -> bool | None:
    """Lock an open file, without waiting, until it is closed.

    Returns:
        True: it is ours. False: somebody else holds it. None: its file system knows no locks (some cluster ones).
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    return True


@contextmanager
def locked(
    path: Path,
    *,
    timeout_s: float | None = 60.0,
    waiting: Callable[[], None] | None = None,
    unlockable: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Hold the lock of ``path`` (made if need be) for the block. Where there are no locks, go on without.

    Args:
        path: the lock file; it stays.
        timeout_s: how long to wait for somebody else, in seconds; None for as long as it takes.
        waiting: called once when somebody else holds it.
        unlockable: called when the file system knows no locks.

    Raises:
        TimeoutError: somebody else held it for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up = None if timeout_s is None else time.monotonic() + timeout_s
    with path.open("a", encoding="ascii") as file:
        while (state := try_lock(file)) is False:
            if give_up is not None and time.monotonic() > give_up:
                raise TimeoutError(f"{path} was locked for more than {timeout_s:g} s")
            if waiting is not None:
                waiting()
                waiting = None
            time.sleep(_OFTEN_S)
        if state is None and unlockable is not None:
            unlockable()
        yield
