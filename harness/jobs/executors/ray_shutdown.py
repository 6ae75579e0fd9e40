"""The end of a connection to Ray, which comes even where Ray no longer answers.

``ray.shutdown()`` tells the raylet good-bye and waits for its answer without a limit. A raylet that hangs (a machine
without memory, a process that was stopped) would keep a command that has done all its work.
"""

from __future__ import annotations

import atexit
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from harness.core import console

PATIENCE_S = 30.0
"""Ray takes about two seconds, on a machine that is overloaded ten."""
_AFTER_KILL_S = 10.0


def shut_down(ray: Any, own: Path | None, *, patience_s: float = PATIENCE_S) -> bool:
    """Disconnect from Ray.

    Args:
        ray: the package, connected.
        own: the folder of temporary files of a Ray of our own, whose processes are killed where it does not end.
        patience_s: seconds until then.

    Returns:
        Whether Ray has ended in an orderly way.
    """
    ending = threading.Thread(target=_shut_down, args=(ray,), name="ray-shutdown", daemon=True)
    ending.start()
    ending.join(patience_s)
    if not ending.is_alive():
        return True
    rest = "the command ends without it" if own is None else "its processes are killed"
    console.warn(f"Ray does not end within {patience_s:g} s: {rest}")
    if own is not None:
        _kill(own)
        ending.join(_AFTER_KILL_S)  # it notices that its raylet is gone
    if ending.is_alive():
        _forget(ray)
    return False


def _shut_down(ray: Any) -> None:
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.shutdown()


def _kill(folder: Path) -> None:
    """Kill the processes of this one that work in ``folder``, and theirs."""
    doomed: dict[int, psutil.Process] = {}
    for process in psutil.Process().children():
        with suppress(psutil.Error):
            if any(str(folder) in word for word in process.cmdline()):
                doomed |= {one.pid: one for one in (process, *process.children(recursive=True))}
    for process in doomed.values():
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(list(doomed.values()), timeout=_AFTER_KILL_S)


def _forget(ray: Any) -> None:
    """Have Python's own end not wait for Ray's once more."""
    with suppress(AttributeError):
        atexit.unregister(ray._private.worker.shutdown)
