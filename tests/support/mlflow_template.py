"""An empty MLflow database, made once for all workers of a test run: its tables take seconds."""

from __future__ import annotations

import io
import os
import shutil
from contextlib import redirect_stderr
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``mlflow`` of a cache, with the empty database that a user's second runs folder is copied from."""
    from harness.core.filelock import locked
    from harness.results.mlflow.view import MlflowView

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "empty-mlflow"
    root.mkdir(exist_ok=True)
    with locked(root / "lock"), pytest.MonkeyPatch.context() as patch, redirect_stderr(io.StringIO()) as said:
        patch.setenv("BENCH_CACHE", str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if not list((root / "mlflow").glob("*.db")):
            MlflowView(root / "runs")
            assert list((root / "mlflow").glob("*.db"))
    assert said.getvalue() == ""  # tables are made without a word on the terminal
    return root / "mlflow"


@pytest.fixture(scope="session")
def empty_mlflow(mlflow_template: Path) -> Path:
    """A database file to copy."""
    (path,) = mlflow_template.glob("*.db")
    return path


def with_template(cache: Path, template: Path) -> None:
    """Let an empty cache folder begin with the empty database."""
    if not (cache / "mlflow").exists():
        shutil.copytree(template, cache / "mlflow")
