"""``bench replay``: what it shows, and that a replay is ranked nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.evidence import fill

from harness.results.store import RunStore

STUDY = "abmil-toy-cv3-111111aaaaaa"


@pytest.fixture
def store(bench, tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    fill(store, study=STUDY, repeats=2)
    return store


def test_the_actual_protocol_is_said_to_be_so(bench, store):
    answer = bench("replay", "111")
    assert answer.code == 0, answer.err
    assert "these are the numbers that it has reported" in answer.out and "replay of 6 units of 6" in answer.out
    assert not (store.root / "test_accesses.jsonl").exists()


def test_some_folds_are_shown_beside_the_whole_and_counted(bench, store):
    answer = bench("replay", STUDY, "--fold", "0-1")
    assert answer.code == 0, answer.err
    assert "replay of 2 units of 6; never ranked" in answer.out and "2 test-set accesses were noted" in answer.out
    assert len((store.root / "test_accesses.jsonl").read_text().splitlines()) == 2
    board = bench("leaderboard", "show", "--csv").out
    rows = json.loads(bench("replay", STUDY, "--fold", "0-1", "--json").out)
    assert {row["metric"] for row in rows} >= {"auc", "accuracy"} and not any(row["ranked"] for row in rows)
    assert bench("leaderboard", "show", "--csv").out == board


def test_what_cannot_be_replayed_is_refused_in_three_lines(bench, store):
    problem, place, fix = bench("replay", STUDY, "--trials", "3").check_three_lines()
    assert problem == "the study was not tuned" and place == "--trials"
    problem, _, fix = bench("replay", STUDY, "--select", "last-epoch").check_three_lines()
    assert "keep the weights of another epoch" in problem and "bench selection-bias abmil toy" in fix
    problem, _, _ = bench("replay", STUDY, "--threshold", "best").check_three_lines()
    assert "unknown rule" in problem
    problem, _, _ = bench("replay", "nothing").check_three_lines()
    assert "unknown study" in problem


def test_an_empty_runs_folder_is_told(bench):
    problem, _, _ = bench("replay", "a").check_three_lines()
    assert problem == "there is no study in the runs folder"
