"""What happens in the process that trains: it closes the labels away, works, and leaves its answer in files."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.errors import BenchError, SystemProblemError
from harness.launch.crew import LOST, Crew
from harness.launch.hiding import hide

if TYPE_CHECKING:
    from harness.unit.order import Order

SEALED = "labels withheld, their files hidden"
WITHHELD = "labels withheld"
INTERRUPTED = 130

_sending = threading.Lock()


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
    crew = Crew(0, 1)
    try:
        errand: Errand = pickle.loads(payload)
        hidden = hide(errand.secrets, keep=errand.keep)
        crew = Crew.muster(errand.order.devices, lambda failure: _send(line, failure))
        _work(errand, hidden, crew)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # a method is user code: whatever it raises is told, not lost
        return _failed(error, line, crew)
    return 0


def _failed(error: Exception, line: Connection, crew: Crew) -> int:
    """Tell why; the exit code."""
    failure = {"op": "failed", **_told(error)}
    from harness.training.ranks import RanksLostError

    lost = isinstance(error, RanksLostError)
    if crew.rank == 0:
        # What is no error in three lines may be torch's complaint that another rank is gone.
        _send(line, crew.cause(failure, certain=isinstance(error, BenchError)))
    else:
        crew.report(failure, lost=lost)
    return LOST if lost else 1


def _work(errand: Errand, reason: str, crew: Crew) -> None:
    # Imported here: nothing of a method or its plugins runs before the labels are out of sight.
    from harness.accounting.environment import environment
    from harness.api.code_version import check_source, source_sha256
    from harness.api.registry import find_method, use_plugin
    from harness.tasks.registry import ready
    from harness.training.ranks import ALONE, device_of, join
    from harness.unit.work import work

    order, ranks = errand.order, ALONE
    if crew.world > 1:
        order = replace(order, device=device_of(order.device, crew.rank))
        ranks = join(crew.rank, crew.world, crew.port, crew.listener, order.device)
    for plugin in errand.plugins:
        use_plugin(plugin)
    order = replace(order, task=ready(order.task))
    found = environment(order.device)
    method = find_method(order.method)
    if order.source_sha256:
        check_source(method, order.source_sha256)
    found["code"]["source_sha256"] = source_sha256(method)
    answer = work(order, method, ranks)
    if not ranks.first:
        return
    if ranks.several:
        found["hardware"]["devices"] = ranks.world
    seal = f"{WITHHELD}; files visible: {reason}" if reason else SEALED
    replace(answer, seal=seal, environment=found).save(errand.answer)


def _told(error: Exception) -> dict[str, Any]:
    """An error as text: it is rebuilt on the other side, from nothing that could be executed."""
    text = traceback.format_exc()
    error = (SystemProblemError.of(error) if isinstance(error, OSError) else None) or error
    if isinstance(error, BenchError):
        kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == BenchError.__module__)
        return {"kind": kind, "problem": error.problem, "place": error.place, "fix": error.fix, "traceback": text}
    own = not isinstance(error, OSError | MemoryError)
    return {"kind": "", "problem": f"{type(error).__name__}: {error}", "traceback": text, "own": own}


def _send(line: Connection, message: Mapping[str, Any]) -> None:
    try:
        with _sending:
            line.send_bytes(json.dumps(message, default=str).encode())
    except OSError:
        os._exit(INTERRUPTED)  # nobody is left to work for
