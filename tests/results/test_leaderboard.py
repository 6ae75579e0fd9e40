"""Only studies that compare are ranked; the others are shown with the reason."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from support.evidence import fill, predictions, record

from harness.core.hashing import sha256_text
from harness.results.leaderboard import Row, leaderboard, ranked
from harness.results.record import Record
from harness.results.store import RunStore
from harness.results.summary import summarise
from harness.verification.identity import unit_id_of


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def places(rows) -> list[tuple[str, int | None, str]]:
    return [(named(row), row.rank, row.reason) for row in rows]


def named(row: Row) -> str:
    """The name that a test gave to a study; its id is a hash."""
    return NAMES[row.summary.study.records[0].spec["method_version"]]


NAMES = {
    sha256_text(name): name
    for name in ("good-1", "poor-2", "part-3", "leaky-4", "failed-5", "sure-1", "unsure-2", "x-1", "bad-2")
}


def honest(store: RunStore, study: str, **settings) -> list[Record]:
    """A study that can be verified."""
    return fill(store, study=study, honest=True, **settings)


def test_complete_studies_are_ranked_and_the_others_say_why_not(store: RunStore) -> None:
    honest(store, "good-1", signal=0.6)
    honest(store, "poor-2", signal=0.05)
    honest(store, "part-3", signal=0.9, done=2)
    honest(store, "leaky-4", signal=0.9, ranked=False)
    made, *_ = honest(store, "failed-5", done=2)
    spec = {**made.spec, "fold": 2}
    store.write_failure(unit_id_of(spec), "out of memory", study_id=made.study_id, spec=spec)
    (group,) = leaderboard(store).groups
    found = places(group.rows)
    assert found[:2] == [("good-1", 1, ""), ("poor-2", 2, "")]
    assert set(found[2:]) == {
        ("part-3", None, "incomplete"),
        ("leaky-4", None, "protocol is not ranked"),
        ("failed-5", None, "1 failed"),
    }


def test_datasets_protocols_and_other_contents_are_not_mixed(store: RunStore) -> None:
    fill(store, study="a-1")
    fill(store, study="b-2", protocol="other")
    fill(store, study="c-3", dataset="second")
    for fold in range(3):  # the same names, but the split file has changed since
        made = record(study="d-4", fold=fold)
        made = record(study="d-4", fold=fold, spec={**made.spec, "split_sha256": "00" * 32})
        store.write_unit(made, predictions(fold=fold))
    groups = leaderboard(store).groups
    assert len(groups) == 4
    assert [(g.dataset, g.protocol) for g in groups] == [
        ("second", "cv3"),
        ("toy", "cv3"),
        ("toy", "cv3"),
        ("toy", "other"),
    ]
    assert len({g.split for g in groups if g.protocol == "cv3" and g.dataset == "toy"}) == 2
    assert len(leaderboard(store, datasets=["second"]).groups) == 1


def test_a_smaller_log_loss_is_better(store: RunStore) -> None:
    honest(store, "sure-1", signal=0.9)
    honest(store, "unsure-2", signal=0.2)
    (group,) = leaderboard(store, metric="log_loss").groups
    assert [named(row) for row in group.rows] == ["sure-1", "unsure-2"]
    assert group.rows[0].value < group.rows[1].value


def test_equal_values_share_a_rank_and_the_next_one_is_skipped(store: RunStore) -> None:
    fill(store, study="x-1")
    summary = summarise(store, store.study("x-1"), resamples=10)
    rows = [Row(None, "", value, summary) for value in (0.7, 0.9, 0.9, 0.5)]
    assert [row.rank for row in ranked(rows)] == [1, 1, 3, 4]
    assert [row.rank for row in ranked([Row(None, "incomplete", None, summary)])] == [None]


def test_broken_evidence_is_named_and_harms_no_other_study(store: RunStore) -> None:
    honest(store, "good-1")
    bad = honest(store, "bad-2")
    worse = honest(store, "worse-3")
    (store.unit_folder(bad[0].unit_id) / "record.json").write_text("{")
    (store.unit_folder(worse[0].unit_id) / "predictions.parquet").unlink()
    board = leaderboard(store)
    (group,) = board.groups
    assert places(group.rows) == [("good-1", 1, ""), ("bad-2", None, "1 damaged")]
    assert [one.name for one in group.damaged] == [bad[0].unit_id]
    assert [one.name for one in board.apart] == [worse[0].study_id]
    assert {b.name for b in board.broken} == {bad[0].unit_id, worse[0].study_id}


def test_every_rank_follows_from_the_values(store: RunStore) -> None:
    for k, signal in enumerate((0.1, 0.5, 0.3, 0.8)):
        honest(store, f"s-{k}", signal=signal)
    (group,) = leaderboard(store, metric="accuracy").groups
    values = [row.value for row in group.rows]
    assert all(value is not None and math.isfinite(value) for value in values)
    assert values == sorted(values, reverse=True)
    assert [row.rank for row in group.rows] == [1 + sum(other > value for other in values) for value in values]
