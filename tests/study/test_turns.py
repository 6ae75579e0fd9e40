"""Processes that share a runs folder run each unit once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.study.turns import Turns
from harness.tracking.claims import Claims
from harness.tracking.store import RunStore

UNITS = [SimpleNamespace(unit_id=f"unit-{number}", study_id="study", as_dict=dict) for number in range(3)]


class Store(RunStore):
    """A store in which a unit is done when it is said to be."""

    done: frozenset[str] = frozenset()

    def is_done(self, unit_id: str) -> bool:
        return unit_id in self.done


def names(tasks) -> list[str]:
    return [unit.unit_id for unit, _ in tasks]


def test_units_that_another_process_runs_are_left_for_later_and_then_counted(tmp_path: Path, capsys):
    store, moved = Store(tmp_path), []
    with Claims() as others, Claims() as mine:
        turns = Turns(store, UNITS, mine, lambda: moved.append(1))
        for number in (0, 1):
            assert others.take(store.unit_folder(f"unit-{number}"))
        assert names(turns.tasks(lambda unit: unit)) == ["unit-2"]
        assert [unit.unit_id for unit in turns.left] == ["unit-0", "unit-1"]
        assert not others.take(store.unit_folder("unit-2"))
        turns.ended(UNITS[2])
        assert others.take(store.unit_folder("unit-2"))

        store.done = frozenset({"unit-0"})  # one is done by the other process, which then dies amid the second
        threading.Timer(0.2, lambda: [others.release(store.unit_folder(f"unit-{n}")) for n in (0, 1)]).start()
        turns.wait()
        assert "waiting for 2 units" in capsys.readouterr().err
        left = []
        while turns.left:
            left += names(turns.tasks(lambda unit: unit))
            turns.wait()
        assert left == ["unit-1"]
    assert (turns.n_done, turns.n_failed, moved) == (1, 0, [1])


def test_a_unit_that_fails_elsewhere_meanwhile_is_not_tried_again_but_one_of_before_is(tmp_path: Path):
    store = Store(tmp_path)
    store.write_failure("unit-0", "before", study_id="study", spec={})
    with Claims() as mine:
        turns = Turns(store, UNITS, mine)
        store.write_failure("unit-1", "meanwhile", study_id="study", spec={})
        assert names(turns.tasks(lambda unit: unit)) == ["unit-0", "unit-2"]
    assert (turns.n_done, turns.n_failed) == (0, 1)


EIGHT = """
import os, sys
from harness.cli.main import main
import harness.study.run, harness.report.publish, mlflow  # once for all: it takes seconds
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


@pytest.mark.slow
def test_eight_processes_lose_nothing_and_double_nothing(toy_dataset, tiny_plugin, tmp_path):
    out = tmp_path / "runs"
    command = [sys.executable, "-c", EIGHT, "run", "--method", "tiny", "--dataset", str(toy_dataset), "--plugin"]
    command += [str(tiny_plugin), "--out", str(out), "--device", "cpu", "--seed", "0-5", "--set", "epochs=2"]
    environment = os.environ | {"BENCH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("12 units done") == 8  # each process waits until all is done
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


def sqlite_runs(out: Path) -> int:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        return database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()[0]
