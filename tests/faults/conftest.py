"""Faults: what breaks a machine, a disk or a file, done for real, and what becomes of a study.

These tests mirror no room on purpose: a fault does not stay in one. Each has ``bench`` meet the fault at the command
line, looks at what the user is told, mends what was broken, gives the same command again, and compares the evidence
with that of a run that met nothing. The table of all of them is ``docs/faults.md``.

``bench`` runs in forks of a process that has imported everything (see ``support/attempts.py``), which saves seconds per
attempt; where a test starts it as the program that users start, it says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.attempts import Attempts
from support.faults import Toy
from support.toy import PLUGIN, write_toy_dataset

Make = Callable[..., Toy]


def _make(attempts: Attempts, home: Path, database: Path, words: tuple[str, ...], source: str) -> Toy:
    dataset = write_toy_dataset(home / "toy")
    plugin, out = home / "plugin.py", home / "runs"
    plugin.write_text(source)
    out.mkdir()
    shutil.copyfile(database, home / "mlflow.db")
    environment = {
        "BENCH_CACHE": str(home / "cache"),
        "BENCH_CHECKPOINT_SECONDS": "0",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
    }
    place = ("--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out), "--device", "cpu")
    return Toy(attempts, home, out, ("run", "--method", "tiny", *place, *words), environment)


@pytest.fixture
def toy(attempts: Attempts, tmp_path: Path, empty_mlflow: Path) -> Make:
    """A function that makes the toy study; checkpoints are written after every step."""

    def make(*words: str, name: str = "a", source: str = PLUGIN) -> Toy:
        return _make(attempts, tmp_path / name, empty_mlflow, words, source)

    return make


@pytest.fixture(scope="session")
def undisturbed(attempts: Attempts, tmp_path_factory: pytest.TempPathFactory, empty_mlflow: Path):
    """A function that gives the runs folder of the toy study with these words, which met nothing."""
    known: dict[tuple[str, ...], Path] = {}

    def run(*words: str) -> Path:
        if words not in known:
            made = _make(attempts, tmp_path_factory.mktemp("undisturbed") / "a", empty_mlflow, words, PLUGIN)
            ended = made.run()
            assert ended.code == 0, ended.text
            known[words] = made.out
        return known[words]

    return run
