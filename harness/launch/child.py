"""What happens in the process that trains: it closes the labels away, works, and leaves its answer in files."""

from __future__ import annotations

import json
import os
import pickle
import signal
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import console
from harness.errors import BenchError
from harness.launch.hiding import hide

if TYPE_CHECKING:
    from harness.unit.order import Order

SEALED = "labels withheld, their files hidden"
WITHHELD = "labels withheld"
INTERRUPTED = 130


@dataclass(frozen=True, kw_only=True)
class Errand:
    """An order on its way to the process that does it.

    Attributes:
        order: what is to be done.
        plugins: the plugins that may define the method.
        secrets: files and folders with labels.
        keep: what must stay visible among them: scratch space, plugin files, data.
        answer: folder for the answer.
    """

    order: Order
    plugins: tuple[str, ...]
    secrets: tuple[Path, ...]
    keep: tuple[Path, ...]
    answer: Path


def run_errand(payload: bytes, line: Connection) -> int:
    """Do an errand in this process, which ends afterwards.

    Args:
        payload: the pickled errand.
        line: takes what is to be shown to the user, and why it failed if it did.

    Returns:
        Exit code: 0 done, 1 failed, 130 interrupted.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console.relay_to(lambda message: _send(line, message))
    try:
        errand: Errand = pickle.loads(payload)
        _work(errand)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # a method is user code: whatever it raises is told, not lost
        _send(line, {"op": "failed", **_told(error)})
        return 1
    return 0


def _work(errand: Errand) -> None:
    reason = hide(errand.secrets, keep=errand.keep)
    # Imported here: nothing of a method or its plugins runs before the labels are out of sight.
    from harness.accounting.environment import environment
    from harness.contract.registry import find_method, use_plugin
    from harness.unit.work import work

    for plugin in errand.plugins:
        use_plugin(plugin)
    found = environment(errand.order.device)
    answer = work(errand.order, find_method(errand.order.method))
    seal = f"{WITHHELD}; files visible: {reason}" if reason else SEALED
    replace(answer, seal=seal, environment=found).save(errand.answer)


def _told(error: Exception) -> dict[str, Any]:
    """An error as text: it is made anew on the other side, from nothing that could be executed."""
    text = traceback.format_exc()
    if isinstance(error, BenchError):
        kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == BenchError.__module__)
        return {"kind": kind, "problem": error.problem, "place": error.place, "fix": error.fix, "traceback": text}
    own = not isinstance(error, OSError | MemoryError)
    return {"kind": "", "problem": f"{type(error).__name__}: {error}", "traceback": text, "own": own}


def _send(line: Connection, message: Mapping[str, Any]) -> None:
    try:
        line.send_bytes(json.dumps(message, default=str).encode())
    except OSError:
        os._exit(INTERRUPTED)  # nobody is left to work for
