"""kill -9 at any moment, then the same command again: the evidence is that of an uninterrupted run, bit for bit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture
def bench(toy_dataset: Path, tiny_plugin: Path, tmp_path: Path):
    """A function that starts ``bench run`` on the toy dataset."""
    environment = os.environ | {
        "BENCH_CHECKPOINT_SECONDS": "0",
        "BENCH_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)

    def start(out: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness.cli.main", "run", "--method", "tiny", "--dataset", str(toy_dataset)]
        command += ["--plugin", str(tiny_plugin), "--out", str(out), "--set", "epochs=40", "--device", "cpu"]
        return subprocess.Popen(
            command,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    return start


def _finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def _evidence(out: Path) -> dict[str, pd.DataFrame]:
    return {path.parent.name: pd.read_parquet(path) for path in sorted(out.glob("units/*/predictions.parquet"))}


def _wait_for(process: subprocess.Popen[str], sign) -> None:
    deadline = time.monotonic() + 120
    while not sign() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_in_the_middle_of_each_fold(bench, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    _finish(bench(whole))
    expected = _evidence(whole)
    assert len(expected) == 2
    killed_mid_training = 0
    for finished_before in (0, 1):
        process = bench(broken)

        def under_way(count: int = finished_before) -> bool:
            return len(list(broken.glob("units/*/record.json"))) == count and any(broken.glob("units/*/work/train.pt"))

        _wait_for(process, under_way)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        killed_mid_training += any(broken.glob("units/*/work/train.pt"))
    assert killed_mid_training, "no kill fell into a training"
    output = _finish(bench(broken))
    assert "2 units done" in output
    result = _evidence(broken)
    assert result.keys() == expected.keys()
    for name, frame in expected.items():
        pd.testing.assert_frame_equal(result[name], frame, check_exact=True)
        assert not (broken / "units" / name / "work").exists()


@pytest.mark.slow
def test_a_finished_unit_is_never_run_again_and_a_lost_one_is(bench, tmp_path):
    out = tmp_path / "runs"
    _finish(bench(out))
    records = {path: path.stat().st_mtime_ns for path in out.glob("units/*/record.json")}
    assert "2 of them from before" in _finish(bench(out))
    assert {path: path.stat().st_mtime_ns for path in records} == records
    lost = sorted(records)[0]
    before = lost.with_name("predictions.parquet").read_bytes()
    shutil.rmtree(lost.parent)
    assert "1 of them from before" in _finish(bench(out))
    assert lost.with_name("predictions.parquet").read_bytes() == before
