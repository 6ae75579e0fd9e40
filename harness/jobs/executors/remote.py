"""Running a job in a process of a cluster: a worker there runs it, and the result comes back as plain bytes."""

from __future__ import annotations

import os
import pickle
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import harness
from harness.core import console
from harness.core.errors import DataError
from harness.core.screen import Screen
from harness.jobs.executors.executor import Resources
from harness.jobs.failures import WorkerDiedError, deserialised, serialised
from harness.jobs.isolation.worker import Worker
from harness.jobs.result import JobResult

if TYPE_CHECKING:
    from harness.jobs.job import Job

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OURS = "BENCH_"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A job on its way to another machine, and what makes the place there equal to the one that it comes from.

    Attributes:
        payload: the pickled job.
        folder: working folder, which relative paths start from.
        path: import path.
        resources: threads, and environment variables that matter to results.
        version: version of the harness.
    """

    payload: bytes
    folder: str
    path: tuple[str, ...]
    resources: Resources
    version: str

    @classmethod
    def of(cls, job: Job, resources: Resources) -> Call:
        """The call that runs ``job`` as it would be run here."""
        ours = {k: v for k, v in os.environ.items() if k in THREAD_VARIABLES or k.startswith(_OURS)}
        return cls(
            payload=pickle.dumps(job),
            folder=str(Path.cwd()),
            path=tuple(path for path in sys.path if path),
            resources=replace(resources, variables={**ours, **resources.variables}),
            version=harness.__version__,
        )


def run_call(call: Call) -> dict[str, Any]:
    """Run a job on this machine.

    Returns:
        ``files``: those of the result, by name; or ``died``: how the process that trained died; or ``failure``: what
        it raised. Also ``messages``, which are to be shown to the user, and ``node``, the machine's name.
    """
    messages: list[dict[str, Any]] = []
    console.relay_to(lambda message: messages.append(message) if message["op"] in {"note", "warn"} else None)
    outcome: dict[str, Any]
    try:
        outcome = {"files": _files(call)}
    except WorkerDiedError as error:
        outcome = {"died": error.problem}
    except Exception as error:  # a method is user code: whatever it raises is reported
        outcome = {"failure": serialised(error)}
    return {**outcome, "messages": messages, "node": platform.node()}


def result_of(outcome: Mapping[str, Any], job: Job) -> JobResult:
    """What :func:`run_call` returned, on the other side. It shows what was to be shown.

    Raises:
        WorkerDiedError, BenchError, JobFailedError: how the job failed.
    """
    with Screen() as screen:
        for message in outcome["messages"]:
            screen.show(message)
    if "died" in outcome:
        raise lost(job, f"{outcome['died']} (node {outcome['node']})")
    if "failure" in outcome:
        raise deserialised(outcome["failure"])
    job.result_folder.mkdir(parents=True, exist_ok=True)
    for name, content in outcome["files"].items():
        (job.result_folder / Path(name).name).write_bytes(content)
    return JobResult.load(job.result_folder)


def lost(job: Job, how: str) -> WorkerDiedError:
    """The error for a job whose worker is gone."""
    return WorkerDiedError(
        how,
        place=job.name,
        fix="the same command continues from the last checkpoint; if memory ran out, give a unit more of it",
    )


def local_device(device: str) -> str:
    """``device`` where a process is shown its own GPUs only, numbered from 0."""
    return "cuda:0" if device.startswith("cuda:") else device


def _files(call: Call) -> dict[str, bytes]:
    job = _on_this_node(call)
    _worker_for(call).run(job)
    return {path.name: path.read_bytes() for path in job.result_folder.iterdir() if path.is_file()}


def _on_this_node(call: Call) -> Job:
    """The job, once it is clear that this node sees the files that the other one sees."""
    fix = "give every node the same version of wsibench, and the folders of runs, data and cache on a shared disk"
    if call.version != harness.__version__:
        problem = f"the command is wsibench {call.version}, this node has {harness.__version__}"
        raise DataError(problem, place=f"node {platform.node()}", fix=fix)
    try:
        os.chdir(call.folder)
    except OSError as error:
        problem = f"this node does not see the folder that the command was given in: {error.strerror}"
        raise DataError(problem, place=f"{platform.node()}:{call.folder}", fix=fix) from error
    job: Job = pickle.loads(call.payload)
    if not job.workdir.is_dir():
        problem = "this node does not see the runs folder"
        raise DataError(problem, place=f"{platform.node()}:{job.workdir.absolute()}", fix=fix)
    return replace(job, device=local_device(job.device))


_worker: tuple[object, Worker] | None = None
"""The worker of this process, and what it was started for."""


def _worker_for(call: Call) -> Worker:
    """The worker of this process; another one where other variables are wanted, or the cluster gives another GPU."""
    global _worker
    key = (call.resources, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if _worker is not None and _worker[0] != key:
        _worker[1].close()
        _worker = None
    if _worker is None:
        for name in THREAD_VARIABLES:  # a cluster sets them by the cores that it reserves
            os.environ.pop(name, None)
        # What can be imported where the command was given can be here; this node's own packages come first.
        sys.path.extend(path for path in call.path if path not in sys.path)
        _worker = (key, Worker(call.resources))
    return _worker[1]
