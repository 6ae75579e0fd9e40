"""``bench run``: the plan, a real run of a plugin, reuse, and what happens when a unit fails."""

from __future__ import annotations

import json

import pytest
import yaml

PLUGIN = """
from torch import nn
from harness import Aggregator, BagOutput, MethodCard, MILMethod, MILParams, fixed, segment_mean

class Mean(Aggregator):
    def __init__(self, dim, n_classes, fails):
        super().__init__()
        self.head, self.fails = nn.Linear(dim, n_classes), fails
    def forward(self, bags):
        if self.fails:
            raise RuntimeError("the network broke")
        return BagOutput(self.head(segment_mean(bags.x, bags.offsets)))

class Small(MILMethod):
    card = MethodCard(name="small", title="Small", paper="none")
    class Params(MILParams):
        epochs: int = fixed(2, help="epochs")
        fails: bool = fixed(False, help="whether to break")
    def aggregator(self, dim):
        return Mean(dim, self.task.n_classes, self.params.fails)
"""
RUN = ("run", "--plugin", "small.py", "--method", "small", "--dataset", "musk1", "--device", "cpu")


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    (tmp_path / "small.py").write_text(PLUGIN)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_dry_run_prints_the_resolved_study_and_its_units_and_runs_nothing(bench, tmp_path):
    answer = bench(*RUN, "--dry-run", "--set", "lr=1e-3", "--fold", "3-4", "--seed", "1,2", "--out", "mine")
    assert (answer.code, answer.err) == (0, "")
    plan = yaml.safe_load(answer.out.split("4 units")[0])
    assert (plan["method"], plan["dataset"], plan["protocol"]) == ("small", "musk1", "cv5x10")
    assert (plan["params"]["lr"], plan["params"]["epochs"]) == (1e-3, 2)
    assert (plan["folds"], plan["seeds"], plan["out"], plan["device"]) == (["r0f3", "r0f4"], [1, 2], "mine", "cpu")
    assert plan["dataset_fingerprint"] == "unknown until the data is there"
    assert len(plan["split_sha256"]) == 64
    assert not (tmp_path / "mine").exists()


def test_a_run_ends_with_scores_and_where_to_look_and_is_not_repeated(bench, tmp_path):
    answer = bench(*RUN, "--fold", "0")
    assert answer.code == 0, answer.err
    for text in (
        "│ auc ",
        "│ accuracy ",
        "│ sensitivity ",
        "1 unit done, 0 of them from before, 0 failed",
        "1 of 50 folds",
    ):
        assert text in answer.out
    next_lines = answer.out.split("What to look at next")[1]
    assert "bench leaderboard show" in next_lines
    assert "bench ui" in next_lines
    (record,) = (tmp_path / "runs" / "units").glob("*/record.json")
    assert json.loads(record.read_text())["spec"]["params"]["epochs"] == 2
    written = record.stat().st_mtime_ns

    again = bench(*RUN, "--fold", "0")
    assert again.code == 0
    assert "1 unit done, 1 of them from before, 0 failed" in again.out
    assert record.stat().st_mtime_ns == written


def test_a_failing_unit_is_named_and_the_code_is_one(bench):
    answer = bench(*RUN, "--fold", "0-1", "--set", "fails=true")
    assert answer.code == 1
    assert "the network broke" in answer.err
    assert "2 units failed" in answer.err.splitlines()[-3]
    assert "0 units done, 0 of them from before, 2 failed" in answer.out


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        (("--method", "abmlx"), "unknown method 'abmlx'", "'abmilx'"),
        (("--dataset", "musk3"), "unknown dataset 'musk3'", "musk1"),
        (("--protocol", "cv5x1"), "unknown protocol 'cv5x1'", "'cv5x10'"),
        (("--preset", "big"), "unknown preset 'big'", ""),
        (("--set", "epoch=3"), "unknown hyper-parameter 'epoch'", "'epochs'"),
        (("--set", "epochs=many"), "'many' is not a valid value", "int"),
        (("--set", "input.encodr=x"), "unknown input setting 'encodr'", "'encoder'"),
        (("--fold", "50"), "there is no fold 50", "0 to 49"),
        (("--input", "tiles"), "features", "--input"),
    ],
)
def test_names_that_do_not_exist_are_answered_with_the_nearest(bench, words, problem, fix):
    answer = bench(*RUN, *words, "--dry-run")
    assert answer.code == 2
    said = answer.check_three_lines()
    assert problem in said[0]
    assert fix in said[2]


def test_a_method_by_dotted_path_is_the_registered_one(bench):
    by_path = bench("run --method methods.abmil:ABMIL --dataset musk1 --dry-run")
    by_name = bench("run --method abmil --dataset musk1 --dry-run")
    assert by_path.code == 0
    assert by_path.out == by_name.out


def test_a_broken_plugin_harms_no_other_method_but_is_told(bench, tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_library\n")
    answer = bench("run --method abmil --dataset musk1 --dry-run --plugin bad.py")
    assert answer.code == 0
    assert answer.err.startswith("warning: import failed: ModuleNotFoundError")
    assert f"{tmp_path / 'bad.py'}, line 1" in answer.err
    wanted = bench("run --method bad --dataset musk1 --dry-run --plugin bad.py")
    assert wanted.code == 1
    assert "no_such_library" in wanted.check_three_lines()[0]


def test_a_unit_that_is_neither_done_nor_failed_is_named_and_the_code_is_1(bench, tmp_path, monkeypatch):
    from support.evidence import fill

    from harness.study.result import result_of
    from harness.tracking.store import RunStore

    store = RunStore(tmp_path / "runs")
    made = fill(store, folds=2)
    (store.unit_folder(made[1].unit_id) / "record.json").write_text("{}")
    ids = [one.unit_id for one in made]
    result = result_of(store, made[0].study_id, reused=0, failed=0, asked=ids)
    assert (result.n_done, result.lost) == (1, (ids[1],))
    monkeypatch.setattr("harness.study.run.run_study", lambda *_: result)
    answer = bench(*RUN, "--fold", "0")
    assert answer.code == 1
    assert ids[1] in answer.err and "1 neither" in answer.out
