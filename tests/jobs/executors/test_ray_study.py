"""``bench run --launcher ray``: interrupted, killed and continued, it ends with the evidence of the local launcher."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest
from support.mlflow_template import with_template
from support.toy import PLUGIN

pytest.importorskip("ray")

SLOW = (
    PLUGIN
    + """
    def fit(self, train, val, run):
        import os, pathlib, psutil, time
        hold = pathlib.Path(os.environ["BENCH_TEST_HOLD"])
        (run.workdir / "pids").write_text(" ".join(str(p.pid) for p in [psutil.Process(), *psutil.Process().parents()]))
        while hold.exists():
            time.sleep(0.02)
        super().fit(train, val, run)
"""
)


@pytest.fixture
def bench(toy_dataset: Path, tmp_path: Path, mlflow_template: Path):
    """A function that starts ``bench run`` on the toy dataset; units wait while the file ``hold`` is there."""
    with_template(tmp_path / "cache", mlflow_template)
    (tmp_path / "slow_plugin.py").write_text(SLOW)
    changed = {
        "BENCH_CACHE": str(tmp_path / "cache"),
        "BENCH_TEST_HOLD": str(tmp_path / "hold"),
        "OMP_NUM_THREADS": "1",
    }
    environment = {k: v for k, v in os.environ.items() if k not in {"MLFLOW_TRACKING_URI", "RAY_ADDRESS"}} | changed

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness.cli.main", "run", "--method", "tiny", "--dataset", str(toy_dataset)]
        command += ["--plugin", "slow_plugin.py", "--device", "cpu", *words]
        return subprocess.Popen(
            command,
            env=environment,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    return start


def under_way(out: Path, process: subprocess.Popen[str], units: int = 2) -> set[int]:
    """Wait until so many units are being trained; their processes up to the command's own."""
    deadline = time.monotonic() + 120
    while len(files := list(out.glob("units/*/work/pids"))) < units:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found: set[int] = set()
    for file in files:
        pids = [int(pid) for pid in file.read_text().split()]
        found.update(pids[: pids.index(process.pid)])
        file.unlink()
    return found


def all_gone(pids: set[int], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        left = [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
        if not left:
            return True
        time.sleep(0.1)
    return False


def told(text: str) -> list[str]:
    """What was said, without the lines of progress that a slow machine brings."""
    return [line for line in text.splitlines() if not re.fullmatch(r"tiny-toy-\S+: \d of 2", line)]


@pytest.mark.slow
def test_interrupted_killed_and_continued_the_evidence_is_that_of_inline(bench, tmp_path):
    hold, there, here = tmp_path / "hold", tmp_path / "there", tmp_path / "here"
    hold.touch()
    process = bench("--out", "there", "--launcher", "ray", "--parallel", "2", "--cpus-per-unit", "1")
    pids = under_way(there, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted; the same command continues" in said[1]
    assert all_gone(pids)

    process = bench("--out", "there", "--launcher", "ray", "--parallel", "2", "--cpus-per-unit", "1")
    pids = under_way(there, process)
    process.kill()
    process.communicate()
    assert all_gone(pids)

    hold.unlink()
    process = bench("--out", "there", "--launcher", "ray")
    said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "2 units done, 0 of them from before, 0 failed" in said[0]

    process = bench("--out", "here")
    inline_said = process.communicate(timeout=120)
    assert process.returncode == 0, inline_said
    assert told(said[1]) == told(inline_said[1]), "Ray has said something"
    tables = [
        {path.parent.name: pd.read_parquet(path) for path in sorted(out.glob("units/*/predictions.parquet"))}
        for out in (there, here)
    ]
    assert tables[0].keys() == tables[1].keys()  # a launcher is no part of a unit's identity
    assert len(tables[0]) == 2
    for name, table in tables[0].items():
        pd.testing.assert_frame_equal(table, tables[1][name], check_exact=True)
    lines = (there / "test_accesses.jsonl").read_text().splitlines()
    accesses = Counter(json.loads(line)["accessor"] for line in lines)
    assert accesses == dict.fromkeys(tables[0], 1)
