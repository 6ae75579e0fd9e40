"""``bench leaderboard submit`` and ``verify``, ``bench attest``: from a study to a bundle that others can check."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.bundled import fill_true
from support.toy import write_toy_dataset

from harness.results.store import RunStore


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    fill_true(RunStore(tmp_path / "runs"), write_toy_dataset(tmp_path / "toy"))
    return tmp_path / "runs"


def test_a_study_is_signed_packed_and_verified_and_nothing_private_leaves(bench, runs, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    record = next(runs.glob("units/*/record.json"))
    value = json.loads(record.read_text())
    value["config"]["features"] = "/home/somebody/features"
    record.write_text(json.dumps(value))
    answer = bench("attest abmil")
    assert answer.code == 0 and "made a key" in answer.out and "signed by" in answer.out, answer.err
    for name in ("a", "b"):
        answer = bench(f"leaderboard submit abmil --out-file {name}.wsibundle --dataset ./toy")
        assert answer.code == 0 and "2 units" in answer.out, answer.err
    assert "records: config.features" in answer.out + answer.err
    content = (tmp_path / "a.wsibundle").read_bytes()
    assert content == (tmp_path / "b.wsibundle").read_bytes() and b"somebody" not in content
    pub = tmp_path / "config" / "wsibench" / "attest-key.pub"
    answer = bench("leaderboard", "verify", "a.wsibundle", "--dataset", "./toy", "--signer", str(pub))
    assert answer.code == 0 and "1 of 1 bundle verified" in answer.out, answer.err
    (tmp_path / "b.wsibundle").write_bytes(content.replace(b'"auc"', b'"abc"', 1))
    answer = bench("leaderboard verify a.wsibundle b.wsibundle --dataset ./toy")
    assert answer.code == 2 and "refused" in answer.err and "b.wsibundle" in answer.err


def test_an_entry_is_a_folder_of_text(bench, runs, tmp_path) -> None:
    assert bench("leaderboard submit abmil --entry --dataset ./toy").code == 0
    (folder,) = (tmp_path / "leaderboards" / "entries" / "toy").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"bundle.json", "study.json", "records.jsonl", "predictions.csv", "curves.csv", "accesses.jsonl"}
    answer = bench("leaderboard verify leaderboards/entries --dataset ./toy --json")
    assert answer.code == 0 and json.loads(answer.out)[0]["status"] == "verified", answer.err
    assert bench("leaderboard verify leaderboards/entries").code == 1  # without the dataset nothing is compared


def test_the_site_is_built_from_entries_alone(bench, runs, tmp_path) -> None:
    assert "no entry" in bench("leaderboard build --entries leaderboards/entries").check_three_lines()[0]
    assert bench("leaderboard submit abmil --entry --dataset ./toy").code == 0
    shutil.rmtree(runs)
    answer = bench("leaderboard build --entries leaderboards/entries")
    assert answer.code == 0 and "1 board, 1 study" in answer.out, answer.err
    (board,) = json.loads((tmp_path / "site" / "leaderboard.json").read_text())["boards"]
    assert [entry["method"] for entry in board["entries"]] == ["abmil"]


def test_a_study_that_is_not_complete_or_not_true_is_not_packed(bench, runs, tmp_path) -> None:
    record = next(runs.glob("units/*/record.json"))
    text = record.read_text()
    record.write_text(text.replace('"value": 0.', '"value": 0.0', 1))
    problem, _, _ = bench("leaderboard submit abmil --dataset ./toy").check_three_lines()
    assert "not verified" in problem
    record.unlink()
    problem, _, fix = bench("leaderboard submit abmil --dataset ./toy").check_three_lines()
    assert "missing folds" in problem and "bench run" in fix
    assert not list(tmp_path.glob("*.wsibundle"))


def test_verify_finds_a_log_that_was_edited(bench, runs) -> None:
    log = runs / "test_accesses.jsonl"
    log.write_text(log.read_text().replace('"slides": ', '"slides":  ', 1))
    answer = bench("verify --dataset ./toy")
    assert answer.code == 1 and "line 1 was edited" in answer.out


def test_verify_finds_evidence_that_is_not_what_was_signed(bench, runs, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert bench("attest abmil").code == 0
    assert bench("verify --dataset ./toy").code == 0
    record = next(runs.glob("units/*/record.json"))
    record.write_text(record.read_text().replace('"wall_s": 36.0', '"wall_s": 35.5'))
    answer = bench("verify --dataset ./toy")
    assert answer.code == 1 and "not what was signed" in answer.out


def test_a_path_that_is_no_bundle_is_named(bench, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.wsibundle").write_text("hello")
    for path, problem in (("nothing", "no such bundle"), ("empty", "bundle.json"), ("x.wsibundle", "no archive")):
        assert problem in bench(f"leaderboard verify {path}").check_three_lines()[0]
