"""Processes that share a runs folder run each unit once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from support.toy import PLUGIN

from harness.results.claims import Claims
from harness.results.store import RunStore
from harness.studies.turns import Turns

UNITS = ["unit-0", "unit-1", "unit-2"]


def names(tasks) -> list[str]:
    return [unit for unit, _ in tasks]


def test_work_that_another_process_does_is_left_for_later_and_then_counted(tmp_path: Path, capsys):
    over, moved = set(), []
    with Claims() as others, Claims() as mine:
        turns = Turns(mine, tmp_path.joinpath, over.__contains__, lambda: moved.append(1))
        turns.left = list(UNITS)
        for unit in UNITS[:2]:
            assert others.take(tmp_path / unit)
        assert names(turns.tasks(lambda unit: unit)) == ["unit-2"]
        assert turns.left == ["unit-0", "unit-1"]
        assert not others.take(tmp_path / "unit-2")
        turns.ended("unit-2")
        assert others.take(tmp_path / "unit-2")

        over.add("unit-0")  # one is done by the other process, which then dies amid the second
        threading.Timer(0.2, lambda: [others.release(tmp_path / unit) for unit in UNITS[:2]]).start()
        turns.wait()
        assert "waiting for 2 units" in capsys.readouterr().err
        left = []
        while turns.left:
            left += names(turns.tasks(lambda unit: unit))
            turns.wait()
        assert left == ["unit-1"]
    assert moved == [1]


EIGHT = """
import os, sys
from harness.cli.main import main
import harness.studies.run, harness.results.publish, mlflow  # once for all: it takes seconds
children = []
for _ in range(8):
    if (child := os.fork()) == 0:
        code = 1
        try:
            code = main(sys.argv[1:])
        finally:
            sys.stdout.flush()
            os._exit(code)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
sys.exit(max(codes))
"""


@pytest.fixture
def eight(toy_dataset, tmp_path):
    """A function that runs ``bench run`` on the toy dataset in eight processes at once; gives the runs folder."""

    def run(plugin: Path, *more: str) -> tuple[Path, str]:
        out = tmp_path / "runs"
        command = [sys.executable, "-c", EIGHT, "run", "--method", "tiny", "--dataset", str(toy_dataset), "--plugin"]
        command += [str(plugin), "--out", str(out), "--device", "cpu", "--set", "epochs=2", *more]
        environment = os.environ | {"BENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
        environment.pop("MLFLOW_TRACKING_URI", None)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        return out, done.stdout

    return run


@pytest.mark.slow
def test_eight_processes_lose_nothing_and_double_nothing(eight, tiny_plugin):
    out, said = eight(tiny_plugin, "--seed", "0-5")
    assert said.count("12 units done") == 8  # each process waits until all is done
    asked = Counter(json.loads(line)["asker"] for line in (out / "questions.jsonl").read_text().splitlines())
    units = {path.parent.name for path in out.glob("units/*/record.json")}
    assert len(units) == 12
    assert asked == dict.fromkeys(units, 1)
    store = RunStore(out)
    assert not [name for name in units if store.altered(name)]
    (study,) = store.studies()
    assert study.complete
    assert not list(out.glob("units/*/failed.json"))
    assert not list(out.glob("units/*/work"))
    assert sqlite_runs(out) == 13  # every unit once, and the study


@pytest.mark.slow
def test_eight_processes_that_tune_one_study_share_its_trials(eight, tmp_path):
    trained = tmp_path / "trained.txt"
    plugin = tmp_path / "counting.py"
    notes = f"open({str(trained)!r}, 'a').write(f'{{lr}}\\n')"
    plugin.write_text(
        PLUGIN.replace(
            "def __init__(self, dim, n_classes):", f"def __init__(self, dim, n_classes, lr):\n        {notes}"
        ).replace("Net(dim, self.task.n_classes)", "Net(dim, self.task.n_classes, self.params.lr)")
    )
    out, _ = eight(plugin, "--trials", "6", "--tune-batch", "3")
    ((study),) = RunStore(out).studies()
    rows = RunStore(out).trials(study.study_id)
    assert [(row["fold"], row["trial"], row["state"]) for row in rows] == [
        (f"r0f{fold}", str(trial), "complete") for fold in range(2) for trial in range(6)
    ]
    tried = Counter(float(row["param.lr"]) for row in rows)
    refitted = Counter(float(row["param.lr"]) for row in rows if row["chosen"] == "True")
    assert Counter(map(float, trained.read_text().split())) == tried + refitted
    assert len(list(out.glob("trials/*"))) == 12  # results alone: no scratch space, no claims


def sqlite_runs(out: Path) -> int:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        return database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]
