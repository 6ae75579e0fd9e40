"""``bench run --trials``: nested, and decided on validation. What kills do to it: ``tests/faults/test_kill.py``."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from support.toy import PLUGIN, write_toy_dataset

TUNED = ("--trials", "6", "--tune-batch", "3", "--set", "epochs=3")


@pytest.fixture
def words(tmp_path: Path):
    """A function that gives the words of ``bench run`` on the toy dataset."""
    dataset = write_toy_dataset(tmp_path / "toy")
    plugin = tmp_path / "tiny_plugin.py"
    plugin.write_text(PLUGIN)

    def make(out: Path, *more: str) -> list[str]:
        place = ["--dataset", str(dataset), "--plugin", str(plugin), "--out", str(out), "--device", "cpu"]
        return ["run", "--method", "tiny", *place, *more]

    return make


def trials(out: Path) -> list[dict[str, str]]:
    """The table of trials, without what took how long."""
    (path,) = out.glob("studies/*/trials.csv")
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "device_s"} for row in csv.DictReader(file)]


def records(out: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(out.glob("units/*/record.json"))]


def test_every_fold_is_tuned_on_validation_and_trained_with_what_it_found(bench, words, tmp_path):
    out = tmp_path / "runs"
    answer = bench(*words(out, *TUNED, "--seeds", "2"))
    assert answer.code == 0, answer.err
    rows = trials(out)
    assert [(row["fold"], row["trial"]) for row in rows] == [(f"r0f{f}", str(k)) for f in range(2) for k in range(6)]
    assert len(records(out)) == 4
    for record in records(out):
        tuning = record["selection"]["tuning"]
        (chosen,) = [r for r in rows if r["chosen"] == "True" and r["fold"] == f"r0f{record['spec']['fold']}"]
        assert tuning["trial"] == int(chosen["trial"])
        assert tuning["params"]["lr"] == float(chosen["param.lr"]) == record["selection"]["params"]["lr"]
        assert record["spec"]["tuning"]["fixed"] == ["epochs"]
        assert tuning["device_s"] > 0
    # Six trials on two folds, and test labels were accessed four times: trials never touch a test slide.
    assert len((out / "test_accesses.jsonl").read_text().splitlines()) == 4
    for path in out.glob("trials/*.json"):
        assert set(json.loads(path.read_text())["scores"]) >= {"auc", "log_loss"}


def test_a_search_shows_what_it_tried_what_it_chose_and_what_mattered(bench, words, tmp_path):
    out = tmp_path / "runs"
    assert bench(*words(out, *TUNED)).code == 0
    shown = bench("tune", "show", "tiny", "--fold", "r0f1", "--out", str(out))
    assert shown.code == 0, shown.err
    for row in trials(out):
        if row["chosen"] == "True":
            assert f"{float(row['param.lr']):.3g}" in shown.out
    assert "trials of r0f1" in shown.out
    assert "of how much auc varies" in shown.out
    chosen, tried = (
        json.loads(bench("tune", "show", "tiny", "--json", "--out", str(out), *more).out)
        for more in ((), ("--fold", "r0f1"))
    )
    assert [(row["fold"], row["trials"]) for row in chosen] == [("r0f0", 6), ("r0f1", 6)]
    (best,) = [row for row in tried if row["chosen"]]
    assert len(tried) == 6 and best["trial"] == chosen[1]["chosen"] and best["lr"] == chosen[1]["lr"]
    (study,) = (out / "studies").iterdir()
    for name in ("history", "importances"):
        assert (study / "figures" / f"tuning-r0f1-{name}.png").read_bytes().startswith(b"\x89PNG")
    shutil.rmtree(study / "figures")
    (study / "figures").touch()  # as in a runs folder that cannot be written
    unwritten = bench("tune", "show", "tiny", "--out", str(out))
    assert unwritten.code == 0 and "no plots are written" in unwritten.err
    wrong = bench("tune", "show", "tiny", "--fold", "r0f7", "--out", str(out)).check_three_lines()
    assert "unknown fold 'r0f7'" in wrong[0]
    board = bench("leaderboard", "show", "--out", str(out)).out
    assert "trials" in board
    assert " 12 " in board
    assert bench(*words(tmp_path / "plain", "--fold", "0", "--set", "epochs=1")).code == 0
    assert "was not tuned" in bench("tune", "show", "tiny", "--out", str(tmp_path / "plain")).check_three_lines()[0]


def test_more_trials_go_on_from_the_same_ones_and_another_tuning_is_another_study(bench, words, tmp_path):
    out = tmp_path / "runs"
    more = ("--tune-sampler", "random", "--set", "epochs=2", "--fold", "0")
    assert bench(*words(out, "--trials", "3", *more)).code == 0
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("trials/*.json")}
    assert bench(*words(out, "--trials", "5", *more)).code == 0
    again = {path.name: path.stat().st_mtime_ns for path in out.glob("trials/*.json")}
    assert len(list((out / "studies").iterdir())) == 2
    # The first trial is the defaults in both; proposals are drawn again for a study of another budget.
    assert len(first.items() & again.items()) == len(first)


def test_what_is_wrong_is_said_before_anything_is_run(bench, words, tmp_path):
    out = tmp_path / "runs"
    cases = {
        ("--trials", "0"): "0 is",
        ("--trials", "3", "--tune-sampler", "rndom"): "unknown sampler 'rndom'",
        ("--tune-folds", "3"): "--tune-folds has nothing to say without a search",
        ("--tune-budget", "soon"): "'soon' is not a time",
        ("--trials", "3", "--prune", "median"): "only one",
        ("--trials", "3", "--tune-metric", "acu"): "unknown score 'acu'",
        ("--trials", "3", "--set", "lr=0.1", "--set", "weight_decay=0"): "no hyper-parameter to tune",
        ("--seeds", "2", "--seed", "1"): "--seed and --seeds are both given",
        ("--seeds", "0"): "0 is not a number of seeds",
    }
    for more, expected in cases.items():
        answer = bench(*words(out, *more))
        assert answer.code == 2
        assert expected in answer.check_three_lines()[0], more
    assert not out.exists()


def test_a_search_in_which_every_trial_fails_is_a_failed_unit_with_the_reason(bench, words, tmp_path):
    out = tmp_path / "runs"
    answer = bench(
        *words(
            out, "--trials", "2", "--fold", "0", "--set", "epochs=1", "--set", "lr=1e30", "--set", "clip_grad_norm=none"
        )
    )
    assert answer.code == 1
    assert "no trial of r0f0 was completed" in answer.err
    assert "the loss is" in answer.err
