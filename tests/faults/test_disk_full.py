"""A disk that is full, a real one: a small tmpfs. What fails says so; the same command goes on once there is room."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.faults import Toy, check_equal, evidence, failures, trials
from support.toy import PLUGIN

HEAVY = (
    PLUGIN
    + """
    def stages(self, train, val, run):
        for stage in super().stages(train, val, run):
            stage.module.register_buffer("ballast", torch.arange(100_000.0))
            yield stage
"""
)
"""The same method with a checkpoint of a megabyte."""


@pytest.fixture
def small(toy):
    """A function that makes the toy study with a folder of it on a small disk; also gives how this process sees it."""

    def make(size: str, folder: str, *words: str, **options: str) -> tuple[Toy, Path]:
        study = toy(*words, **options)
        if not study.attempts.can_mount:
            pytest.skip("this system does not let us mount a tmpfs")
        return study, study.attempts.small_disk(study.home / folder, size)

    return make


def told_of_the_disk(text: str) -> list[str]:
    """Where the user learnt that the disk is full; each time with what to do."""
    return re.findall(r"No space left on device(?: \(at |\n   at: )(.*)(?:; |\n  )fix: free some space", text)


def test_evidence_trials_answers_and_checkpoints(small, undisturbed):
    """The whole runs folder on a disk that has a little more room each time: each time something else does not fit."""
    words = ("--trials", "2", "--tune-batch", "2", "--set", "epochs=2", "--fold", "0")
    study, seen = small("4k", "runs", *words)
    places: list[str] = []
    for size in range(4, 200, 8):
        study.attempts.resize(study.out, f"{size}k")
        ended = study.run()
        if ended.code == 0:
            break
        assert ended.three_lines()
        assert told_of_the_disk(ended.text), ended.text
        assert "this machine" not in ended.text
        places += told_of_the_disk(ended.text)
        for path in seen.glob("trials/*.json"):
            assert json.loads(path.read_text())["scores"], "a full disk is no result of a trial"
        assert all(len(frame) == 10 for frame in evidence(seen).values())
    names = {"train.pt", "meter.json", "trials.csv", "record.json"}
    assert len({Path(place).name for place in places} & names) >= 3, places
    assert trials(seen) == trials(undisturbed(*words))
    check_equal(seen, undisturbed(*words))


def test_a_checkpoint_that_does_not_fit_is_a_failed_row_that_says_so(small):
    study, seen = small("300k", "runs", "--set", "epochs=2", source=HEAVY)
    ended = study.run()
    assert ended.code == 1
    assert "2 units failed" in ended.three_lines()[0]
    for unit, reason in failures(seen).items():
        assert told_of_the_disk(reason) == [str(study.out / "units" / unit / "work" / "train.pt")]
    study.attempts.resize(study.out, "100m")
    ended = study.run()
    assert ended.code == 0, ended.text
    assert not failures(seen)


def test_mlflow(small, undisturbed, tmp_path):
    """The view is lost, the evidence is not, and ``bench sync`` draws the view again."""
    study, seen = small("300k", "mlruns", "--set", "epochs=3")
    database = f"sqlite:///{study.home}/mlruns/mlflow.db"
    study.environment["MLFLOW_TRACKING_URI"] = database
    ended = study.run()
    assert ended.code == 0, ended.text
    assert "MLflow is not kept up to date" in ended.text
    check_equal(study.out, undisturbed("--set", "epochs=3"))
    full = study.bench("sync")
    assert "MLflow could not be brought up to date" in full.three_lines()[0]
    study.attempts.resize(study.home / "mlruns", "20m")
    assert "3 runs written" in study.bench("sync").text
    copy = shutil.copytree(seen, tmp_path / "copy")  # its lock is another system's for us
    with closing(sqlite3.connect(copy / "mlflow.db")) as tables:
        assert tables.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone() == (3,)
