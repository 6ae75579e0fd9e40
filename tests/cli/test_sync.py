"""``bench sync``: a tracking server that is down stops no run, and is filled in later."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from support.toy import PLUGIN, write_toy_dataset


@pytest.fixture
def run(bench, tmp_path: Path):
    """A function that runs the toy study into a folder."""
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "tiny_plugin.py"
    plugin.write_text(PLUGIN)

    def start(out: Path):
        place = ["--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out), "--device", "cpu"]
        return bench("run", "--method", "tiny", *place, "--set", "epochs=2")

    return start


def test_a_server_that_is_down_stops_no_run_and_sync_fills_in_what_is_missing(bench, run, tmp_path, monkeypatch):
    out = tmp_path / "runs"
    with socket.socket() as unused:  # bound and not listening: nobody answers there
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        answer = run(out)
        assert answer.code == 0, answer.err
        assert "MLflow is not kept up to date" in answer.err
        assert "bench sync" in answer.err
        assert len(list(out.glob("units/*/record.json"))) == 2
        down = bench("sync", "--out", str(out))
        assert down.code == 2
        assert "could not be brought up to date" in down.err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    first, again = bench("sync", "--out", str(out)), bench("sync", "--out", str(out))
    assert "3 runs written" in first.out, first.err
    assert "is up to date" in again.out


def test_a_folder_without_runs_is_said_to_be_none(bench, tmp_path):
    assert "no runs folder" in bench("sync", "--out", str(tmp_path / "nothing")).check_three_lines()[0]
