"""MLflow that cannot be written to: the evidence is complete, the user is told, and ``bench sync`` fills in the rest.

A server that is down is met in ``tests/cli/test_sync.py``, a full disk in ``test_disk_full.py``.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from support.faults import check_equal

WORDS = ("--set", "epochs=3")


@pytest.mark.slow
def test_a_database_that_another_process_has_locked(toy, undisturbed):
    study = toy(*WORDS)
    database = study.home / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        text = study.finish()
        assert text.count("warning: MLflow") == 1
        assert "MLflow is not kept up to date: (sqlite3.OperationalError) database is locked" in text
        assert "bench sync fills in what is missing" in text
        other.execute("ROLLBACK")
    check_equal(study.out, undisturbed(*WORDS))
    assert "3 runs written" in study.bench("sync").text
    assert "is up to date" in study.bench("sync").text
    with closing(sqlite3.connect(database)) as tables:
        assert tables.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone() == (3,)


def test_a_database_that_is_damaged(toy, undisturbed):
    study = toy(*WORDS)
    database = study.home / "mlflow.db"
    database.write_bytes(b"no database" * 1000)
    assert "MLflow is not kept up to date" in study.finish()
    check_equal(study.out, undisturbed(*WORDS))
    database.unlink()
    assert "3 runs written" in study.bench("sync").text
