"""What happens in a Ray worker: it has an errand done by a process of its own, and sends the answer as plain bytes."""

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
from harness.core.errors import BenchError, DataError
from harness.launch.launcher import describe
from harness.launch.workers import Worker, WorkerDiedError, WorkFailedError, raised
from harness.unit.answer import UnitAnswer

if TYPE_CHECKING:
    from harness.launch.child import Errand

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OURS = "BENCH_"


@dataclass(frozen=True, kw_only=True)
class Call:
    """An errand on its way to a Ray worker, and what makes the place alike to the one that it comes from.

    Attributes:
        payload: the pickled errand.
        folder: working folder, which relative paths start from.
        path: import path.
        variables: environment variables that matter to results.
        threads: threads to compute with.
        version: version of the harness.
    """

    payload: bytes
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    threads: int
    version: str

    @classmethod
    def of(cls, errand: Errand, threads: int, variables: Mapping[str, str] | None = None) -> Call:
        """The call that has ``errand`` done as it would be done here; with ``variables`` beside those of here."""
        ours = {k: v for k, v in os.environ.items() if k in THREAD_VARIABLES or k.startswith(_OURS)}
        return cls(
            payload=pickle.dumps(errand),
            folder=str(Path.cwd()),
            path=tuple(path for path in sys.path if path),
            variables={**ours, **(variables or {})},
            threads=threads,
            version=harness.__version__,
        )


def do(call: Call) -> dict[str, Any]:
    """Have an errand done.

    Returns:
        ``files``: the answer's, by name; or ``died``: how the process that trained died; or ``failure``: what it
        raised. Beside it ``said``, what is to be shown to the user, and ``node``, the machine's name.
    """
    said: list[dict[str, Any]] = []
    console.relay_to(lambda message: said.append(message) if message["op"] in {"note", "warn"} else None)
    told: dict[str, Any]
    try:
        told = {"files": _files(call)}
    except WorkerDiedError as error:
        told = {"died": error.problem}
    except Exception as error:  # a unit is user code: whatever it raises is told, not lost
        told = {"failure": _told(error)}
    return {**told, "said": said, "node": platform.node()}


def outcome_of(told: Mapping[str, Any], errand: Errand) -> UnitAnswer | Exception:
    """What ``do`` told, on the other side: the answer, or what went wrong. It shows what was to be shown."""
    with console.Screen() as screen:
        for message in told["said"]:
            screen.show(message)
    if (failure := told.get("failure")) is not None:
        return raised(failure)
    errand.answer.mkdir(parents=True, exist_ok=True)
    for name, content in told["files"].items():
        (errand.answer / Path(name).name).write_bytes(content)
    try:
        return UnitAnswer.load(errand.answer)
    except BenchError as error:
        return error


def _files(call: Call) -> dict[str, bytes]:
    errand = _on_this_node(call)
    _worker_for(call).do(errand)
    return {path.name: path.read_bytes() for path in errand.answer.iterdir() if path.is_file()}


def _on_this_node(call: Call) -> Errand:
    """The errand, after a look at whether this node sees what the other one does."""
    fix = "give every node the same version of wsibench, and the folders of runs, data and cache on a shared disk"
    if call.version != harness.__version__:
        problem = f"the command is wsibench {call.version}, this node has {harness.__version__}"
        raise DataError(problem, place=f"node {platform.node()}", fix=fix)
    try:
        os.chdir(call.folder)
    except OSError as error:
        problem = f"this node does not see the folder that the command was given in: {error.strerror}"
        raise DataError(problem, place=f"{platform.node()}:{call.folder}", fix=fix) from error
    errand: Errand = pickle.loads(call.payload)
    order = errand.order
    if not order.workdir.is_dir():
        problem = "this node does not see the runs folder"
        raise DataError(problem, place=f"{platform.node()}:{order.workdir.absolute()}", fix=fix)
    return replace(errand, order=replace(order, device=here(order.device)))


def here(device: str) -> str:
    """``device`` where Ray shows a process its own GPUs only, numbered from 0."""
    return "cuda:0" if device.startswith("cuda:") else device


@dataclass
class _Kept:
    """The worker of this process, and what it was started for."""

    worker: Worker
    key: object


_kept: _Kept | None = None


def _worker_for(call: Call) -> Worker:
    """The worker of this process; another one where other variables are wanted, or Ray has given us another GPU."""
    global _kept
    variables = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES} | dict(call.variables)
    key = (call.threads, dict(call.variables), os.environ.get("CUDA_VISIBLE_DEVICES"))
    if _kept is not None and _kept.key != key:
        _kept.worker.close()
        _kept = None
    if _kept is None:
        # What can be imported where the command was given can be here; this node's own packages come first.
        sys.path.extend(path for path in call.path if path not in sys.path)
        _kept = _Kept(Worker(threads=call.threads, environment=variables), key)
    return _kept.worker


def _told(error: Exception) -> dict[str, Any]:
    """An error as text; :func:`harness.launch.workers.raised` rebuilds it."""
    _, trace = describe(error)
    if isinstance(error, BenchError):
        kind = next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == BenchError.__module__)
        return {"kind": kind, "problem": error.problem, "place": error.place, "fix": error.fix, "traceback": trace}
    if isinstance(error, WorkFailedError):
        return {"kind": "", "problem": error.reason, "traceback": trace, "own": error.own}
    own = not isinstance(error, OSError | MemoryError)
    return {"kind": "", "problem": f"{type(error).__name__}: {error}", "traceback": trace, "own": own}
