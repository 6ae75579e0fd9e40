"""``bench`` in processes that have imported everything already, so that a test may start it many times.

Starting ``bench`` takes seconds, nearly all of them imports. A server imports once and forks for every attempt; the
fork is the leader of a session of its own, as a command in a terminal is, and so is killed with all its children. The
worker process, which a command starts as a program of its own, is a fork of the server too. All else is as it is.

Where the system allows it, the server has its own view of the file system, in which small disks can be mounted.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.figures import leave_unpainted

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ended:
    """How an attempt ended: exit code (below 0 for a signal, None for killed by us), and what it printed."""

    code: int | None
    text: str

    def three_lines(self) -> tuple[str, str, str]:
        """Problem, place and fix: the end of what it printed."""
        lines = self.text.rstrip().splitlines()[-3:]
        assert [line[:7] for line in lines] == ["error: ", "   at: ", "  fix: "], self.text
        assert "unexpected" not in lines[0], self.text
        return lines[0][7:], lines[1][7:], lines[2][7:]


class Attempts:
    """The near end of the server. Use it as a context."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._count = 0
        prefixes = (["unshare", "-rm"], ["unshare", "-m"])
        works = [p for p in prefixes if sys.platform == "linux" and _runs([*p, "mount", "-t", "tmpfs", "none", "/mnt"])]
        self.can_mount = bool(works)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("BENCH_", "MLFLOW_"))}
        environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, sys.path)])}
        self._server = subprocess.Popen(
            [*(works or [[]])[0], sys.executable, "-c", "from support.attempts import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stdin.close()
        self._server.wait(timeout=60)
        self._server.stdout.close()

    def _ask(self, **question: Any) -> Any:
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def small_disk(self, folder: Path, size: str) -> Path:
        """Mount an empty disk of ``size`` at ``folder`` for attempts; returns where this process finds it."""
        folder.mkdir(parents=True, exist_ok=True)
        assert self._ask(op="mount", folder=str(folder), size=size) == ""
        return Path(f"/proc/{self._server.pid}/root{folder}")

    def resize(self, folder: Path, size: str) -> None:
        """Give a small disk another size, whatever is on it."""
        assert self._ask(op="resize", folder=str(folder), size=size) == ""

    def start(self, words: Sequence[str], *, cwd: Path, **environment: str) -> int:
        """Start ``bench`` with these words; its process id, which is that of its session and group too."""
        self._count += 1
        log = self._scratch / f"attempt-{self._count}.txt"
        pid = self._ask(op="start", words=list(words), cwd=str(cwd), log=str(log), environment=environment)
        self._logs = {**getattr(self, "_logs", {}), pid: log}
        return int(pid)

    def wait(self, pid: int, seconds: float = 120) -> Ended | None:
        """How it ended; None where it still runs after so many seconds."""
        code = self._ask(op="wait", pid=pid, seconds=seconds)
        return None if code is None else Ended(code, self._logs[pid].read_text())

    def kill(self, pid: int) -> None:
        """Kill -9 for the whole group at once, as a loss of power does."""
        os.killpg(pid, signal.SIGKILL)
        self.wait(pid)

    def run(self, words: Sequence[str], *, cwd: Path, **environment: str) -> Ended:
        """Run ``bench`` to its end."""
        ended = self.wait(self.start(words, cwd=cwd, **environment))
        assert ended is not None, "it hangs"
        return ended


def _runs(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0
    except OSError:
        return False


def serve() -> None:
    """The far end: fork, mount and wait, as asked on standard input."""
    _preload()
    for line in sys.stdin:  # until the near end closes it
        question = json.loads(line)
        match question["op"]:
            case "mount" | "resize":
                options = f"size={question['size']}" + (",remount" if question["op"] == "resize" else "")
                command = ["mount", "-t", "tmpfs", "-o", options, "none", question["folder"]]
                answer: Any = subprocess.run(command, capture_output=True, text=True, check=False).stderr
            case "start":
                if (answer := os.fork()) == 0:
                    _attempt(**{name: question[name] for name in ("words", "cwd", "log", "environment")})
                _until_leader(answer)
            case "wait":
                answer = _wait(question["pid"], question["seconds"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    os._exit(0)  # the ordinary way out of so many libraries is long and loud


def _preload() -> None:
    import alembic.command
    import alembic.config
    import matplotlib.backends.backend_agg
    import mlflow.store.tracking.sqlalchemy_store
    import optuna
    import pandas
    import PIL.Image
    import pyarrow.pandas_compat
    import pyarrow.parquet
    import scipy.stats
    import seaborn
    import sqlalchemy.dialects.sqlite

    import harness.api.code_version
    import harness.cli.main
    import harness.cli.outcome
    import harness.cli.suite
    import harness.datasets.npz_bags
    import harness.jobs.executors.local
    import harness.jobs.isolation.worker_process
    import harness.sources.bag_table
    import harness.studies.resolve
    import harness.studies.run
    import harness.studies.selection_bias
    import harness.studies.tuning.propose
    import harness.tasks.probability_plots
    import harness.training.mil
    from harness.plugins import installed
    from harness.results.mlflow.quiet import quiet

    installed.entry_points("harness.methods")
    with quiet():
        pass
    harness.jobs.isolation.worker_process.preload()
    PIL.Image.preinit()
    # The code is what has been imported, whoever edits its files while the tests run.
    sources = harness.api.code_version._harness_sources()
    harness.api.code_version._harness_sources = lambda: sources  # type: ignore[assignment]
    leave_unpainted(pytest.MonkeyPatch())
    gc.collect()
    gc.freeze()
    assert alembic and matplotlib and mlflow and optuna and pandas and pyarrow and scipy and seaborn and sqlalchemy


def _until_leader(pid: int) -> None:
    while True:
        try:
            if os.getpgid(pid) == pid:
                return
        except ProcessLookupError:
            return
        time.sleep(0.001)


def _wait(pid: int, seconds: float) -> int | None:
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


def _attempt(words: list[str], cwd: str, log: str, environment: Mapping[str, str]) -> None:
    """Become ``bench``; never returns."""
    code = 1
    try:
        os.setsid()
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for mine, standard in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
            os.dup2(mine, standard)
        os.environ.update(environment | {"COLUMNS": "400"})
        os.chdir(cwd)
        _keep_a_worker_process()
        from harness.cli.main import main
        from harness.core import console

        code = main(words)
        console.flush()
    finally:
        os._exit(code)


def _keep_a_worker_process() -> None:
    """Fork the first worker process now, before there are threads; it begins when it is handed its line."""
    from harness.jobs.isolation import worker, worker_process

    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            worker_process.die_with_parent()
            ours.close()
            _, (line,), _, _ = socket.recv_fds(theirs, 1, 1)
            code = worker_process.main(line)
        finally:
            os._exit(code)
    theirs.close()
    waiting = [pid]

    def start(command: Sequence[str], *, pass_fds: Sequence[int], **options: Any) -> Any:
        if not waiting or "harness.jobs.isolation.worker_process" not in command:
            return subprocess.Popen(command, pass_fds=pass_fds, **options)
        socket.send_fds(ours, [b"x"], list(pass_fds))
        ours.close()
        return _Forked(waiting.pop())

    # Of subprocess, Worker uses these two.
    worker.subprocess = SimpleNamespace(Popen=start, TimeoutExpired=subprocess.TimeoutExpired, DEVNULL=-3)  # type: ignore[assignment]


class _Forked:
    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self, timeout: float = 60) -> None:
        if _wait(self.pid, timeout) is None:
            raise subprocess.TimeoutExpired("worker process", timeout)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
