"""The record of the machine is complete, JSON-able and says when it does not know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.accounting import environment as module
from harness.accounting.environment import environment, reproducible_if, usable_cores


def test_it_names_what_predictions_depend_on() -> None:
    found = environment()
    assert json.loads(json.dumps(found)) == found
    assert found["software"]["wsibench"] == harness.__version__
    assert found["software"]["packages"]["torch"] and found["software"]["packages"]["numpy"]
    assert found["hardware"]["cpu"] and 1 <= found["hardware"]["cores"] == usable_cores()
    text = "\n".join(found["reproducible_if"])
    for needed in ("unit id", f"torch {found['software']['packages']['torch']}", found["hardware"]["cpu"], "threads"):
        assert needed in text
    assert "GPU" not in text


def test_changes_that_are_not_committed_and_the_gpu_are_named() -> None:
    found = environment()
    hardware = {**found["hardware"], "gpu": "Pretend 9000", "cuda": "13.0", "gpu_driver": "999"}
    text = "\n".join(reproducible_if(found["software"], hardware, {"commit": "abc", "dirty": True}))
    assert "uncommitted" in text and "Pretend 9000" in text and "at commit abc" in text


def test_an_installed_copy_inside_a_checkout_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(harness.__file__).resolve().parents[1]
    module.code_state.cache_clear()
    monkeypatch.setattr(module, "_git", lambda where, *arguments: str(root.parent))
    assert module.code_state() == {"commit": None, "dirty": None}
    module.code_state.cache_clear()


def test_a_machine_without_git_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    module.code_state.cache_clear()
    assert module.code_state() == {"commit": None, "dirty": None}
    module.code_state.cache_clear()
