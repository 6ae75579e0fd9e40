"""A unit's evidence is whole or absent, whoever writes it and whenever they are killed."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.evidence import CURVE, fill, predictions, record, write_many

from harness.core.errors import DataError
from harness.results import store as module
from harness.results.record import Record
from harness.results.store import RunStore

OLD, NEW = "2030-01-01T00:00:00+00:00", "2031-01-01T00:00:00+00:00"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_what_was_written_comes_back(store: RunStore, tmp_path: Path) -> None:
    image = tmp_path / "image.png"
    image.write_bytes(b"png")
    made, rows = record(), predictions()
    written = store.write_unit(made, rows, curve=CURVE, log="all well\n", artefacts={"a.png": image, "b.txt": b"b"})
    assert store.is_done(made.unit_id)
    assert store.record(made.unit_id) == written
    assert replace(written, files={}) == made
    assert set(written.files) == {"predictions.parquet", "curve.csv", "log.txt", "artefacts/a.png", "artefacts/b.txt"}
    assert store.altered(made.unit_id) == []
    frame = store.predictions([made.unit_id])
    unit = ["repeat", "fold", "seed"]
    assert list(frame) == ["slide", "patient", "label", *unit, "p_no", "p_yes", "predicted", "threshold", "unit_id"]
    assert np.array_equal(frame[["p_no", "p_yes"]].to_numpy(), rows.probabilities)
    assert frame.slide.tolist() == rows.slides and frame.label.tolist() == rows.truth["label"].tolist()
    assert [float(row["loss"]) for row in store.curve(made.unit_id)] == [row["loss"] for row in CURVE]


def test_a_unit_without_curve_and_threshold(store: RunStore) -> None:
    made = record(classes=("a", "b", "c"))
    store.write_unit(made, predictions(classes=("a", "b", "c")))
    assert store.curve(made.unit_id) == []
    assert store.predictions([made.unit_id]).threshold.isna().all()


def test_an_altered_file_is_named(store: RunStore) -> None:
    made = store.write_unit(record(), predictions(), log="true")
    (store.unit_folder(made.unit_id) / "log.txt").write_text("false")
    assert store.altered(made.unit_id) == ["log.txt"]


@pytest.mark.parametrize("content", ["", '{"schema": 1, "unit_id"', "[]", "{}", '{"schema": 99}', '{"schema": 1}'])
def test_a_damaged_record_is_named_and_harms_no_other(store: RunStore, content: str) -> None:
    good, bad = fill(store, done=2)
    (store.unit_folder(bad.unit_id) / "record.json").write_text(content)
    assert not store.is_done(bad.unit_id)
    evidence = store.scan()
    assert [r.unit_id for r in evidence.records] == [good.unit_id]
    assert [b.name for b in evidence.broken] == [bad.unit_id] and evidence.broken[0].reason
    store.write_unit(record(fold=1), predictions(fold=1))
    assert store.is_done(bad.unit_id) and not store.scan().broken


def test_a_record_from_a_newer_version_says_so(store: RunStore) -> None:
    with pytest.raises(DataError, match="schema 2"):
        Record.from_dict({**record().as_dict(), "schema": 2}, place="here")


def test_fields_of_later_versions_do_not_hurt() -> None:
    assert Record.from_dict({**record().as_dict(), "later": 1}, place="here") == record()


def test_predictions_that_are_cut_short_are_named(store: RunStore) -> None:
    made = store.write_unit(record(), predictions())
    path = store.unit_folder(made.unit_id) / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="predictions cannot be read") as error:
        store.predictions([made.unit_id])
    assert str(path) in error.value.place


def test_a_failure_is_counted_listed_and_forgotten_after_success(store: RunStore) -> None:
    made = record()
    for _ in range(2):
        store.write_failure(made.unit_id, "CUDA out of memory", study_id=made.study_id, spec=made.spec, traceback="...")
    assert not store.is_done(made.unit_id)
    (failure,) = store.scan().failures
    assert (failure.unit_id, failure.reason, failure.attempts) == (made.unit_id, "CUDA out of memory", 2)
    store.write_unit(made, predictions())
    assert not store.scan().failures


def test_a_kill_at_any_moment_leaves_the_unit_whole_or_absent(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file operation of a second write is made the last one; what is left never mixes old and new."""
    old = store.write_unit(record(started=OLD), predictions(signal=0.1), curve=CURVE, log="old")

    class Killed(BaseException):
        pass

    for survive in range(40):
        steps = iter(range(10**6))

        def step(call, survive=survive, steps=steps):
            def stepped(*args, **kwargs):
                if next(steps) >= survive:
                    raise Killed
                return call(*args, **kwargs)

            return stepped

        with monkeypatch.context() as patch:
            for name in ("replace", "unlink"):
                patch.setattr(module.Path, name, step(getattr(Path, name)))
            patch.setattr(module.shutil, "rmtree", lambda *a, **k: None)
            try:
                store.write_unit(record(started=NEW), predictions(signal=0.9), curve=CURVE, log="new")
                finished = True
            except Killed:
                finished = False
        if store.is_done(old.unit_id):
            assert store.altered(old.unit_id) == []
            assert store.record(old.unit_id).started in {OLD, NEW}
        if finished:
            break
        store.write_unit(record(started=OLD), predictions(signal=0.1), curve=CURVE, log="old")
    assert finished and survive > 5
    assert store.record(old.unit_id).started == NEW


