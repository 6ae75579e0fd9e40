"""Folders that cannot be used are refused by name, and trying them leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.folders import expanded, readable_folder, writable_folder


@pytest.fixture
def bad(tmp_path: Path) -> dict[str, Path]:
    """Paths at which no folder can be made."""
    (tmp_path / "file").touch()
    (tmp_path / "dead").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return {
        "file": tmp_path / "file",
        "below a file": tmp_path / "file" / "a" / "b",
        "dead link": tmp_path / "dead",
        "below a dead link": tmp_path / "dead" / "a",
        "loop": tmp_path / "loop",
        "long name": tmp_path / ("x" * 300),
        "long path": Path(tmp_path, *["y" * 200] * 30),
        "NUL": tmp_path / "a\0b",
        "not ours": Path("/proc/1/runs"),
    }


@pytest.mark.parametrize(
    "kind",
    ["file", "below a file", "dead link", "below a dead link", "loop", "long name", "long path", "NUL", "not ours"],
)
def test_a_folder_that_cannot_be_used_is_refused(bad, tmp_path: Path, kind: str) -> None:
    before = sorted(tmp_path.iterdir())
    for check in (writable_folder, readable_folder):
        with pytest.raises(UsageError) as caught:
            check(bad[kind], "--out")
        assert caught.value.place.startswith("--out ") and "--out" in caught.value.fix
        assert len(caught.value.place) < 400
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_can_be_made_is_not_left_behind(tmp_path: Path) -> None:
    assert writable_folder(tmp_path / "a" / "b ?%", "--out") == tmp_path / "a" / "b ?%"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "there").mkdir()
    writable_folder(tmp_path / "there", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_link_to_a_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert writable_folder(tmp_path / "link", "--out") and readable_folder(tmp_path / "link", "--data-root")


def test_tilde_is_the_home_folder_and_an_unknown_user_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert expanded("~/x") == Path("/home/somebody/x")
    assert expanded("~no-such-user/x") == Path("~no-such-user/x")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: (_ for _ in ()).throw(KeyError(uid)))
    with pytest.raises(UsageError) as caught:
        expanded("~/x")
    assert "HOME" in caught.value.fix
