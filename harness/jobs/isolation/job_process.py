"""What happens in the process that trains: it hides the labels, runs the job, and leaves its result in files."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from harness.core import console
from harness.core.errors import BenchError
from harness.jobs.failures import serialised
from harness.jobs.isolation.process_group import LOST, ProcessGroup
from harness.jobs.isolation.sandbox import hide

if TYPE_CHECKING:
    from harness.jobs.job import Job

HIDDEN = "labels withheld, their files hidden"
WITHHELD = "labels withheld"
INTERRUPTED = 130

_sending = threading.Lock()


def run_job(payload: bytes, connection: Connection) -> int:
    """Run a job in this process, which ends afterwards.

    Args:
        payload: the pickled job.
        connection: takes what is to be shown to the user, and why the job failed if it did.

    Returns:
        Exit code: 0 done, 1 failed, 130 interrupted.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console.relay_to(lambda message: _send(connection, message))
    group = ProcessGroup(0, 1)
    try:
        job: Job = pickle.loads(payload)
        not_hidden = hide(job.hidden, visible=job.visible)
        group = ProcessGroup.start(job.devices, lambda failure: _send(connection, failure))
        _run(job, not_hidden, group)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # a method is user code: whatever it raises is reported
        return _failed(error, connection, group)
    return 0


def _failed(error: Exception, connection: Connection, group: ProcessGroup) -> int:
    """Report why; the exit code."""
    failure = {"op": "failed", **serialised(error)}
    from harness.training.ranks import RanksLostError

    lost = isinstance(error, RanksLostError)
    if group.rank == 0:
        # What is no error in three lines may be torch's complaint that another rank is gone.
        _send(connection, group.cause(failure, certain=isinstance(error, BenchError)))
    else:
        group.report(failure, lost=lost)
    return LOST if lost else 1


def _run(job: Job, not_hidden: str, group: ProcessGroup) -> None:
    # Imported here: nothing of a method or its plugins runs before the labels are out of sight.
    from harness.accounting.environment import environment
    from harness.api.code_version import check_source, source_sha256
    from harness.api.registry import find_method, use_plugin
    from harness.jobs.train import train_and_predict
    from harness.tasks.registry import ready
    from harness.training.ranks import ALONE, device_of, join

    ranks = ALONE
    if group.world > 1:
        job = replace(job, device=device_of(job.device, group.rank))
        ranks = join(group.rank, group.world, group.port, group.listener, job.device)
    for plugin in job.plugins:
        use_plugin(plugin)
    job = replace(job, task=ready(job.task))
    found = environment(job.device)
    method = find_method(job.method)
    if job.source_sha256:
        check_source(method, job.source_sha256)
    found["code"]["source_sha256"] = source_sha256(method)
    result = train_and_predict(job, method, ranks)
    if not ranks.first:
        return
    if ranks.several:
        found["hardware"]["devices"] = ranks.world
    sandbox = f"{WITHHELD}; files visible: {not_hidden}" if not_hidden else HIDDEN
    replace(result, sandbox=sandbox, environment=found).save(job.result_folder)


def _send(connection: Connection, message: Mapping[str, Any]) -> None:
    try:
        with _sending:
            connection.send_bytes(json.dumps(message, default=str).encode())
    except OSError:
        os._exit(INTERRUPTED)  # nobody is left to work for
