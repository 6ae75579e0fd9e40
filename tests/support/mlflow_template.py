"""An empty MLflow database, made once: its tables take seconds."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing, redirect_stderr
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file to copy."""
    from harness.results.mlflow_view import MlflowView

    root = tmp_path_factory.mktemp("mlflow")
    path = root / "mlflow.db"
    with redirect_stderr(io.StringIO()) as said:
        MlflowView(root, f"sqlite:///{path}")
    assert said.getvalue() == ""  # tables are made without a word on the terminal
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # all of it in the one file that is copied
    return path
