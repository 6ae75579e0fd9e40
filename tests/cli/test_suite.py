"""``bench run`` on several methods and datasets: one piece of work, one table, and what goes wrong stops no other."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from support.toy import PLUGIN, write_toy_dataset

FAILING = """
from support.toy import PLUGIN

exec(PLUGIN)


class Failing(Tiny):
    card = MethodCard(name="failing", title="Failing", paper="none")

    def aggregator(self, dim):
        raise RuntimeError("it broke")
"""


@pytest.fixture
def suite(bench, tmp_path: Path, monkeypatch):
    """A function that runs two methods on toy datasets, with further words."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "tiny.py").write_text(PLUGIN)
    for name in ("one", "two"):
        write_toy_dataset(tmp_path / name, name=name)

    def run(methods: str, datasets: str, *words: str):
        line = ["run", "--plugin", "tiny.py", "--method", methods, "--dataset", datasets, "--device", "cpu"]
        return bench(*line, "--set", "epochs=2", *words)

    return run


def test_it_ends_with_one_table_and_is_not_run_twice(bench, suite, tmp_path: Path) -> None:
    first = suite("tiny,mean_pool", "./one,./two", "--fold", "0")
    assert first.code == 0, first.err
    assert "4 units done, 0 of them from before, 0 failed" in first.out
    rows = [line for line in first.out.splitlines() if line.startswith("│")]
    assert [(("one" in row), ("tiny" in row or "mean_pool" in row)) for row in rows] == [
        (k < 2, True) for k in range(4)
    ]
    assert "ties" in first.out and "CPU-hours" in first.out
    again = suite("mean_pool,tiny", "./one,./two", "--fold", "0", "--csv")
    assert "4 units done, 4 of them from before, 0 failed" in again.err
    rows = list(csv.DictReader(again.out.splitlines()))
    assert {row["method"] for row in rows} == {"tiny", "mean_pool"} and all(0 <= float(row["auc"]) <= 1 for row in rows)
    alone = bench(
        "run", "--plugin", "tiny.py", "--method", "tiny", "--dataset", "./two", "--set", "epochs=2", "--fold", "0"
    )
    assert "1 unit done, 1 of them from before" in alone.out, "a study of a suite is the study that it is alone"
    board = json.loads(bench("leaderboard show --ties --json").out)
    assert {(row["dataset"], row["method"]) for row in board} == {
        (dataset, method) for dataset in ("one", "two") for method in ("tiny", "mean_pool")
    }
    assert all(row["ties"] for row in board)


def test_a_dataset_that_cannot_be_opened_stops_no_other(suite, tmp_path: Path) -> None:
    (tmp_path / "two" / "features.npz").write_bytes(b"no archive")
    answer = suite("tiny", "./one,./two", "--fold", "0", "--output", "table.csv")
    assert answer.code == 1
    assert [row["dataset"] for row in csv.DictReader(Path("table.csv").read_text().splitlines())] == ["one"]
    assert "1 unit done" in answer.err and "tiny on two" in answer.err and "1 study failed" in answer.err
    (plan,) = (tmp_path / "runs" / "studies").glob("*/study.json")
    assert json.loads(plan.read_text())["scores"]["auc"]["value"] is not None


def test_a_unit_that_fails_stops_no_other(suite, tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(FAILING)
    answer = suite("failing,mean_pool", "./one", "--fold", "0")
    assert answer.code == 1
    assert "it broke" in answer.err and "1 unit failed" in answer.err
    assert "mean_pool" in answer.out


def test_combinations_are_checked_before_anything_runs(suite, bench, tmp_path: Path) -> None:
    problem, place, fix = suite("tiny,mean_pol", "./one").check_three_lines()
    assert "mean_pol" in problem and "mean_pol on ./one" in place and "'mean_pool'" in fix and "exclude" in fix
    assert not (tmp_path / "runs").exists()
    (tmp_path / "suite.yaml").write_text("method: [tiny, mean_pool]\ndataset: [./one, ./two]\nexclude: [{method: x}]\n")
    assert "fits no combination" in bench("run --plugin tiny.py --config suite.yaml").check_three_lines()[0]


def test_a_file_lists_and_excludes(bench, suite, tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(
        "method: [tiny, mean_pool]\ndataset: [./one, ./two]\nplugin: tiny.py\nseeds: 2\n"
        "exclude: [{method: tiny, dataset: ./two}]\ninclude: [{method: tiny, dataset: ./two, set: {lr: 0.5}}]\n"
    )
    answer = bench("run --config suite.yaml --dry-run")
    assert answer.code == 0, answer.err
    assert "4 studies, 16 units (nothing was run)" in answer.out
    assert "2 studies, 8 units" in bench("run --config suite.yaml --dry-run --method mean_pool").out
    assert "2 studies, 8 units" in bench("run --config suite.yaml --dry-run --method tiny").out


def test_it_goes_through_any_executor(suite, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs/launchers.md"
    (tmp_path / "pool.py").write_text(page.read_text().split("```python no-run\n")[1].split("```")[0])
    words = ["--fold", "0", "--plugin", "pool.py", "--launcher", "pool", "--launcher-option", "workers=2"]
    answer = suite("tiny,mean_pool", "./one", *words, "--cpus-per-unit", "1")
    assert answer.code == 0, answer.err
    assert "2 units done, 0 of them from before, 0 failed" in answer.out
