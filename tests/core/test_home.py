"""Without a usable home folder there are caches all the same, and libraries that ask for one get one."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from harness.core import home, resources

VARIABLES = ("BENCH_CACHE", "XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "MPLCONFIGDIR", "HOME", "USER", "LOGNAME")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without an entry in /etc/passwd and without variables; the folder for temporary files."""
    for name in (*VARIABLES, "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    home.fallback_folder.cache_clear()
    resources._note_fallback.cache_clear()
    yield tmp_path / "tmp"
    home.fallback_folder.cache_clear()


@pytest.mark.parametrize("value", [None, "", "relative/home", "/nowhere/at/all", "x" * 300, "/" + "x" * 300])
def test_a_home_that_is_none_is_replaced(nobody: Path, value: str | None, monkeypatch, capsys) -> None:
    if value is not None:
        monkeypatch.setenv("HOME", value)
    home.settle_home()
    assert Path(os.environ["HOME"]).is_dir() and nobody in Path(os.environ["HOME"]).parents
    assert Path("~/x").expanduser().is_absolute() and os.environ["USER"]
    assert nobody in resources.cache_root().parents
    assert resources.cache_root() == resources.cache_root()
    assert list(Path.cwd().glob("~*")) == []


def test_the_entry_of_the_system_counts_where_the_variable_is_useless(tmp_path: Path, monkeypatch) -> None:
    entry = type("Entry", (), {"pw_dir": str(tmp_path)})
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry)
    home.settle_home()
    assert os.environ["HOME"] == str(tmp_path) and "USER" not in os.environ
    assert resources.cache_root() == tmp_path / ".cache" / "wsibench"


def test_of_a_home_that_can_only_be_read_the_caches_stay(nobody: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "home" / ".cache" / "huggingface").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: nobody in Path(path, "x").parents and real(path, mode))
    home.settle_home()
    assert os.environ["HOME"] == str(tmp_path / "home") and "HF_HOME" not in os.environ
    assert nobody in Path(os.environ["TORCH_HOME"]).parents and nobody in Path(os.environ["MPLCONFIGDIR"]).parents
    assert nobody in resources.cache_root().parents
    assert "--cache" in capsys.readouterr().err


def test_a_relative_cache_folder_is_ignored_as_its_specification_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    assert resources.cache_root() == tmp_path / ".cache" / "wsibench"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert resources.cache_root() == tmp_path / "xdg" / "wsibench"


def test_a_fallback_that_somebody_else_made_is_not_used(nobody: Path) -> None:
    (nobody / "elsewhere").mkdir()
    (nobody / f"wsibench-{os.getuid()}").symlink_to(nobody / "elsewhere")
    assert home.fallback_folder().name != f"wsibench-{os.getuid()}"