def test_two_processes_may_write_the_same_unit(store: RunStore) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(store.root, tag)) for tag in ("2030", "2031")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    made = store.record(record().unit_id)
    assert made.started in {"2030-01-01T00:00:14", "2031-01-01T00:00:14"}
    assert store.altered(made.unit_id) == []
    assert (store.unit_folder(made.unit_id) / "log.txt").read_text() == made.started
    assert not list(store.unit_folder(made.unit_id).glob(".staging-*"))


def test_hostile_names_stay_inside(store: RunStore) -> None:
    classes = ("../../no", 'a "b"\0', "ü")
    made = record(unit_id="../../../evil", classes=classes)
    rows = predictions(classes=classes)
    rows = replace(rows, slides=["../x"] * 8, truth=replace(rows.truth, patients=("\\",) * 8))
    store.write_unit(made, rows, artefacts={"../../../out.png": b"x", "..": b"y"})
    assert store.is_done("../../../evil")
    inside = store.root.resolve()
    everything = [path.resolve() for path in store.root.parent.rglob("*") if path.is_file()]
    assert everything and all(inside in path.parents for path in everything)
    frame = store.predictions(["../../../evil"])
    assert [name for name in frame if name.startswith("p_")] == [f"p_{name}" for name in classes]
    assert store.scan().records[0].unit_id == "../../../evil"


def test_folder_names_with_an_equals_sign_add_no_columns(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "lr=1")
    made = store.write_unit(record(), predictions())
    assert "lr" not in store.predictions([made.unit_id])


def test_studies_gather_their_units_in_order(store: RunStore) -> None:
    fill(store, study="b-study", done=2)
    fill(store, study="a-study", repeats=2)
    a, b = store.studies()
    assert (a.study_id, a.complete, len(a.planned or ()), len(a.records)) == ("a-study", True, 6, 6)
    assert [(r.spec["repeat"], r.spec["fold"]) for r in a.records] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert (b.complete, len(b.records), b.method, b.dataset, b.ranked) == (False, 2, "abmil", "toy", True)


def test_units_whose_study_file_is_lost_or_damaged_still_make_a_study(store: RunStore) -> None:
    fill(store)
    path = store.study_folder("abmil-toy-cv3-0123") / "study.json"
    for damage in (lambda: path.write_text("{"), path.unlink):
        damage()
        (study,) = store.studies()
        assert (study.method, study.planned, study.complete, study.ranked) == ("abmil", None, False, False)
    path.write_text("[]")
    assert [b.name for b in store.studies_and_broken()[1]] == ["abmil-toy-cv3-0123"]


def test_an_unknown_study_is_an_error_that_says_where_to_look(store: RunStore) -> None:
    with pytest.raises(DataError, match="no study 'x'"):
        store.study("x")


def test_an_empty_store_is_empty(store: RunStore) -> None:
    assert store.studies() == () and store.records() == ()
    assert isinstance(store.predictions([]), pd.DataFrame) and store.predictions([]).empty
    assert not store.is_done("x")
    assert not store.root.exists()


def test_the_record_is_readable_json_with_the_schema_first(store: RunStore) -> None:
    made = store.write_unit(record(), predictions())
    text = (store.unit_folder(made.unit_id) / "record.json").read_text()
    assert next(iter(json.loads(text))) == "schema"
