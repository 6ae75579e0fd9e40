"""trials.csv is checked row by row; what is damaged is named, and does not take the other folds with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import DataError
from harness.results.store import RunStore

ROW: dict[str, Any] = {
    "fold": "r0f0",
    "trial": 0,
    "state": "complete",
    "auc": 0.9,
    "log_loss": None,
    "device_s": 1.5,
    "chosen": True,
    "param.lr": 1e-3,
    "reason": "",
}
ROWS = [ROW, ROW | {"trial": 1, "state": "failed", "auc": None, "chosen": False}, ROW | {"fold": "r0f1"}]


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "runs")
    store.write_trials("study", ROWS)
    return store


def table(store: RunStore) -> Path:
    return store.study_folder("study") / "trials.csv"


def test_what_was_written_is_read(store: RunStore) -> None:
    assert [(row["fold"], row["trial"]) for row in store.trials("study")] == [
        ("r0f0", "0"),
        ("r0f0", "1"),
        ("r0f1", "0"),
    ]
    assert store.trials("another") == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("r0f0,1,", "r0f0,-1,", "line 3: trial is '-1'"),
        ("r0f0,1,", "r0f0,0,", "line 3: trial 0 of fold 'r0f0' stands twice"),
        ("r0f0,1,", ",1,", "line 3: fold is empty"),
        ("failed", "done", "line 3: state is 'done'"),
        (",0.9,", ",nan,", "line 2: auc is 'nan'"),
        ("1.5", "1,5", "line 2: chosen is '5'"),
        ("False", "no", "line 3: chosen is 'no'"),
        ("chosen", "picked", "line 2: 'chosen' is missing"),
        ("auc", "9" * 5000, "is no name of a column"),
        ("auc", "a\x1bc", "is no name of a column"),
    ],
)
def test_a_damaged_row_is_named(store: RunStore, old: str, new: str, problem: str) -> None:
    path = table(store)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=problem):
        store.trials("study")


def test_a_table_that_was_cut_short_costs_its_last_fold_alone(store: RunStore) -> None:
    path = table(store)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(DataError, match="line 4"):
        store.trials("study")
    store.write_trials("study", [ROW | {"fold": "r0f2"}])
    assert [row["fold"] for row in store.trials("study")] == ["r0f0", "r0f0", "r0f2"]
