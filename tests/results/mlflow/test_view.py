"""The MLflow view shows what the records say, once, and can be lost."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mlflow import MlflowClient
from mlflow.data import get_source
from support.evidence import CURVE, fill, predictions, record

from harness.core.hashing import sha256_file
from harness.results.mlflow import content
from harness.results.mlflow.place import database_path, database_uri
from harness.results.mlflow.view import MlflowView, default_uri
from harness.results.store import RunStore

STUDY = "abmil-toy-cv3-0123"


def runs(store: RunStore, level: str = "unit", dataset: str = "toy"):
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(dataset)
    return client.search_runs([experiment.experiment_id], f"tags.level = '{level}'") if experiment else []


def write(view: MlflowView, store: RunStore, made) -> bool:
    folder = store.unit_folder(made.unit_id)
    shows = sha256_file(folder / "record.json")
    files = {"record.json": folder / "record.json"}
    return view.write_unit(made, shows, lambda: files, lambda: store.curve(made.unit_id))


def test_a_unit_is_a_child_of_its_study_with_everything_on_it(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    view = MlflowView(store.root)
    assert write(view, store, made)
    (unit,), (study,) = runs(store), runs(store, "study")
    assert unit.data.tags["mlflow.parentRunId"] == study.info.run_id
    assert unit.info.status == "FINISHED" and unit.info.end_time - unit.info.start_time == 36_000
    assert unit.data.params["lr"] == "0.0005" and unit.data.params["gated"] == "false"
    assert unit.data.params["method"] == "abmil" and unit.data.params["input.kind"] == "features"
    metrics = unit.data.metrics
    assert (metrics["auc"], metrics["auc_low"], metrics["auc_high"]) == (0.9, 0.8, 0.97)
    assert "gpu_hours" not in metrics and unit.data.tags["gpu"] == "no GPU" and metrics["cpu_hours"] == 0.02
    assert "f1" not in metrics and "peak_gpu_allocated_mb" not in metrics  # unknown is not zero
    artefact = Path(unit.info.artifact_uri.removeprefix("file://")) / "record.json"
    assert artefact.is_file() and store.root / "mlartifacts" in artefact.parents


def test_the_dataset_is_an_input_of_unit_and_study(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    write(MlflowView(store.root), store, made)
    for run in (*runs(store), *runs(store, "study")):
        (found,) = run.inputs.dataset_inputs
        assert (found.dataset.name, found.dataset.digest) == ("toy", made.spec["dataset_fingerprint"][:36])
        assert {tag.key: tag.value for tag in found.tags}["mlflow.data.context"] == "cv3"
        assert json.loads(found.dataset.source)["tags"]["dataset_fingerprint"] == made.spec["dataset_fingerprint"]
        assert get_source(found.dataset)


def test_curves_are_stepped_metrics(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    write(MlflowView(store.root), store, made)
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    history = client.get_metric_history(runs(store)[0].info.run_id, "fit/loss")
    assert [(point.step, point.value) for point in history] == [(row["epoch"], row["loss"]) for row in CURVE]


def test_writing_twice_adds_nothing_and_a_changed_record_replaces(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    view = MlflowView(store.root)
    assert write(view, store, made)
    assert not write(view, store, made)
    assert not write(MlflowView(store.root), store, made)
    again = store.write_unit(record(started="2030-01-01T09:00:00+00:00"), predictions())
    assert write(view, store, again)
    (unit,) = runs(store)
    assert unit.info.start_time == 1893488400000
    assert len(runs(store, "study")) == 1


@pytest.mark.parametrize("call", ["log_inputs", "set_terminated", "log_batch"])
def test_a_run_that_was_cut_short_is_written_again(store: RunStore, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    (made,) = fill(store, done=1)
    view = MlflowView(store.root)
    view.write_study(store.study(STUDY), "x", {}, {}, {})
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, call, lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write(view, store, made)
    assert write(view, store, made)
    (unit,) = runs(store)
    assert unit.info.status == "FINISHED"


def test_a_failed_unit_is_a_row_with_its_reason_until_it_succeeds(store: RunStore) -> None:
    made = record()
    failure = store.write_failure(made.unit_id, "out of memory", study_id=STUDY, spec=made.spec)
    view = MlflowView(store.root)
    assert view.write_failure(failure, "1") and not view.write_failure(failure, "1")
    (unit,) = runs(store)
    assert (unit.info.status, unit.data.tags["reason"]) == ("FAILED", "out of memory")
    write(view, store, store.write_unit(made, predictions()))
    (unit,) = runs(store)
    assert unit.info.status == "FINISHED"


def test_a_study_carries_its_numbers_and_is_updated_as_units_finish(store: RunStore) -> None:
    fill(store, done=2)
    view = MlflowView(store.root)
    study = store.study(STUDY)
    view.write_study(study, "two", {"auc": 0.8, "peak_memory_mb": 401.0}, {"gpu": "no GPU"}, {})
    assert view.shown(study).study == "two"
    (run,) = runs(store, "study")
    assert run.info.status == "RUNNING" and run.data.metrics == {"auc": 0.8, "peak_memory_mb": 401.0}
    fill(store, done=3)
    view.write_study(store.study(STUDY), "three", {"auc": 0.85, "peak_memory_mb": 402.0}, {"gpu": "no GPU"}, {})
    (run,) = runs(store, "study")
    assert run.info.status == "FINISHED" and run.data.metrics["auc"] == 0.85


def test_what_is_shown_is_asked_once_for_all_units(store: RunStore) -> None:
    made = fill(store, done=3)
    view = MlflowView(store.root)
    for one in made[:2]:
        write(view, store, one)
    shown = MlflowView(store.root).shown(store.study(STUDY))
    assert shown.units == {one.unit_id: sha256_file(store.unit_folder(one.unit_id) / "record.json") for one in made[:2]}
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    client.delete_run(next(run for run in runs(store) if run.data.params["fold"] == "0").info.run_id)
    assert list(view.shown(store.study(STUDY)).units) == [made[1].unit_id]


def test_units_of_a_study_whose_run_was_deleted_are_written_below_the_new_one(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    write(MlflowView(store.root), store, made)
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    client.delete_run(runs(store, "study")[0].info.run_id)
    view = MlflowView(store.root)
    assert view.shown(store.study(STUDY)).units == {}
    assert write(view, store, made)
    (unit,), (study,) = runs(store), runs(store, "study")
    assert unit.data.tags["mlflow.parentRunId"] == study.info.run_id


def test_more_than_mlflow_takes_at_once_goes_in_several_calls(store: RunStore) -> None:
    many = {f"p{k}": k for k in range(230)}
    made = record(spec={**record().spec, "params": many})
    curve = [{"stage": "fit", "epoch": k, **{f"c{n}": k / (n + 1) for n in range(12)}} for k in range(150)]
    store.write_unit(made, predictions(), curve=curve)
    assert write(MlflowView(store.root), store, made)
    (unit,) = runs(store)
    assert many.keys() <= unit.data.params.keys() and {f"fit/c{n}" for n in range(12)} <= unit.data.metrics.keys()
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    assert len(client.get_metric_history(unit.info.run_id, "fit/c11")) == 150


def test_runs_are_found_by_what_they_are(store: RunStore) -> None:
    environment = {"code": {"commit": "abc123"}, "hardware": {"cpu": "A processor"}}
    spec = {**record().spec, "input": {"kind": "features", "encoder": "uni2"}}
    made = store.write_unit(record(spec=spec, environment=environment), predictions())
    write(MlflowView(store.root), store, made)
    tags = {"method": "abmil", "dataset": "toy", "protocol": "cv3", "split_sha256": "ef" * 32}
    tags |= {"encoder": "uni2", "hardware": "A processor", "git_commit": "abc123"}
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    (found,) = client.search_runs(["1"], query)
    assert found.data.tags["unit_id"] == made.unit_id


def test_names_of_any_kind_are_taken(store: RunStore) -> None:
    spec = {
        **record().spec,
        "dataset": 'it\'s "odd" é',
        "params": {"a'b`c/../d": 1, "method": "clash", "x" * 300: "y" * 9000},
    }
    made = record(unit_id="u'; DROP TABLE runs; --", study_id="s`'\"", spec=spec)
    made = replace(made, scores={"au'c\n": {"value": 0.5}}, extra={"locali/../sation": {"auc": 0.7}})
    store.write_unit(made, predictions(), curve=[{"stage": "a//b", "epoch": 1, "lo'ss": 0.1}])
    view = MlflowView(store.root)
    assert write(view, store, made) and not write(view, store, made)
    (unit,) = runs(store, dataset='it\'s "odd" é')
    assert unit.data.params["method"] == "abmil" and unit.data.params["params.method"] == "clash"
    assert unit.data.metrics["au_c_"] == 0.5


def test_several_writers_take_turns(store: RunStore) -> None:
    made = fill(store, folds=6)
    errors = []

    def work(records) -> None:
        try:
            view = MlflowView(store.root)
            for one in records:
                write(view, store, one)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(made[k::2],)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(runs(store)) == 6 and len(runs(store, "study")) == 1


def test_the_tracking_uri_of_the_environment_is_respected(tmp_path: Path, store: RunStore, monkeypatch) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    shutil.copyfile(store.root / "mlflow.db", elsewhere)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    (made,) = fill(store, done=1)
    write(MlflowView(store.root), store, made)
    assert not runs(store)
    assert MlflowClient(f"sqlite:///{elsewhere}").get_experiment_by_name("toy") is not None


@pytest.mark.parametrize("uri", ["sqlite:////proc/no/mlflow.db", "sqlite:///{here}", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_be_used_is_given_up_at_once(tmp_path: Path, monkeypatch, uri: str) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail(f"MLflow waits for {seconds} s"))
    with pytest.raises(Exception, match=r"unable to open|memory|No such file"):
        MlflowView(tmp_path / "runs", uri.format(here=tmp_path))


def test_a_blank_tracking_uri_is_none(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " ")
    assert default_uri(tmp_path).endswith("mlflow.db")


def test_a_deleted_experiment_comes_back(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    write(MlflowView(store.root), store, made)
    client = MlflowClient(f"sqlite:///{store.root / 'mlflow.db'}")
    client.delete_experiment(client.get_experiment_by_name("toy").experiment_id)
    write(MlflowView(store.root), store, made)
    assert client.get_experiment_by_name("toy").lifecycle_stage == "active"
    assert len(runs(store)) == 1


def test_the_database_lets_readers_work_beside_the_writer(store: RunStore) -> None:
    MlflowView(store.root)
    database = sqlite3.connect(store.root / "mlflow.db")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()


def test_nothing_is_said_and_no_level_is_left_changed(store: RunStore, capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("mlflow").level
    write(MlflowView(store.root), store, *fill(store, done=1))
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("mlflow").level == before


def test_experiments_name_their_table_of_studies(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    view = MlflowView(store.root)
    write(view, store, made)
    assert view.experiments() == {"toy": "/#/experiments/1/runs?viewStateShareKey=studies"}


def test_long_curves_are_thinned_evenly_with_both_ends() -> None:
    rows = [{"stage": "fit", "epoch": str(k), "loss": str(k * 2), "note": "x", "empty": ""} for k in range(1234)]
    points = content.curve_points(rows)
    assert len(points) == content.CURVE_POINTS
    assert points[0] == ("fit/loss", 0, 0.0) and points[-1] == ("fit/loss", 1233, 2466.0)
    steps = [step for _, step, _ in points]
    assert all(6 <= b - a <= 7 for a, b in pairwise(steps))


@pytest.mark.parametrize("best", [0, 1, 777, 1232, 1233])
def test_the_best_epoch_of_a_long_curve_stays(best: int) -> None:
    made = record(selection={"stages": {"fit": {"best_epoch": best}}})
    rows = [{"stage": "fit", "epoch": str(k), "loss": str(k * 2)} for k in range(1234)]
    points = content.curve_points(rows, content.best_epochs(made))
    steps = [step for _, step, _ in points]
    assert len(points) == content.CURVE_POINTS and steps == sorted(set(steps))
    assert {0, best, 1233} <= set(steps) and all(value == 2 * step for _, step, value in points)


def test_stages_keep_their_own_steps() -> None:
    rows = [{"stage": "head", "loss": "1"}, {"stage": "head", "loss": "2"}, {"stage": "tune", "loss": "3"}]
    assert content.curve_points(rows) == [("head/loss", 0, 1.0), ("head/loss", 1, 2.0), ("tune/loss", 0, 3.0)]


def artefacts(store: RunStore, level: str = "unit") -> list[Path]:
    """Artefact folders of the runs, as the database says."""
    client = MlflowClient(database_uri(store.root / "mlflow.db"))
    experiment = client.get_experiment_by_name("toy")
    found = client.search_runs([experiment.experiment_id], f"tags.level = '{level}'")
    return [Path(unquote(urlsplit(run.info.artifact_uri).path)) for run in found]


@pytest.mark.parametrize("how", [shutil.move, shutil.copytree])
def test_a_runs_folder_that_was_moved_or_copied_keeps_its_artefacts_inside(store: RunStore, tmp_path, how) -> None:
    made = fill(store, done=2)
    write(MlflowView(store.root), store, made[0])
    how(store.root, tmp_path / "new runs?")
    new = RunStore(tmp_path / "new runs?")
    before = sorted(store.root.rglob("*"))
    view = MlflowView(new.root)
    assert view.moved > 0
    assert not write(view, new, made[0]) and write(view, new, made[1])
    view.write_study(new.study(STUDY), "x", {"auc": 0.8}, {}, {})
    folders = artefacts(new) + artefacts(new, "study")
    assert len(folders) == 3 and all(folder.is_dir() and new.root in folder.parents for folder in folders)
    assert sorted(store.root.rglob("*")) == before
    assert MlflowView(new.root).moved == 0


def test_artefacts_that_were_lost_are_written_again(store: RunStore) -> None:
    (made,) = fill(store, done=1)
    write(MlflowView(store.root), store, made)
    shutil.rmtree(store.root / "mlartifacts")
    view = MlflowView(store.root)
    assert write(view, store, made) and not write(view, store, made)
    (folder,) = artefacts(store)
    assert (folder / "record.json").is_file()


def test_runs_folders_that_share_a_database_keep_their_artefacts_apart(store: RunStore, tmp_path: Path) -> None:
    uri = database_uri(store.root / "mlflow.db")
    other = RunStore(tmp_path / "other")
    first, second = fill(store, done=2)
    fill(other, done=2)
    write(MlflowView(store.root, uri), store, first)
    shutil.copytree(store.root / "mlartifacts", tmp_path / "before")
    write(MlflowView(other.root, uri), other, second)
    assert len(list((other.root / "mlartifacts").rglob("record.json"))) == 1
    assert len(list((store.root / "mlartifacts").rglob("record.json"))) == 1
    assert write(MlflowView(other.root, uri), other, first) is False


@pytest.mark.parametrize("name", ["a?b=1", "a%20b 100%", "seed:0", "é切 #;&+'\""])
def test_a_path_is_not_taken_for_a_uri(tmp_path: Path, empty_mlflow: Path, name: str) -> None:
    root = tmp_path / name / "runs"
    root.mkdir(parents=True)
    shutil.copyfile(empty_mlflow, root / "mlflow.db")
    store = RunStore(root)
    (made,) = fill(store, done=1)
    assert database_path(database_uri(root / "mlflow.db")) == root / "mlflow.db"
    view = MlflowView(root)
    assert write(view, store, made) and not write(view, store, made)
    (folder,) = artefacts(store)
    assert folder.is_dir() and root in folder.parents
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert len(store.predictions([made.unit_id])) > 0
