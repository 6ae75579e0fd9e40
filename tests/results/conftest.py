"""A runs folder that MLflow has a view of."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.results.store import RunStore


@pytest.fixture
def store(tmp_path: Path, empty_mlflow: Path) -> RunStore:
    """A runs folder with an empty MLflow database (making its tables takes seconds)."""
    root = tmp_path / "runs"
    root.mkdir()
    shutil.copyfile(empty_mlflow, root / "mlflow.db")
    return RunStore(root)
