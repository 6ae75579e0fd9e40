"""The index is a view: with it, without it and with a damaged one the same is found, and changes are noticed."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.evidence import fill, predictions

from harness.results.index import state, units
from harness.results.index.database import Database
from harness.results.leaderboard import leaderboard
from harness.results.store import RunStore


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder whose files count as old, and a cache of its own; the catalogue is empty."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(state, "_MARGIN_NS", 0)
    monkeypatch.setattr("harness.results.verified.named_dataset", lambda _: None)
    store = RunStore(tmp_path / "runs")
    fill(store, honest=True)
    fill(store, method="max_pool", honest=True, signal=0.2)
    return store.root


def found(root: Path) -> list[tuple[object, ...]]:
    """The leaderboard, by a store that knows nothing yet."""
    return [
        (row.summary.study, row.rank, row.value, row.summary.scores, row.verification.findings)
        for group in leaderboard(RunStore(root)).groups
        for row in group.rows
    ]


def test_what_has_not_changed_is_not_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(root)
    for name in ("harness.results.index.units.read_record", "harness.results.unit_facts.read_predictions"):
        monkeypatch.setattr(name, lambda *_: pytest.fail("a file was read again"))
    monkeypatch.setattr("harness.results.summary.study_scores", lambda *_, **__: pytest.fail("a second bootstrap"))
    assert found(root) == first
    assert not [path for path in root.rglob("*") if path.suffix == ".sqlite"], "none that could be sent along"


def test_an_index_that_is_gone_damaged_or_in_the_way_changes_nothing(root: Path, tmp_path: Path) -> None:
    first = found(root)
    path = Database(root).path
    assert path.is_file()
    for content in (b"", b"no database at all" * 100, path.read_bytes()[:5000], path.read_bytes()[::-1]):
        path.write_bytes(content)
        assert found(root) == first
        assert found(root) == first
    path.unlink()
    assert found(root) == first
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file where the folder belongs")
    assert found(root) == first


def test_rows_that_make_no_sense_are_read_anew(root: Path) -> None:
    first = found(root)
    database = Database(root)
    names = [path.name for path in (root / "units").iterdir()]
    for record, facts in (("{", ""), ("[]", "[]"), ('{"config": 1, "environment": 2}', "{"), ("{}", '{"findings": 3}')):
        database.keep(row._replace(record=record, facts=facts) for row in database.units(names).values())
        assert found(root) == first


def test_an_edit_that_keeps_size_and_modification_time_is_noticed(root: Path) -> None:
    found(root)
    path = next((root / "units").glob("abmil*")) / "predictions.parquet"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    ranks = {one[0].method: one[1] for one in found(root)}  # type: ignore[attr-defined]
    assert ranks.get("abmil") is None and ranks["max_pool"] == 1


def test_a_unit_that_was_run_again_is_read_again(root: Path) -> None:
    (study,) = (study for study in RunStore(root).studies() if study.method == "abmil")
    before = {one[0].method: one[2] for one in found(root)}  # type: ignore[attr-defined]
    RunStore(root).write_unit(study.records[0], predictions(signal=0.0))
    after = {one[0].method: one[2] for one in found(root)}  # type: ignore[attr-defined]
    assert after["abmil"] != before["abmil"] and after["max_pool"] == before["max_pool"]


def test_what_is_younger_than_the_clock_can_tell_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found(root)
    monkeypatch.setattr(state, "_MARGIN_NS", 3600 * 10**9)
    read = []
    real = units.read_record
    monkeypatch.setattr(units, "read_record", lambda folder: read.append(folder) or real(folder))
    found(root)
    assert len(read) >= 6


def test_several_readers_at_once_find_the_same(root: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(found, [root] * 4)
    assert all(other == first for other in others)
