"""Publishing fills MLflow from the evidence, twice adds nothing, and a broken MLflow stops nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.evidence import fill, record

from harness.core.errors import DataError
from harness.results.mlflow.view import MlflowView
from harness.results.publish import Publisher
from harness.results.store import RunStore
from harness.results.verified import Verifier

STUDY = "abmil-toy-cv3-0123"


def runs(store: RunStore, level: str):
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    return client.search_runs([experiment.experiment_id], f"tags.level = '{level}'")


def artefacts(run) -> set[str]:
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_two_studies_can_be_compared_by_auc_gpu_hours_and_memory(store: RunStore) -> None:
    fill(store, done=2)
    fill(store, study="max-toy-cv3-9", method="max_pool", gpu=True)
    made = record(fold=2)
    store.write_failure(made.unit_id, "boom", study_id=STUDY, spec=made.spec)
    publisher = Publisher(store)
    assert publisher.sync() == 2 + 1 + 1 + 3 + 1
    assert publisher.sync() == 0 and Publisher(store).sync() == 0
    assert len(runs(store, "unit")) == 6
    by_method = {run.data.params["method"]: run for run in runs(store, "study")}
    cpu, gpu = by_method["abmil"], by_method["max_pool"]
    for run in (cpu, gpu):
        assert {"auc", "auc_low", "auc_high", "accuracy", "cpu_hours", "peak_memory_mb"} <= set(run.data.metrics)
    assert "gpu_hours" not in cpu.data.metrics and cpu.data.tags["gpu"] == "no GPU"
    assert (gpu.data.metrics["gpu_hours"], gpu.data.tags["gpu"]) == (pytest.approx(0.03), "Pretend 9000")
    assert gpu.data.metrics["peak_memory_mb"] == 902.0
    assert (cpu.info.status, gpu.info.status) == ("FAILED", "FINISHED")
    assert "2 of 3 units done, 1 failed" in cpu.data.tags["mlflow.note.content"]


def test_artefacts_hold_the_evidence_and_the_figures(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    (store.unit_folder(made.unit_id) / "artefacts").mkdir()
    (store.unit_folder(made.unit_id) / "artefacts" / "attention-slide_1.png").write_bytes(b"png")
    Publisher(store).sync()
    figures = {"figures/roc.png", "figures/confusion.png"}
    (unit,), (study,) = runs(store, "unit"), runs(store, "study")
    evidence = {"record.json", "predictions.parquet", "curve.csv", "artefacts/attention-slide_1.png"}
    assert artefacts(unit) == evidence
    further = {"figures/curve.png", "figures/precision_recall.png", "figures/calibration.png"}
    assert artefacts(study) == {"study.json"} | figures | further
    assert (store.study_folder(STUDY) / "roc.png").is_file()


def test_a_second_look_asks_nothing_of_units_and_draws_nothing(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    assert Publisher(store).sync() == 4
    for name in ("summarise", "study_files", "unit_files"):
        monkeypatch.setattr(f"harness.results.publish.{name}", lambda *a: pytest.fail("it was made again"))
    monkeypatch.setattr(MlflowView, "write_unit", lambda *a: pytest.fail("a unit was asked for"))
    assert Publisher(store).sync() == 0


def test_a_study_whose_predictions_were_edited_is_shown_as_unverified(store: RunStore) -> None:
    made = fill(store)
    Publisher(store).sync()
    other = store.unit_folder(made[0].unit_id) / "predictions.parquet"
    shutil.copyfile(store.unit_folder(made[1].unit_id) / "predictions.parquet", other)
    assert Publisher(store).sync() == 1
    (run,) = runs(store, "study")
    assert (run.data.tags["verification"], run.data.tags["ranked"]) == ("unverified", "False")
    assert "predictions.parquet" in run.data.tags["verification.reason"]


def test_trials_that_come_later_are_shown(store: RunStore) -> None:
    fill(store, done=1)
    Publisher(store).sync()
    store.write_trials(STUDY, [{"fold": "0", "trial": 0, "state": "complete", "value": 0.5}])
    assert Publisher(store).sync() == 1
    assert "trials.csv" in artefacts(runs(store, "study")[0])


def test_evidence_alone_makes_the_whole_view_again(store: RunStore, tmp_path: Path, empty_mlflow: Path) -> None:
    fill(store)
    assert Publisher(store).sync() == 4
    moved = RunStore(tmp_path / "elsewhere")
    for name in ("units", "studies"):
        shutil.copytree(store.root / name, moved.root / name)
    shutil.copyfile(empty_mlflow, moved.root / "mlflow.db")
    assert Publisher(moved).sync() == 4
    assert len(runs(moved, "unit")) == 3
    (before,), (after,) = runs(store, "study"), runs(moved, "study")
    assert before.data.metrics == after.data.metrics and before.data.params == after.data.params
    assert artefacts(before) == artefacts(after)


def test_a_tracking_store_that_cannot_be_reached_is_told_once(
    store: RunStore, capsys: pytest.CaptureFixture[str]
) -> None:
    made = fill(store)
    publisher = Publisher(store, "http://127.0.0.1:9")
    assert not any(publisher.unit(one) for one in made)
    assert not publisher.study(STUDY)
    said = capsys.readouterr().err
    assert said.count("warning:") == 1 and "MLflow is not kept up to date" in said
    assert publisher.broken


def test_evidence_that_another_process_changes_meanwhile_ends_the_publishing_and_not_the_run(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = fill(store)

    def changed(*_: object, **__: object) -> None:
        raise DataError("the record is cut short or damaged", place="record.json", fix="run the unit again")

    for name in ("harness.results.verified.Verifier.study", "harness.results.store.RunStore.study"):
        with monkeypatch.context() as patch:
            patch.setattr(name, changed)
            publisher = Publisher(store)
            assert not publisher.study(STUDY)
        assert publisher.broken.startswith("the record is cut short or damaged")
        assert "bench sync fills in what is missing" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr("harness.results.publish.hash_of", changed)
        assert not Publisher(store).unit(made[0])
    assert Publisher(store).study(STUDY)


def test_a_file_that_is_taken_away_between_two_looks_is_one_that_is_missing(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fill(store)
    monkeypatch.setattr(Path, "is_file", lambda path: True)  # as a reader sees it just before the writer's step
    folder = store.unit_folder(made[0].unit_id)
    for name in ("predictions.parquet", "curve.csv"):
        (folder / name).unlink()
    assert sorted(store.altered(made[0].unit_id)) == ["curve.csv", "predictions.parquet"]
    found = Verifier(store, deep=True).study(store.study(STUDY))
    assert {"file", "unreadable"} <= {finding.code for finding in found.findings}
