"""A command ends even where Ray does not."""

from __future__ import annotations

import atexit
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.jobs.executors import ray_shutdown
from harness.jobs.executors.ray_shutdown import shut_down

WAITS = "import time; time.sleep(600)"


class Stuck:
    """Stands for Ray: its end comes once its process is gone, or never."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._private = SimpleNamespace(worker=SimpleNamespace(shutdown=lambda: None))
        self._process = process
        self.release = threading.Event()

    def shutdown(self) -> None:
        if self._process is None:
            self.release.wait()
        else:
            self._process.wait()


@pytest.fixture
def unregistered(monkeypatch) -> list[object]:
    found: list[object] = []
    monkeypatch.setattr(atexit, "unregister", found.append)
    return found


def test_an_orderly_end_needs_nothing_else(tmp_path: Path, unregistered) -> None:
    ended = []
    assert shut_down(SimpleNamespace(shutdown=lambda: ended.append(True)), tmp_path)
    assert ended == [True]
    assert shut_down(SimpleNamespace(), tmp_path)  # whatever it raises
    assert unregistered == []


def test_a_ray_of_our_own_that_hangs_is_killed_and_nothing_else_is(tmp_path: Path, unregistered, capsys) -> None:
    own = subprocess.Popen([sys.executable, "-c", WAITS, str(tmp_path / "sockets")])
    other = subprocess.Popen([sys.executable, "-c", WAITS])
    try:
        assert not shut_down(Stuck(own), tmp_path, patience_s=0.05)
        assert own.poll() is not None
        assert other.poll() is None
        assert unregistered == []
        assert "does not end" in capsys.readouterr().err
    finally:
        for process in (own, other):
            process.kill()
            process.wait()


@pytest.mark.parametrize("ours", [True, False])
def test_where_it_never_ends_the_end_of_the_process_does_not_wait_again(
    tmp_path: Path, unregistered, monkeypatch, ours: bool
) -> None:
    monkeypatch.setattr(ray_shutdown, "_AFTER_KILL_S", 0.05)
    stuck = Stuck(None)
    try:
        assert not shut_down(stuck, tmp_path if ours else None, patience_s=0.05)
        assert unregistered == [stuck._private.worker.shutdown]
    finally:
        stuck.release.set()
