"""What hyper-parameters name on disk is part of a unit's identity, by its content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core.errors import DataError
from harness.studies.param_files import param_files


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "weights.bin").write_bytes(bytes(100))
    (tmp_path / "mean").mkdir()
    return folder


def test_texts_that_name_files_are_hashed_and_others_are_not(model: Path) -> None:
    params = {
        "lr": 1e-3,
        "pool": "mean",
        "text": "model",
        "init": "model/config.json",
        "nothing": None,
        "name": "a" * 5000,
    }
    assert set(param_files(params)) == {"text", "init"}
    assert param_files({"text": str(model)}) == param_files({"text": "./model"}) == param_files({"text": "model"})
    assert param_files({"pool": "mean", "odd": "a\0b", "home": "~nobody/x"}) == {}


def test_a_changed_byte_changes_the_identity_whatever_the_time_stamp_says(model: Path) -> None:
    before = param_files({"text": "model"})
    path = model / "deep" / "weights.bin"
    status = path.stat()
    path.write_bytes(bytes(99) + b"x")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert param_files({"text": "model"}) != before


def test_an_empty_folder_is_named(model: Path) -> None:
    with pytest.raises(DataError, match="holds no files"):
        param_files({"text": "./mean"})
