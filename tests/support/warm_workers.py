"""Worker processes that are forks of one that has imported everything, so that a test may run many studies.

Starting a worker process takes seconds, nearly all of them imports. In the tests it is a fork of a server that has done
what a worker process does first; everything after that is as it is. Tests of the worker process start real ones.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil

TESTS = Path(__file__).resolve().parents[1]
MODULE = "harness.jobs.isolation.worker_process"
FIXED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
"""Variables that libraries read when they are imported: a worker process with others is started, not forked."""


@contextlib.contextmanager
def warm_workers() -> Iterator[None]:
    """Within the block, worker processes are forks of a server, which starts with the first of them."""
    from harness.jobs.isolation import worker

    with _Server() as server:
        real = worker.subprocess
        worker.subprocess = SimpleNamespace(  # of subprocess, Worker uses these three
            Popen=server.start, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            worker.subprocess = real


class _Server:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._asking = threading.Lock()  # an executor may start workers from several threads
        self._fixed = {name: os.environ.get(name) for name in FIXED}

    def __enter__(self) -> _Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None and self._socket is not None:
            self._socket.close()
            self._process.wait(timeout=60)
        self._socket = None

    def start(self, command: Sequence[str], *, pass_fds: Sequence[int], env: Mapping[str, str], **options: Any) -> Any:
        """In place of ``subprocess.Popen``."""
        if MODULE not in command or any(env.get(name) != self._fixed.get(name) for name in FIXED):
            return subprocess.Popen(command, pass_fds=pass_fds, env=env, **options)
        question = {"env": dict(env), "cwd": str(Path.cwd()), "path": sys.path}
        data = json.dumps(question).encode()
        with self._asking:
            return _Forked(self._fork(data, pass_fds) or self._fork(data, pass_fds))

    def _fork(self, data: bytes, descriptors: Sequence[int]) -> int:
        """The process id of a worker process; 0 where the server is gone, which is started again for the next one."""
        if self._socket is None:
            self._socket = self._serve()
        with contextlib.suppress(ConnectionError):
            socket.send_fds(self._socket, [len(data).to_bytes(4, "big")], [*descriptors, 1, 2])
            self._socket.sendall(data)
            if answer := self._socket.recv(4):
                return int.from_bytes(answer, "big")
        self._end()
        return 0

    def _serve(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
        environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
        with theirs:
            code = f"from support.warm_workers import serve; serve({theirs.fileno()})"
            self._process = subprocess.Popen(
                [sys.executable, "-c", code], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=environment
            )
        return ours


class _Forked:
    """What ``Worker`` uses of a ``Popen``."""

    def __init__(self, pid: int) -> None:
        assert pid, "the server that forks worker processes does not start"
        self.pid = pid

    def wait(self, timeout: float | None = None) -> None:
        try:
            psutil.Process(self.pid).wait(timeout)
        except psutil.NoSuchProcess:
            pass
        except psutil.TimeoutExpired as error:
            raise subprocess.TimeoutExpired("worker process", timeout or 0) from error

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def serve(descriptor: int) -> None:
    """The server: fork for every request, until the other end hangs up."""
    from harness.jobs.isolation import worker_process

    worker_process.preload()
    worker_process.preload = lambda: None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps: nobody asks how a worker process ended
    line = socket.socket(fileno=descriptor)
    while True:
        head, descriptors, _, _ = socket.recv_fds(line, 4, 3)
        if not head:
            os._exit(0)
        data = b""
        while len(data) < int.from_bytes(head, "big"):
            more = line.recv(1 << 16)
            if not more:  # the caller was killed in the middle of a request
                os._exit(0)
            data += more
        pid = os.fork()
        if pid == 0:
            _become(json.loads(data), *descriptors)
        for one in descriptors:
            os.close(one)
        line.sendall(pid.to_bytes(4, "big"))


def _become(question: Mapping[str, Any], connection: int, out: int, err: int) -> None:
    """Become the worker process; never returns."""
    from harness.jobs.isolation import worker_process

    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.environ.clear()
        os.environ.update(question["env"])
        sys.path.extend(path for path in question["path"] if path not in sys.path)
        os.chdir(question["cwd"])
        code = worker_process.main(connection)
    finally:
        os._exit(code)
