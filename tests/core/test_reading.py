"""A file that is no file, or far too large, is refused at once."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from harness.core.errors import BenchError, UsageError, shown
from harness.core.reading import open_regular, parse_json, read_json, read_text, size_text


def special(folder: Path, kind: str) -> Path:
    """Something in ``folder`` that is no regular file."""
    path = folder / "it"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with tempfile.TemporaryDirectory() as short:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(f"{short}/s")
            Path(short, "s").rename(path)
            listener.close()
    elif kind == "link to a pipe":
        os.mkfifo(folder / "pipe")
        path.symlink_to(folder / "pipe")
    elif kind == "loop":
        path.symlink_to(path)
    else:
        path.symlink_to(kind)
    return path


@pytest.mark.parametrize(
    "kind", ["pipe", "folder", "socket", "link to a pipe", "loop", "/dev/zero", "/dev/tty", "/nothing"]
)
def test_only_regular_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = special(tmp_path, kind)
    with pytest.raises(OSError) as error, open_regular(path):
        pass
    assert error.value.strerror


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfabc")
    (tmp_path / "b").symlink_to("a")
    assert read_text(tmp_path / "b") == "abc"


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="GB"):
        read_text(path, limit=10**6)
    with pytest.raises(OSError, match="GB"):
        read_json(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "", "{", b"\xff"])
def test_json_that_is_none_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 999, 1000, 3_400_000, 2.5e12)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "3.4 MB",
        "2500.0 GB",
    ]


def test_messages_are_short_whatever_they_quote() -> None:
    bomb: object = ["x"] * 10
    for _ in range(20):
        bomb = [bomb] * 10
    for value in (bomb, "x" * 10**6, 10**400, {"a": bomb}, [10**5000]):
        assert len(shown(value)) < 500
    error = UsageError("x" * 10**6, place="y" * 10**6, fix="z" * 10**6)
    assert len(str(error)) < 10_000
    assert isinstance(error, BenchError)
