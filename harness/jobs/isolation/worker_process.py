"""A process that has loaded what training needs and has seen no data: each job is run in a fork of it.

Loading torch takes seconds, a fork milliseconds, and what a job's method leaves behind ends with its fork. Run as
``-m harness.jobs.isolation.worker_process FD`` (:func:`harness.core.interpreter.command`) with a connected socket; see
:mod:`harness.jobs.isolation.worker` for the other end.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from multiprocessing.connection import Connection

from harness.core import console
from harness.jobs.isolation.parent import die_with_parent


def main(descriptor: int) -> int:
    """Fork for every job that comes in, until the other end hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the fork that works, and for the other end
    die_with_parent()
    preload()
    connection = Connection(descriptor)
    connection.send_bytes(b'{"op": "ready"}')
    while True:
        try:
            payload = connection.recv_bytes()
        except (EOFError, OSError):
            return 0
        pid = os.fork()
        if pid == 0:
            _become_job_process(payload, connection)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            connection.send_bytes(json.dumps({"op": "ended", "code": status}).encode())
        except OSError:  # the other end was ended by a signal, and says so itself
            return 0


def preload() -> None:
    """Import what every job needs; none of it may start a thread or touch a GPU."""
    import safetensors.torch  # noqa: F401

    import harness.api.aggregator
    import harness.api.output
    import harness.bags.loader
    import harness.jobs.train
    import harness.tasks.regression
    import harness.tasks.survival
    import harness.training.mil_fit  # noqa: F401
    from harness.accounting.environment import environment
    from harness.plugins import installed
    from harness.training.device import make_repeatable

    installed.entry_points("harness.methods")  # reads those of all groups, for the forks too
    make_repeatable()  # holds for the forks too; the first call imports much
    environment()  # asks other programs, and remembers what they said; of a GPU it asks in the fork
    gc.collect()
    gc.freeze()


def _become_job_process(payload: bytes, connection: Connection) -> None:
    """Run the job and end, without the ordinary way out of this process."""
    from harness.jobs.isolation.job_process import run_job

    code = 1
    try:
        die_with_parent()
        connection.send_bytes(json.dumps({"op": "started", "pid": os.getpid()}).encode())
        code = run_job(payload, connection)
    finally:
        console.flush()
        os._exit(code)


if __name__ == "__main__":
    # Not the ordinary way out: it would complain about what was frozen in the garbage collector.
    os._exit(main(int(sys.argv[1])))
