"""What making features costs is kept beside them, over interruptions."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from harness.features.cost import COST, CostLog, cost_of


def test_the_cost_adds_up_over_interruptions(tmp_path: Path) -> None:
    assert cost_of(tmp_path) is None
    with pytest.raises(KeyboardInterrupt), CostLog(tmp_path, "cpu").measuring():
        time.sleep(0.05)
        raise KeyboardInterrupt
    first = cost_of(tmp_path)
    assert first["wall_s"] >= 0.05 and first["gpu"] == "no GPU" and first["interruptions"] == 0
    with CostLog(tmp_path, "cpu").measuring():
        time.sleep(0.05)
    second = cost_of(tmp_path)
    assert second["wall_s"] >= first["wall_s"] + 0.05 and second["interruptions"] == 1
    assert second["gpu_hours"] == 0 and second["cpu_hours"] >= first["cpu_hours"]


def test_a_kill_loses_no_more_than_what_was_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = CostLog(tmp_path, "cpu")
    with log.measuring():
        log.note()
        assert cost_of(tmp_path) is None, "it is written now and then, not at every slide"
        monkeypatch.setattr("harness.features.cost._EVERY_S", 0.0)
        time.sleep(0.02)
        log.note()
        assert cost_of(tmp_path)["wall_s"] >= 0.02


@pytest.mark.parametrize("content", ["", "[]", '{"account": 3}', "{"])
def test_a_damaged_account_is_an_unknown_cost(content: str, tmp_path: Path) -> None:
    (tmp_path / COST).write_text(content)
    assert cost_of(tmp_path) is None
    with CostLog(tmp_path, "cpu").measuring():
        pass
    assert json.loads((tmp_path / COST).read_text())["account"]["device"] == "cpu"
