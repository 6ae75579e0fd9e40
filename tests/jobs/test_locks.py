"""A unit belongs to one process at a time, and to nobody once that process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.jobs.locks import FILE, FolderLocks

HOLD = """
import sys
from pathlib import Path
from harness.jobs.locks import FolderLocks
locks = FolderLocks()
sys.stdout.write(str(locks.take(Path(sys.argv[1]))))
sys.stdout.flush()
sys.stdin.read()
"""


def test_what_one_holds_another_does_not_get(tmp_path: Path):
    with FolderLocks() as mine, FolderLocks() as yours:
        assert mine.take(tmp_path / "unit")
        assert mine.take(tmp_path / "unit")  # again: it is mine
        assert not yours.take(tmp_path / "unit")
        assert yours.take(tmp_path / "other")
        mine.release(tmp_path / "unit")
        assert yours.take(tmp_path / "unit")
        assert (tmp_path / "unit" / FILE).read_text().startswith(f"process {os.getpid()} on ")
    with FolderLocks() as mine:
        assert mine.take(tmp_path / "unit")


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "unit")]
    with FolderLocks() as mine, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.read(4) == b"True"
        assert not mine.take(tmp_path / "unit")
        other.kill()
        other.wait()
        assert mine.take(tmp_path / "unit")


def test_a_folder_that_cannot_be_made_stops_nobody(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with FolderLocks() as mine:
        assert mine.take(tmp_path / "file" / "unit")  # the unit will fail there, and say why
