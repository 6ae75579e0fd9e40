"""The view on a tracking server: the same runs over HTTP, artefacts included, and nothing is added twice."""

from __future__ import annotations

import shutil
import threading
import warnings
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.evidence import fill
from werkzeug.serving import make_server

from harness.results.publish import Publisher
from harness.results.store import RunStore


@pytest.fixture
def server(tmp_path: Path, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch):
    """The address of MLflow's own server, in a thread of this process."""
    database = tmp_path / "server.db"
    shutil.copyfile(empty_mlflow, database)
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", f"sqlite:///{database}")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", (tmp_path / "kept").as_uri())
    monkeypatch.setenv("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # the server sets it to its own database: it goes back to what it was
    monkeypatch.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the server is made of
        import mlflow.server.fastapi_app  # noqa: F401  (the first search imports it)
        from mlflow.server import app, handlers

    for name in ("_tracking_store", "_artifact_repo"):
        monkeypatch.setattr(handlers, name, None, raising=False)
    web = make_server("127.0.0.1", 0, app, threaded=False)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    thread.join()
    web.server_close()


def test_a_server_shows_the_evidence_and_is_filled_again_after_its_database_is_lost(
    server, tmp_path: Path, empty_mlflow: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    address = server
    store = RunStore(tmp_path / "runs")
    made = fill(store, done=2)

    def shown() -> dict[str, tuple[dict, dict, list[str]]]:
        client = MlflowClient(address)
        found = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
        return {
            run.info.run_name: (
                run.data.metrics,
                run.data.params,
                sorted(one.path for one in client.list_artifacts(run.info.run_id)),
            )
            for run in found
        }

    publisher = Publisher(store, address)
    assert publisher.sync() == 3, publisher.broken
    before = shown()
    assert Publisher(store, address).sync() == 0 and shown() == before
    assert len(before) == 3 and not (store.root / "mlflow.db").exists()
    _, _, files = before["abmil r0 f0 s0"]
    assert files == ["curve.csv", "predictions.parquet", "record.json"]
    client = MlflowClient(address)
    (unit,) = client.search_runs(["1"], f"tags.unit_id = '{made[0].unit_id}'")
    local = client.download_artifacts(unit.info.run_id, "record.json", str(tmp_path))
    assert Path(local).read_bytes() == (store.unit_folder(made[0].unit_id) / "record.json").read_bytes()

    for run in client.search_runs(["1"]):
        client.delete_run(run.info.run_id)
    assert Publisher(store, address).sync() == 3
    assert shown() == before
    said = capfd.readouterr()
    assert said.out == "" and "artifacts" not in said.err.lower()
