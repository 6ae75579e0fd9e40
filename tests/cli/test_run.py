"""``bench run``: the plan, a real run of a plugin, reuse, and what happens when a unit fails."""

from __future__ import annotations

import json
import shutil

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


@pytest.mark.usefixtures("painted")
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
    assert all(path.stat().st_size > 5_000 for path in (tmp_path / "runs" / "studies").rglob("*.png"))
    (record,) = (tmp_path / "runs" / "units").glob("*/record.json")
    assert json.loads(record.read_text())["spec"]["params"]["epochs"] == 2
    written = record.stat().st_mtime_ns

    again = bench(*RUN, "--fold", "0")
    assert again.code == 0
    assert "1 unit done, 1 of them from before, 0 failed" in again.out
    assert record.stat().st_mtime_ns == written

    before = record.with_name("predictions.parquet").read_bytes()
    shutil.rmtree(record.parent)  # a unit that was lost is run again
    assert "1 unit done, 0 of them from before, 0 failed" in bench(*RUN, "--fold", "0").out
    assert record.with_name("predictions.parquet").read_bytes() == before


def test_a_failing_unit_is_named_and_the_code_is_one(bench):
    answer = bench(*RUN, "--fold", "0-1", "--set", "fails=true")
    assert answer.code == 1
    assert "the network broke" in answer.err
    assert "2 units failed" in answer.err.splitlines()[-3]
    assert "0 units done, 0 of them from before, 2 failed" in answer.out


def test_a_dry_run_says_where_each_value_comes_from(bench, tmp_path):
    (tmp_path / "study.yaml").write_text("method: icmil\nset: {lr: 1e-3}\n")
    answer = bench(
        "run --config study.yaml --dataset camelyon16-mini --set input.tile_px=32 --set epochs=3 --dry-run --seed 1"
    )
    origins: dict[str, str] = {}
    for line in answer.out.partition("published_input:")[0].splitlines() + answer.out.splitlines():
        origins.setdefault(line.strip().partition(":")[0], line.partition("  # ")[2])
    assert origins["method"] == origins["lr"] == "config file"
    assert origins["dataset"] == origins["tile_px"] == origins["epochs"] == origins["seeds"] == "command line"
    assert origins["encoder"] == origins["mpp"] == origins["distil_lr"] == "preset mini (dataset card)"
    assert origins["protocol"] == origins["preset"] == "dataset card"
    assert origins["width"] == "default (code)"
    assert origins["precision"] == "default"
    plan = yaml.safe_load(answer.out.split("1 unit")[0])
    assert plan["published_input"]["encoder"] == "resnet50.tv2_in1k@layer3"
    assert plan["input_differs"] == [
        "encoder conv64 (published: resnet50.tv2_in1k@layer3)",
        "tile_px 32 (published: 256)",
    ]


@pytest.mark.parametrize(
    "words",
    ["--method abmil", "--dataset musk2", "--device cpu", "--protocol cv5x10 --protocol cv5x10", "--out a --out b"],
)
def test_an_option_that_takes_one_value_is_given_once(bench, words):
    problem, place, fix = bench(*RUN, *words.split(), "--dry-run").check_three_lines()
    option = words.split()[0]
    assert option in problem and "2 times" in problem
    assert place == f"bench run {option}"
    assert fix == "give it once"


def test_options_that_take_several_values_may_be_repeated(bench):
    line = [*RUN, "--dry-run", "--set", "lr=1e-3", "--set", "epochs=3", "--fold", "0", "--fold", "2", "--seed", "1"]
    answer = bench(*line, "--seed", "4", "--dry-run")
    assert answer.code == 0, answer.err
    assert "4 units" in answer.out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--encoder nonsense123", "input.encoder"),
        ("--set input.tile_px=64", "input.tile_px"),
        ("--data-root .", "--data-root"),
        ("--tune-sampler tpe", "--tune-sampler"),
        ("--trials 3 --tune-sampler random --tune-batch 2", "--tune-batch"),
        ("--set patience=3", "patience"),
        ("--address auto", "--address"),
        ("--gpus-per-unit 1", "--gpus-per-unit"),
    ],
)
def test_options_without_effect_are_refused_before_anything_is_opened(bench, tmp_path, words, named):
    answer = bench(*RUN, *words.split())
    assert answer.code == 2
    assert named in " ".join(answer.check_three_lines())
    assert not (tmp_path / "runs").exists()


def test_a_data_root_of_the_environment_is_no_option(bench, tmp_path, monkeypatch):
    (tmp_path / "musk1").mkdir()
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    assert bench(*RUN, "--dry-run").code == 0


def test_an_encoder_that_does_not_exist_is_refused_before_slides_are_drawn(bench, tmp_path):
    answer = bench("run --method abmil --dataset camelyon16-mini --device cpu --encoder resnt18.tv_in1k")
    assert answer.code == 2
    assert "resnet18" in answer.check_three_lines()[2]
    drawn = [path.name for path in (tmp_path / "cache").iterdir() if path.name != "mlflow"]
    assert not drawn and not (tmp_path / "runs").exists()


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
    kept = [pair for pair in zip(RUN[1::2], RUN[2::2], strict=True) if pair[0] != words[0]]
    answer = bench("run", *(word for pair in kept for word in pair), *words, "--dry-run")
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

    from harness.results.store import RunStore
    from harness.studies.result import result_of

    store = RunStore(tmp_path / "runs")
    made = fill(store, folds=2)
    (store.unit_folder(made[1].unit_id) / "record.json").write_text("{}")
    ids = [one.unit_id for one in made]
    result = result_of(store, made[0].study_id, reused=0, failed=0, asked=ids)
    assert (result.n_done, result.lost) == (1, (ids[1],))
    monkeypatch.setattr("harness.studies.run.run_study", lambda *_: result)
    answer = bench(*RUN, "--fold", "0")
    assert answer.code == 1
    assert ids[1] in answer.err and "1 neither" in answer.out
