"""``bench leaderboard show``: a table that can be read, errors that help."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.evidence import fill, fill_survival

from harness.results.store import RunStore


@pytest.fixture
def store(bench, tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "runs")


def test_it_ranks_the_runs_folder(bench, store: RunStore) -> None:
    fill(store, signal=0.05, honest=True)
    fill(store, method="max_pool", signal=0.9, gpu=True, honest=True)
    fill(store, method="mean_pool", done=1, honest=True)
    answer = bench("leaderboard show")
    assert answer.code == 0, answer.err
    lines = [line for line in answer.out.splitlines() if line.startswith("│")]
    assert ["max_pool" in lines[0], "abmil" in lines[1], "mean_pool" in lines[2]] == [True] * 3
    assert "toy, protocol cv3" in answer.out
    assert "3/3" in lines[0] and "0.03" in lines[0] and "902 MB" in lines[0]
    assert "no GPU" in lines[1]
    assert "1/3" in lines[2] and "incomplete" in lines[2] and lines[2].startswith("│    - ")


def test_metric_dataset_and_folder_can_be_chosen(bench, tmp_path: Path) -> None:
    other = RunStore(tmp_path / "other")
    fill(other, study="a-1")
    fill(other, study="b-2", dataset="second")
    answer = bench("leaderboard", "show", "--out", str(other.root), "--dataset", "second", "--metric", "acc")
    assert answer.code == 0, answer.err
    assert "second, protocol cv3" in answer.out and "toy" not in answer.out
    assert "ACC [95 % interval]" in answer.out


def test_damaged_evidence_is_a_named_row(bench, store: RunStore) -> None:
    made = fill(store, honest=True)
    (store.unit_folder(made[0].unit_id) / "record.json").write_text("{")
    answer = bench("leaderboard show")
    assert answer.code == 0
    assert made[0].unit_id in answer.err and "cut short" in answer.err
    assert "1 damaged" in answer.out
    (row,) = [line for line in answer.out.splitlines() if "damaged evidence" in line]
    assert "cut short" in " ".join(answer.out.split()) and row.startswith("│    - ")
    (store.root / "studies" / "stray").mkdir()
    (store.root / "studies" / "stray" / "study.json").write_text("[]")
    apart = bench("leaderboard show").out.partition("Damaged evidence")[2]
    assert "stray" in apart and "this is not a study" in apart and made[0].unit_id not in apart


@pytest.mark.parametrize("words", ["leaderboard show", "compare b-2 a-1", "sync --uri {}"])
def test_one_odd_value_is_named_by_every_reader_and_ends_none(bench, store: RunStore, tmp_path: Path, words) -> None:
    fill(store, study="a-1", folds=2)
    fill(store, study="b-2", folds=2, method="max_pool")
    made = fill(store, study="c-3", folds=2)
    path = store.unit_folder(made[0].unit_id) / "record.json"
    path.write_text(path.read_text().replace('"wall_s": 36.0', '"wall_s": "12 s"'))
    answer = bench(words.format(f"sqlite:///{tmp_path}/view.db"))
    assert answer.code == 0, answer.err
    assert f"{made[0].unit_id}: damaged: compute.wall_s is '12 s'" in " ".join(answer.err.split())


def test_only_damaged_evidence_is_named_too(bench, store: RunStore) -> None:
    (made,) = fill(store, folds=1)
    (store.unit_folder(made.unit_id) / "record.json").write_text("{}")
    answer = bench("leaderboard show")
    assert answer.code == 2
    assert made.unit_id in answer.err


@pytest.mark.parametrize(
    ("words", "problem", "fix"),
    [
        ("leaderboard show --metric acuracy", "unknown metric 'acuracy'", "'accuracy'"),
        ("leaderboard show --dataset tooy", "unknown dataset 'tooy'", "'toy'"),
        ("leaderboard show --out nowhere", "no finished unit", "bench run"),
    ],
)
def test_errors_name_the_nearest_or_the_next_step(bench, store: RunStore, words: str, problem: str, fix: str) -> None:
    fill(store)
    answer = bench(words)
    assert answer.code == 2
    lines = answer.check_three_lines()
    assert problem in lines[0] and fix in lines[2]


def test_a_method_that_used_more_than_slide_labels_is_marked_beside_those_that_did_not(bench, store: RunStore) -> None:
    fill(store, study="abmil-toy-cv3-111111", labels=["slides"])
    plain = bench("leaderboard show")
    assert "labels used" not in plain.out
    fill(store, study="outlined-toy-cv3-222222", method="outlined", labels=["slides", "masks"])
    answer = bench("leaderboard show")
    assert "labels used" in answer.out
    rows = {line.split()[3]: line for line in answer.out.splitlines() if line.startswith("│")}
    assert "slides + masks" in rows["outlined"]
    assert "slides" in rows["abmil"] and "masks" not in rows["abmil"]


def test_survival_shows_the_c_index_beside_datasets_of_classes(bench, store: RunStore) -> None:
    fill(store)
    fill_survival(store)
    answer = bench("leaderboard show")
    assert answer.code == 0, answer.err
    lived, toy = answer.out.split("toy, protocol cv3")
    assert "lived, protocol cv3" in lived
    assert "C-index [95 % interval]" in lived and "ACC" not in lived and "ranked by C-index" in lived
    assert "AUC [95 % interval]" in toy and "C-index" not in toy
    assert bench("leaderboard show --metric c_index --dataset lived").code == 0


def test_a_result_on_another_input_says_so(bench, store: RunStore) -> None:
    fill(store, study="abmil-toy-cv3-111111")
    fill(store, study="max_pool-toy-cv3-222222", method="max_pool")
    assert "published" not in bench("leaderboard show").out
    plan = store.plan("max_pool-toy-cv3-222222")
    differs = ["encoder conv64 (published: resnet50)"]
    store.write_study({**plan, "config": {**plan["config"], "input_differs": differs}})
    board = bench("leaderboard show").out
    (marked,) = [line for line in board.splitlines() if "max_pool" in line]
    assert "differs: encoder conv64 (published: resnet50)" in marked
    assert board.count("conv64") == 1
    assert differs[0] in bench("compare", "abmil-toy", "max_pool-toy").out


def altered(store: RunStore, study: str, *, preset: str | None = None, input: dict | None = None, **params) -> None:
    """Change settings of a finished study."""
    for path in store.root.glob(f"units/{study}*/record.json"):
        value = json.loads(path.read_text())
        value["spec"]["params"] |= params
        value["spec"]["input"] |= input or {}
        path.write_text(json.dumps(value))
    plan = store.plan(study)
    store.write_study({**plan, "config": {**plan["config"], "preset": preset}})


def test_rows_say_what_differs_between_them(bench, store: RunStore) -> None:
    for number in "1234":
        fill(store, study=f"abmil-toy-cv3-{number * 6}")
    fill(store, study="max_pool-toy-cv3-555555", method="max_pool")
    altered(store, "abmil-toy-cv3-222222", lr=0.01)
    altered(store, "abmil-toy-cv3-333333", input={"encoder": "virchow2@cls+mean", "mpp": [0.5], "weights": "ab" * 32})
    altered(store, "abmil-toy-cv3-444444", preset="published", gated=True)
    rows = {row["study_id"][-6:]: row for row in json.loads(bench("leaderboard show --json").out)}
    assert rows["333333"]["encoder"] == "virchow2@cls+mean" and rows["333333"]["mpp"] == [0.5]
    assert rows["444444"]["preset"] == "published" and rows["444444"]["differs_in"] == {"lr": 0.0005, "gated": True}
    assert rows["222222"]["differs_in"] == {"lr": 0.01, "gated": False} and rows["555555"]["differs_in"] == {}
    shown = bench("leaderboard show").out.splitlines()
    (encoder,) = [line for line in shown if "virchow2@cls+mean" in line]
    assert " 0.5 " in encoder and "abab" not in encoder
    assert any("published" in line and "gated=true" in line for line in shown)


def test_rows_that_differ_by_a_hash_alone_say_of_what(bench, store: RunStore) -> None:
    for number, digit in (("1", "a"), ("2", "b")):
        fill(store, study=f"abmil-toy-cv3-{number * 6}")
        altered(store, f"abmil-toy-cv3-{number * 6}", input={"features": digit * 64})
    out = bench("leaderboard show").out
    assert "input.features=aaaaaaaaaaaa" in out and "input.features=bbbbbbbbbbbb" in out


def test_equal_rows_have_no_column_for_it(bench, store: RunStore) -> None:
    fill(store)
    out = bench("leaderboard show").out
    assert "differs in" not in out and "encoder" not in out
