"""A process that has loaded what training needs and has seen no data: each unit is trained in a fork of it.

Loading torch takes seconds, a fork milliseconds, and what a unit's method leaves behind dies with its fork. Run as
``-m harness.launch.nursery FD`` (:func:`harness.core.interpreter.command`) with a connected socket; see
:mod:`harness.launch.workers` for the other end.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from multiprocessing.connection import Connection

from harness.core import console
from harness.launch.parent import die_with_parent


def main(descriptor: int) -> int:
    """Fork for every errand that comes in, until the other end hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the fork that works, and for the other end
    die_with_parent()
    _preload()
    line = Connection(descriptor)
    line.send_bytes(b'{"op": "ready"}')
    while True:
        try:
            payload = line.recv_bytes()
        except (EOFError, OSError):
            return 0
        child = os.fork()
        if child == 0:
            _become_child(payload, line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            line.send_bytes(json.dumps({"op": "ended", "code": status}).encode())
        except OSError:  # the other end was ended by a signal, and says so itself
            return 0


def _preload() -> None:
    """Import what every unit needs; none of it may start a thread or touch a GPU."""
    import harness.unit.work  # noqa: F401
    from harness.accounting.environment import environment
    from harness.training.device import make_repeatable

    make_repeatable()  # holds for the forks too; the first call imports much
    environment()  # asks other programs, and remembers what they said; of a GPU it asks in the fork
    gc.collect()
    gc.freeze()


def _become_child(payload: bytes, line: Connection) -> None:
    """Work and end; nothing of the nursery's own way out is run."""
    from harness.launch.child import run_errand

    code = 1
    try:
        die_with_parent()
        line.send_bytes(json.dumps({"op": "started", "pid": os.getpid()}).encode())
        code = run_errand(payload, line)
    finally:
        console.flush()
        os._exit(code)


if __name__ == "__main__":
    # Not the ordinary way out: what was kept from the garbage collector would be complained about on it.
    os._exit(main(int(sys.argv[1])))
