"""Files with labels are out of sight of the process that trains, where the system has mount namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
from harness.jobs.isolation.sandbox import hide
if (child := os.fork()):
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
root = Path(sys.argv[1])
hidden, visible = ["secret", "table.csv", "absent"], ["secret/kept", "secret/a.txt"]
reason = hide([root / name for name in hidden], visible=[root / name for name in visible])
(root / "secret/kept/new.txt").write_text("new") if not reason else None
try:
    (root / "secret/more.txt").write_text("x")
    closed = False
except OSError:
    closed = True
undone = [subprocess.run(["umount", str(root / name)], capture_output=True).returncode for name in hidden[:2]]
seen = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
print(json.dumps({"reason": reason, "seen": seen, "table": (root / "table.csv").read_text(), "closed": closed,
                  "undone": undone, "kept": (root / "secret/kept/in.txt").read_text(), "uid": os.getuid()}), flush=True)
os._exit(0)
"""


def test_hidden_is_hidden_kept_is_kept_and_nothing_is_undone(tmp_path: Path):
    for name in (
        "secret/labels.csv",
        "secret/a.txt",
        "secret/kept/in.txt",
        "secret/deep/er.txt",
        "table.csv",
        "open.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    run = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    view = json.loads(run.stdout)
    assert (tmp_path / "secret/labels.csv").read_text() == "secret/labels.csv"
    if view["reason"]:
        pytest.skip(f"this system does not let us hide files: {view['reason']}")
    assert view["seen"] == ["open.txt", "secret/a.txt", "secret/kept/in.txt", "secret/kept/new.txt", "table.csv"]
    assert view["table"] == ""
    assert view["kept"] == "secret/kept/in.txt"
    assert view["closed"]
    assert all(view["undone"])
    assert view["uid"] == os.getuid()
    assert (tmp_path / "secret/kept/new.txt").read_text() == "new"
