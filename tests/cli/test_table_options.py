"""Every table can be had as CSV, JSON, LaTeX or Markdown, on standard output or in a file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from support.evidence import fill

from harness.results.store import RunStore

COMMANDS = (
    "leaderboard show",
    "leaderboard published camelyon16",
    "compare a-1 b-2",
    "datasets list",
    "methods list",
    "encoders list",
    "features list",
    "plugins list tasks",
)


@pytest.fixture
def store(bench, tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    fill(store, study="a-1", folds=2)
    fill(store, study="b-2", folds=2, method="max_pool", signal=0.3)
    return store


@pytest.mark.parametrize("command", COMMANDS)
def test_standard_output_holds_the_table_and_nothing_else(bench, store: RunStore, command: str) -> None:
    shown = bench(command)
    assert shown.code == 0, shown.err
    answer = bench(f"{command} --json")
    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)
    table = list(csv.DictReader(io.StringIO(bench(f"{command} --csv").out)))
    assert len(table) == len(rows)
    assert all(set(row) <= set(table[0]) for row in rows)
    latex, markdown = bench(f"{command} --latex").out, bench(f"{command} --markdown").out
    assert latex.count(r"\\") >= len(rows) and r"\toprule" in latex
    assert markdown.count("\n|") >= len(rows)


def test_the_leaderboard_has_all_numbers_with_all_digits(bench, store: RunStore) -> None:
    from harness.results.summary import summarise

    rows = {row["study_id"]: row for row in json.loads(bench("leaderboard show --json").out)}
    score = summarise(store, store.study("a-1")).scores.scores["auc"]
    row = rows["a-1"]
    assert (row["auc"], row["auc_low"], row["auc_high"]) == (score.value, score.low, score.high)
    assert (
        row["rank"] is None
        and row["verification"] == "unverified"
        and row["units_done"] == 2
        and row["gpu_hours"] is None
        and row["cpu_hours"] == 0.04
    )
    assert {"f1", "balanced_accuracy_low", "split_sha256", "peak_memory_mb"} <= set(row)


def test_compare_says_elsewhere_what_is_no_row(bench, store: RunStore) -> None:
    answer = bench("compare a-1 b-2 --json")
    rows = {row["metric"]: row for row in json.loads(answer.out)}
    assert rows["auc"]["difference"] == pytest.approx(rows["auc"]["b"] - rows["auc"]["a"])
    assert 0 < rows["auc"]["p_value"] <= 1 and "abmil" in answer.err


@pytest.mark.parametrize(("name", "begins"), [("t.csv", "name,"), ("t.JSON", "[\n"), ("t.tex", "%"), ("t.md", "**")])
def test_a_file_has_the_form_of_its_ending(bench, tmp_path: Path, name: str, begins: str) -> None:
    answer = bench(f"methods list --output new/{name}")
    assert answer.code == 0 and not answer.out
    assert (tmp_path / "new" / name).read_text().startswith(begins)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--csv --latex", "one form"),
        ("--output table.docx", ".docx"),
        ("--output runs --csv", "folder"),
        ("--output runs/units/a-1-r0f0-s0/record.json/t.csv", "not a folder"),
    ],
)
def test_what_cannot_be_written_is_said_first(bench, store: RunStore, words: str, problem: str) -> None:
    answer = bench(f"methods list {words}")
    assert answer.code == 2 and not answer.out
    assert problem in answer.check_three_lines()[0]


def test_an_error_writes_no_file(bench, store: RunStore, tmp_path: Path) -> None:
    assert bench("compare a-1 nothing --output t.csv").code == 2
    assert not (tmp_path / "t.csv").exists()
