"""One schema is applied when evidence is written and when it is read."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.evidence import fill, predictions, record

from harness.core.errors import DataError
from harness.results.leaderboard import leaderboard
from harness.results.store import RunStore
from harness.results.trial_store import TrialStore

OLD = Path(__file__).parent / "runs_of_0_1"
"""What version 0.1 left of ``bench run --method mean_pool --dataset musk1 --fold 0 --trials 2 --set epochs=2``."""

NESTED: Any = 0
for _ in range(500):
    NESTED = [NESTED]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_evidence_of_the_first_version_is_read(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "runs")
    store = RunStore(tmp_path / "runs")
    (study,), broken = store.studies_and_broken()
    assert not broken
    (made,) = study.records
    assert store.is_done(made.unit_id) and store.altered(made.unit_id) == []
    assert made.scores["auc"]["value"] == 1.0 and made.compute["wall_s"] == 4.064
    assert len(study.planned or ()) == 50 and study.ranked
    trials = TrialStore(store.root)
    results = [trials.read(path.stem) for path in sorted((store.root / "trials").iterdir())]
    assert [one.device_s for one in results if one] == [3.606, 3.248]
    (row,) = leaderboard(store).groups[0].rows
    assert row.value == 1.0 and row.rank is None and row.summary.accesses.trials == 2
    assert "access log" in row.reason, "the log of that time was not kept"
    assert row.summary.accesses.accesses == 1, "under the name that it has in records of 0.1"


def changed(value: dict[str, Any], field: str, new: Any) -> dict[str, Any]:
    """A copy of nested mappings with one dotted field replaced, or removed by ``...``."""
    value = copy.deepcopy(value)
    *path, last = field.split(".")
    inner = value
    for name in path:
        inner = inner.setdefault(name, {})
    if new is ...:
        del inner[last]
    else:
        inner[last] = new
    return value


ODD = [
    ("compute.wall_s", "12 s"),
    ("compute.wall_s", -1),
    ("compute.wall_s", True),
    ("compute.wall_s", [1]),
    ("compute.cpu_hours", 1e999),
    ("compute.gpu", 7),
    ("compute.peak_memory_mb", {"a": 1}),
    ("compute.stages", [1]),
    ("compute.stages.fit", "short"),
    ("compute.stages.fit.wall_s", "12 s"),
    ("compute", None),
    ("scores", []),
    ("scores.auc", 0.9),
    ("scores.auc.value", "high"),
    ("scores.auc.low", float("nan")),
    ("spec.repeat", "0"),
    ("spec.fold", -1),
    ("spec.fold", 1.5),
    ("spec.seed", 2**70),
    ("spec.seed", None),
    ("spec.method", ""),
    ("spec.dataset", "a\nb"),
    ("spec.protocol", ["cv3"]),
    ("spec.protocol", ...),
    ("spec.params", [1, 2]),
    ("spec.tuning", "tpe"),
    ("classes", []),
    ("classes", "ab"),
    ("classes", ["no", 1]),
    ("started", "yesterday"),
    ("finished", 5),
    ("files", {"log.txt": "x"}),
    ("extra.test_accesses", "often"),
    ("extra.scorer_asked", "often"),
    ("selection.tuning.trials", "many"),
    ("selection.tuning.device_s", "12 s"),
    ("config.labels", "slides"),
    ("config", ...),
    ("environment", 3),
    ("environment.code", "abc"),
    ("unit_id", ["x"]),
    ("unit_id", "another"),
    ("scores.auc.value", NESTED),
]


@pytest.mark.parametrize(("field", "new"), ODD, ids=[f"{field} {k}" for k, (field, _) in enumerate(ODD)])
def test_one_odd_value_is_named_and_stops_no_other(store: RunStore, field: str, new: Any) -> None:
    fill(store, study="good", honest=True)
    bad = fill(store, study="bad", method="max_pool", honest=True)[1]
    path = store.unit_folder(bad.unit_id) / "record.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), field, new)))
    board = leaderboard(store)
    (one,) = board.broken
    assert one.name == bad.unit_id
    assert field.split(".")[-1] in one.reason and len(one.reason) < 500
    good, other = board.groups[0].rows
    assert (good.rank, good.summary.study.method) == (1, "abmil")
    assert (other.rank, other.reason) == (None, "1 damaged")
    assert len(other.summary.study.damaged) == 1
    assert not store.is_done(bad.unit_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"compute": {"wall_s": "12 s"}},
        {"compute": {"wall_s": -1.0}},
        {"started": "yesterday"},
        {"classes": ()},
        {"scores": {"auc": 0.9}},
        {"spec": {"method": "abmil"}},
        {"spec": {**record().spec, "seed": 2**70}},
        {"extra": {"test_accesses": "often"}},
    ],
    ids=str,
)
def test_what_could_not_be_read_is_not_written(store: RunStore, changes: dict[str, Any]) -> None:
    made = replace(record(), **changes)
    with pytest.raises(DataError):
        store.write_unit(made, predictions())
    folder = store.unit_folder(made.unit_id)
    assert [path for path in folder.iterdir() if path.name != ".lock"] == []


def test_numbers_that_are_undefined_are_written_as_none(store: RunStore) -> None:
    made = replace(record(), scores={"auc": {"value": float("nan"), "low": None, "high": float("inf")}})
    store.write_unit(made, predictions())
    assert store.record(made.unit_id).scores["auc"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    ("field", "new"),
    [
        ("units", "all"),
        ("units", [1]),
        ("ranked", "yes"),
        ("method", 3),
        ("study_id", "another"),
        ("config", []),
        ("config.labels", 3),
        ("config.tuning", {"space": [{"low": "a"}]}),
        ("config.tuning", {"space": [{"name": "n", "low": 0, "high": 0, "log": True}]}),
        ("config.tuning", {"space": [{"name": "n", "low": 0.5, "high": 4, "log": True, "integer": True}]}),
        ("protocol", ...),
    ],
)
def test_an_odd_study_file_is_named_and_its_units_still_count(store: RunStore, field: str, new: Any) -> None:
    name = fill(store, honest=True)[0].study_id
    path = store.study_folder(name) / "study.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), field, new)))
    board = leaderboard(store)
    assert [one.name for one in board.broken] == [name]
    (row,) = board.groups[0].rows
    assert (row.reason, len(row.summary.study.records)) == ("study.json is lost", 3)
    assert store.plan(name) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "[" * 100_000, "{", '{"unit_id": 1}', "9" * 5000, '{"reason": ["x"], "attempts": "x"}']
)
def test_odd_notes_of_failures_and_trials(store: RunStore, text: str) -> None:
    made = fill(store, done=1)[0]
    store.write_failure("other", "why", study_id=made.study_id, spec={**made.spec, "fold": 1})
    (store.unit_folder("other") / "failed.json").write_text(text)
    assert [one.name for one in store.scan().broken] == ["other"]
    assert store.attempts("other") == 0
    trials = TrialStore(store.root)
    trials.root.mkdir()
    (trials.root / "t.json").write_text(text)
    assert trials.read("t") is None


def drop(name: str) -> Any:
    return lambda frame: frame.drop(columns=name)


@pytest.mark.parametrize(
    "change",
    [
        drop("repeat"),
        drop("label"),
        drop("patient"),
        drop("p_yes"),
        lambda frame: frame.assign(label=9),
        lambda frame: frame.assign(label=-1),
        lambda frame: frame.assign(p_yes="high"),
        lambda frame: frame.assign(p_yes=float("nan")),
        lambda frame: frame.assign(p_yes=7.0),
        lambda frame: frame.assign(patient=3),
        lambda frame: frame.assign(fold=0.5),
        lambda frame: frame.iloc[:0],
    ],
)
def test_an_odd_table_of_predictions_is_named_and_stops_no_other(store: RunStore, change: Any) -> None:
    fill(store, study="good-toy-cv3-111111")
    bad = fill(store, study="bad-toy-cv3-222222", method="max_pool", folds=1)[0]
    path = store.unit_folder(bad.unit_id) / "predictions.parquet"
    change(pd.read_parquet(path)).to_parquet(path)
    board = leaderboard(store)
    shown = [row.summary.study.method for group in board.groups for row in group.rows if row.value is not None]
    assert shown == ["abmil"]


def test_predictions_that_unpack_to_gigabytes_are_refused(store: RunStore) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    made = fill(store, folds=1)[0]
    path = store.unit_folder(made.unit_id) / "predictions.parquet"
    with pq.ParquetWriter(path, pa.schema([("repeat", pa.int64())]), compression="zstd") as writer:
        for _ in range(20):
            writer.write_table(pa.table({"repeat": pa.array([0] * 10**6, pa.int64())}))
    with pytest.raises(DataError, match="unpack"):
        store.predictions([made.unit_id])
