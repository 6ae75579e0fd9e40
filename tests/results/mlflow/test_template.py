"""A new runs folder begins with a copy of an empty database, and MLflow finds in it what it would have made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harness.results.mlflow.template import copy_template, keep_template, template_path
from harness.results.mlflow.view import MlflowView


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tables(database: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        return [*found, *connection.execute("SELECT experiment_id, name FROM experiments").fetchall()]


def location(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT artifact_location FROM experiments").fetchone()[0]


def test_the_second_runs_folder_copies_what_the_first_one_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    MlflowView(tmp_path / "a")
    made = template_path().read_bytes()
    MlflowView(tmp_path / "b")
    assert template_path().read_bytes() == made
    assert tables(tmp_path / "a/mlflow.db") == tables(tmp_path / "b/mlflow.db")
    assert location(tmp_path / "a/mlflow.db") == location(tmp_path / "b/mlflow.db")


def test_without_a_template_or_a_cache_to_write_to_nothing_is_copied(tmp_path: Path, cache: Path) -> None:
    assert not copy_template(tmp_path / "new.db")
    cache.write_text("a file in the place of the cache")
    keep_template(tmp_path / "no.db")
    assert cache.is_file() and not (tmp_path / "new.db").exists()
