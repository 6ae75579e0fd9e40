"""``bench ui``: starts the MLflow UI, says where, and leaves nothing running."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
from support.evidence import fill

from harness.results.store import RunStore


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_runs_it_says_what_to_do(bench) -> None:
    answer = bench("ui")
    assert answer.code == 2
    problem, place, fix = answer.check_three_lines()
    assert "no runs" in problem and place == "runs" and "bench run" in fix


def test_a_port_in_use_is_named_with_another_one(bench, tmp_path: Path) -> None:
    (tmp_path / "runs" / "units").mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = bench(f"ui --port {port}")
    assert answer.code == 2
    problem, place, fix = answer.check_three_lines()
    assert "in use" in problem and place == f"127.0.0.1:{port}" and f"--port {port + 1}" in fix


def test_a_tracking_server_is_pointed_to(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    answer = bench("ui")
    assert answer.code == 0 and "https://mlflow.example.org" in answer.out


@pytest.mark.slow
def test_it_shows_runs_whose_database_is_missing_and_ends_cleanly(tmp_path: Path, free_port: int) -> None:
    fill(RunStore(tmp_path / "runs"), folds=1)
    command = [sys.executable, "-u", "-m", "harness.cli.main", "ui", "--port", str(free_port)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{free_port}"
        assert address in process.stdout.readline()
        assert f"studies of toy: {address}/#/experiments/1" in process.stdout.readline()
        servers = psutil.Process(process.pid).children(recursive=True)
        query = json.dumps({"experiment_ids": ["1"], "filter": "tags.level = 'study'"}).encode()
        request = urllib.request.Request(
            f"{address}/api/2.0/mlflow/runs/search", query, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            (run,) = json.load(answer)["runs"]
        assert {"auc", "cpu_hours", "peak_memory_mb"} <= {metric["key"] for metric in run["data"]["metrics"]}
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert servers
    _, alive = psutil.wait_procs(servers, timeout=15)
    assert not alive
