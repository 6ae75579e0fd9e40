"""Locks between processes."""

from __future__ import annotations

import errno
import fcntl

import pytest

from harness.core.filelock import locked, try_lock


def test_one_at_a_time_and_a_limit_to_waiting(tmp_path):
    waited = []
    with locked(tmp_path / "deep" / "lock"):
        with (tmp_path / "deep" / "lock").open("a") as other:
            assert try_lock(other) is False
        with pytest.raises(TimeoutError, match=r"locked for more than 0\.05 s"):
            locked(tmp_path / "deep" / "lock", timeout_s=0.05, waiting=lambda: waited.append(1)).__enter__()
    assert waited == [1]
    with locked(tmp_path / "deep" / "lock"), locked(tmp_path / "other"):
        pass


def test_a_file_system_without_locks_is_told_and_goes_on(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    told = []
    with locked(tmp_path / "lock", unlockable=lambda: told.append(1)), (tmp_path / "lock").open() as file:
        assert try_lock(file) is None
    assert told == [1]


def test_other_errors_are_not_hidden(tmp_path, monkeypatch):
    def fail(file, how):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output"), locked(tmp_path / "lock"):
        pass
